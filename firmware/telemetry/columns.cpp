#include "firmware/telemetry/columns.h"

#include <algorithm>
#include <unordered_map>

#include "firmware/telemetry/integers.h"
#include "firmware/telemetry/series.h"

namespace holdfast::telemetry {
namespace {

constexpr unsigned kOrderShift = 4;
constexpr unsigned kMostTimeScale = 9;
constexpr unsigned kDivisorFlag = 0x40;

/// Symbols of a column of texts: the value before, one not seen yet, or this plus the number of one
/// seen.
constexpr std::uint64_t kSame = 0;
constexpr std::uint64_t kNew = 1;
constexpr std::uint64_t kKnown = 2;

/// The power of ten that divides all times, up to 10^9: clocks tick in whole milliseconds or
/// seconds.
unsigned common_scale(Series times, std::int64_t& power) {
    unsigned scale = kMostTimeScale;
    power = 1'000'000'000;
    for (const std::uint64_t time : times) {
        while (static_cast<std::int64_t>(time) % power != 0) {
            power /= 10;
            --scale;
        }
        if (scale == 0) {
            break;
        }
    }
    return scale;
}

}  // namespace

void encode_times(Bytes& out, Series times) {
    std::int64_t power = 1;
    const unsigned scale = common_scale(times, power);
    std::vector<std::uint64_t> scaled;
    if (scale > 0) {
        scaled.reserve(times.size());
        for (const std::uint64_t time : times) {
            scaled.push_back(static_cast<std::uint64_t>(static_cast<std::int64_t>(time) / power));
        }
        times = scaled;
    }
    const SeriesPlan plan = plan_series(times);
    out.push_back(static_cast<std::byte>(plan.order << kOrderShift | scale));
    encode_series(out, times, plan);
}

bool decode_times(Source& source, std::span<std::uint64_t> times) {
    const unsigned head = source.byte();
    const unsigned scale = head & 0x0Fu;
    if (scale > kMostTimeScale) {
        return source.fail("times of an unknown scale");
    }
    if (!source.ok() || !decode_series(source, times, head >> kOrderShift)) {
        return false;
    }
    std::uint64_t power = 1;
    for (unsigned i = 0; i < scale; ++i) {
        power *= 10;
    }
    if (scale > 0) {
        for (std::uint64_t& time : times) {
            time *= power;
        }
    }
    return true;
}

void encode_int64s(Bytes& out, Series numbers) {
    const std::uint64_t divisor = common_divisor(numbers);
    std::vector<std::uint64_t> divided;
    if (divisor > 1) {
        divided.assign(numbers.begin(), numbers.end());
        divide(divided, divisor);
        numbers = divided;
    }
    const SeriesPlan plan = plan_series(numbers);
    out.push_back(
        static_cast<std::byte>(plan.order << kOrderShift | (divisor > 1 ? kDivisorFlag : 0)));
    if (divisor > 1) {
        append_varint(out, divisor);
    }
    encode_series(out, numbers, plan);
}

bool decode_int64s(Source& source, std::span<std::uint64_t> numbers) {
    const unsigned head = source.byte();
    if ((head & ~(kDivisorFlag | 0x30u)) != 0) {
        return source.fail("integers of an unknown kind");
    }
    const std::uint64_t divisor = (head & kDivisorFlag) != 0 ? source.varint() : 1;
    if (!source.ok() || !decode_series(source, numbers, (head & 0x30u) >> kOrderShift)) {
        return false;
    }
    if (divisor != 1) {
        for (std::uint64_t& number : numbers) {
            number *= divisor;
        }
    }
    return true;
}

void encode_bools(Bytes& out, Series truths) {
    std::vector<std::uint64_t> changes;
    changes.reserve(truths.size());
    std::uint64_t before = 0;
    for (const std::uint64_t truth : truths) {
        changes.push_back(truth ^ before);
        before = truth;
    }
    encode_integers(out, changes);
}

bool decode_bools(Source& source, std::span<std::uint64_t> truths) {
    if (!decode_integers(source, truths)) {
        return false;
    }
    std::uint64_t before = 0;
    for (std::uint64_t& truth : truths) {
        if (truth > 1) {
            return source.fail("a bool that is neither true nor false");
        }
        truth = before ^= truth;
    }
    return true;
}

void encode_texts(Bytes& out, std::span<const std::string_view> texts) {
    std::unordered_map<std::string_view, std::uint64_t> seen;
    std::vector<std::uint64_t> symbols;
    std::vector<std::uint64_t> lengths;
    std::vector<std::string_view> distinct;
    symbols.reserve(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0 && texts[i] == texts[i - 1]) {
            symbols.push_back(kSame);
            continue;
        }
        const auto [at, is_new] = seen.try_emplace(texts[i], distinct.size());
        if (is_new) {
            distinct.push_back(texts[i]);
            lengths.push_back(texts[i].size());
        }
        symbols.push_back(is_new ? kNew : kKnown + at->second);
    }
    // The first is always new.
    encode_integers(out, std::span(symbols).subspan(1));
    encode_integers(out, lengths);
    for (const std::string_view text : distinct) {
        append(out, text);
    }
}

bool decode_texts(Source& source, std::span<std::string_view> texts) {
    std::vector<std::uint64_t> symbols(texts.size(), kNew);
    if (!decode_integers(source, std::span(symbols).subspan(1))) {
        return false;
    }
    std::vector<std::uint64_t> lengths(static_cast<std::size_t>(std::ranges::count(symbols, kNew)));
    if (!decode_integers(source, lengths)) {
        return false;
    }
    std::vector<std::string_view> distinct;
    distinct.reserve(lengths.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (symbols[i] == kSame) {
            texts[i] = texts[i - 1];
        } else if (symbols[i] == kNew) {
            texts[i] = as_text(source.take(lengths[distinct.size()]));
            distinct.push_back(texts[i]);
        } else if (symbols[i] - kKnown < distinct.size()) {
            texts[i] = distinct[static_cast<std::size_t>(symbols[i] - kKnown)];
        } else {
            return source.fail("a text that was not there before");
        }
    }
    return source.ok();
}

}  // namespace holdfast::telemetry
