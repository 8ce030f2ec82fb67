#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "firmware/telemetry/columns.h"
#include "firmware/telemetry/integers.h"
#include "firmware/telemetry/series.h"

namespace holdfast::telemetry {
namespace {

static_assert(std::numeric_limits<double>::is_iec559);

constexpr unsigned kOrderShift = 4;
/// In place of the number of decimals: the values are bit patterns.
constexpr unsigned kPatterns = 15;
constexpr unsigned kMostDecimals = 14;
constexpr unsigned kCorrectionsFlag = 0x40;
constexpr unsigned kDivisorFlag = 0x80;

constexpr std::array<double, kMostDecimals + 1> kPowers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                                        1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};

/// The value as the decoder rebuilds it from a decimal. The division of two exact doubles rounds
/// correctly, so a number that was read from decimal text comes back with the same bits.
double from_decimal(std::int64_t decimal, double power) {
    return static_cast<double>(decimal) / power;
}

/// `value` * `power` rounded to a whole number; false where that has no meaning (infinite, not a
/// number, too large).
bool to_decimal(double value, double power, std::int64_t& decimal) {
    constexpr double kMost = 0x1p51;
    // Adding and subtracting 1.5 * 2^52 rounds to a whole number without a library call.
    constexpr double kRounder = 0x1.8p52;
    const double product = value * power;
    if (!(product > -kMost && product < kMost)) {
        return false;
    }
    decimal = static_cast<std::int64_t>((product + kRounder) - kRounder);
    return true;
}

struct Decimals {
    unsigned places = 0;
    std::vector<std::uint64_t> numbers;
    /// For each value the distance, in steps of the last bit, from its decimal; empty if all are
    /// zero.
    std::vector<std::uint64_t> corrections;
    std::uint64_t correction_cost_bits = 0;
};

/// Where it is, and how far off.
std::uint64_t correction_cost_bits(std::uint64_t code) {
    return code == 0 ? 0 : 7 + static_cast<unsigned>(std::bit_width(code));
}

std::uint64_t correction(std::uint64_t bits, std::int64_t decimal, double power) {
    return zigzag(bits - std::bit_cast<std::uint64_t>(from_decimal(decimal, power)));
}

/// Chooses the number of decimals. One decimal more costs some three bits for every value; a value
/// that needs a correction costs more.
unsigned choose_places(Series doubles) {
    constexpr std::size_t kSamples = 128;
    const std::size_t count = std::min(doubles.size(), kSamples);
    unsigned best = 0;
    std::uint64_t best_cost = std::numeric_limits<std::uint64_t>::max();
    for (unsigned places = 0; places <= kMostDecimals; ++places) {
        std::uint64_t cost = std::uint64_t{places} * 10 * count / 3;
        bool exact = true;
        for (std::size_t i = 0; i < count && cost < best_cost; ++i) {
            const std::uint64_t bits = doubles[i * doubles.size() / count];
            std::int64_t decimal = 0;
            if (to_decimal(std::bit_cast<double>(bits), kPowers[places], decimal)) {
                const std::uint64_t code = correction(bits, decimal, kPowers[places]);
                exact = exact && code == 0;
                cost += correction_cost_bits(code);
            } else {
                cost += 64;
            }
        }
        if (cost < best_cost) {
            best_cost = cost;
            best = places;
            if (exact) {
                break;
            }
        }
    }
    return best;
}

Decimals to_decimals(Series doubles) {
    Decimals result;
    result.places = choose_places(doubles);
    const double power = kPowers[result.places];
    result.numbers.reserve(doubles.size());
    std::int64_t decimal = 0;
    for (std::size_t i = 0; i < doubles.size(); ++i) {
        // A value that is no decimal repeats the decimal before; its correction is the whole
        // difference.
        to_decimal(std::bit_cast<double>(doubles[i]), power, decimal);
        result.numbers.push_back(static_cast<std::uint64_t>(decimal));
        const std::uint64_t code = correction(doubles[i], decimal, power);
        if (code != 0) {
            result.corrections.resize(doubles.size());
            result.corrections[i] = code;
            result.correction_cost_bits += correction_cost_bits(code);
        }
    }
    return result;
}

/// The patterns of the doubles without the bits that are zero in all of them, in the order of the
/// numbers they mean.
struct Patterns {
    unsigned shift = 0;
    std::vector<std::uint64_t> numbers;
};

std::uint64_t flip_negative(std::int64_t number) {
    return static_cast<std::uint64_t>(number < 0 ? number ^ INT64_MAX : number);
}

Patterns to_patterns(Series doubles) {
    std::uint64_t any = 0;
    for (const std::uint64_t bits : doubles) {
        any |= bits;
    }
    Patterns result;
    result.shift = any == 0 ? 0 : static_cast<unsigned>(std::countr_zero(any));
    result.numbers.reserve(doubles.size());
    for (const std::uint64_t bits : doubles) {
        result.numbers.push_back(flip_negative(static_cast<std::int64_t>(bits) >> result.shift));
    }
    return result;
}

}  // namespace

void encode_doubles(Bytes& out, Series doubles) {
    Decimals decimals = to_decimals(doubles);
    const std::uint64_t divisor = common_divisor(decimals.numbers);
    if (divisor > 1) {
        divide(decimals.numbers, divisor);
    }
    const SeriesPlan decimal_plan = plan_series(decimals.numbers);
    const Patterns patterns = to_patterns(doubles);
    const SeriesPlan pattern_plan = plan_series(patterns.numbers);
    if (pattern_plan.cost_bits < decimal_plan.cost_bits + decimals.correction_cost_bits) {
        out.push_back(static_cast<std::byte>(pattern_plan.order << kOrderShift | kPatterns));
        out.push_back(static_cast<std::byte>(patterns.shift));
        encode_series(out, patterns.numbers, pattern_plan);
        return;
    }
    const bool corrected = !decimals.corrections.empty();
    out.push_back(static_cast<std::byte>(decimals.places | decimal_plan.order << kOrderShift |
                                         (corrected ? kCorrectionsFlag : 0) |
                                         (divisor > 1 ? kDivisorFlag : 0)));
    if (divisor > 1) {
        append_varint(out, divisor);
    }
    encode_series(out, decimals.numbers, decimal_plan);
    if (corrected) {
        encode_integers(out, decimals.corrections);
    }
}

namespace {

bool decode_patterns(Source& source, std::span<std::uint64_t> doubles, unsigned head) {
    const unsigned shift = source.byte();
    if ((head & (kCorrectionsFlag | kDivisorFlag)) != 0 || shift > 63) {
        return source.fail("doubles of an unknown kind");
    }
    if (!decode_series(source, doubles, head >> kOrderShift & 3u)) {
        return false;
    }
    for (std::uint64_t& bits : doubles) {
        bits = flip_negative(static_cast<std::int64_t>(bits)) << shift;
    }
    return true;
}

}  // namespace

bool decode_doubles(Source& source, std::span<std::uint64_t> doubles) {
    const unsigned head = source.byte();
    if (!source.ok()) {
        return false;
    }
    const unsigned places = head & 0x0Fu;
    if (places == kPatterns) {
        return decode_patterns(source, doubles, head);
    }
    const std::uint64_t divisor = (head & kDivisorFlag) != 0 ? source.varint() : 1;
    if (!source.ok() || !decode_series(source, doubles, head >> kOrderShift & 3u)) {
        return false;
    }
    const double power = kPowers[places];
    for (std::uint64_t& bits : doubles) {
        const auto decimal = static_cast<std::int64_t>(bits * divisor);
        bits = std::bit_cast<std::uint64_t>(from_decimal(decimal, power));
    }
    if ((head & kCorrectionsFlag) == 0) {
        return true;
    }
    std::vector<std::uint64_t> corrections(doubles.size());
    if (!decode_integers(source, corrections)) {
        return false;
    }
    for (std::size_t i = 0; i < doubles.size(); ++i) {
        doubles[i] += unzigzag(corrections[i]);
    }
    return true;
}

}  // namespace holdfast::telemetry
