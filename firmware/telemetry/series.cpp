#include "firmware/telemetry/series.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "firmware/telemetry/integers.h"

namespace holdfast::telemetry {
namespace {

unsigned width(std::uint64_t difference) {
    return static_cast<unsigned>(std::bit_width(zigzag(difference)));
}

/// The median of some numbers spread over the series. Unlike the mean, it does not move with a gap
/// or an outlier, and it is exact where most numbers are equal.
template <class At>
std::uint64_t median(std::size_t size, At&& at) {
    constexpr std::size_t kSamples = 127;
    std::array<std::int64_t, kSamples> samples{};
    const std::size_t count = std::min(size, kSamples);
    for (std::size_t i = 0; i < count; ++i) {
        samples[i] = static_cast<std::int64_t>(at(i * size / count));
    }
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(samples.begin(), middle, samples.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<std::uint64_t>(*middle);
}

}  // namespace

std::uint64_t common_divisor(Series series) {
    std::uint64_t divisor = 0;
    for (const std::uint64_t number : series) {
        const std::uint64_t magnitude =
            static_cast<std::int64_t>(number) < 0 ? std::uint64_t{0} - number : number;
        if (divisor == 0 || magnitude % divisor != 0) {
            divisor = std::gcd(divisor, magnitude);
        }
        if (divisor == 1) {
            break;
        }
    }
    // The divisor is stored, so it must save more than it costs. It divides signed numbers.
    constexpr std::size_t kWorthwhile = 4;
    const bool fits = divisor <= static_cast<std::uint64_t>(INT64_MAX);
    return divisor > 1 && fits && series.size() >= kWorthwhile ? divisor : 1;
}

void divide(std::span<std::uint64_t> series, std::uint64_t divisor) {
    for (std::uint64_t& number : series) {
        number = static_cast<std::uint64_t>(static_cast<std::int64_t>(number) /
                                            static_cast<std::int64_t>(divisor));
    }
}

SeriesPlan plan_series(Series series) {
    const std::size_t size = series.size();
    if (size < 2) {
        return {1, 0, size == 0 ? 0 : width(series[0])};
    }
    const std::uint64_t level = median(size, [&](std::size_t i) { return series[i]; });
    const std::uint64_t slope =
        median(size - 1, [&](std::size_t i) { return series[i + 1] - series[i]; });
    const std::uint64_t first_step = series[1] - series[0];
    std::array<std::uint64_t, 3> costs{width(level) + width(series[0] - level),
                                       width(series[0]) + width(slope),
                                       width(series[0]) + width(first_step)};
    costs[1] += width(first_step - slope);
    std::uint64_t step = first_step;
    costs[0] += width(series[1] - level);
    for (std::size_t i = 2; i < size; ++i) {
        const std::uint64_t next_step = series[i] - series[i - 1];
        costs[0] += width(series[i] - level);
        costs[1] += width(next_step - slope);
        costs[2] += width(next_step - step);
        step = next_step;
    }
    // Where the costs are equal, the first difference is the better choice for what follows.
    SeriesPlan plan{1, slope, costs[1]};
    if (costs[0] < plan.cost_bits) {
        plan = {0, level, costs[0]};
    }
    if (costs[2] < plan.cost_bits) {
        plan = {2, 0, costs[2]};
    }
    return plan;
}

void encode_series(Bytes& out, Series series, const SeriesPlan& plan) {
    if (series.empty()) {
        return;
    }
    std::vector<std::uint64_t> rest;
    rest.reserve(series.size());
    if (plan.order == 0) {
        append_varint(out, zigzag(plan.base));
        for (const std::uint64_t number : series) {
            rest.push_back(zigzag(number - plan.base));
        }
        encode_integers(out, rest);
        return;
    }
    append_varint(out, zigzag(series[0]));
    if (series.size() < 2) {
        return;
    }
    std::uint64_t step = plan.order == 1 ? plan.base : series[1] - series[0];
    append_varint(out, zigzag(step));
    for (std::size_t i = plan.order; i < series.size(); ++i) {
        const std::uint64_t next_step = series[i] - series[i - 1];
        rest.push_back(zigzag(next_step - step));
        if (plan.order == 2) {
            step = next_step;
        }
    }
    encode_integers(out, rest);
}

bool decode_series(Source& source, std::span<std::uint64_t> series, unsigned order) {
    if (order > 2) {
        return source.fail("differences of an unknown order");
    }
    if (series.empty()) {
        return source.ok();
    }
    if (order == 0) {
        const std::uint64_t level = unzigzag(source.varint());
        if (!source.ok() || !decode_integers(source, series)) {
            return false;
        }
        for (std::uint64_t& number : series) {
            number = unzigzag(number) + level;
        }
        return true;
    }
    std::uint64_t last = unzigzag(source.varint());
    series[0] = last;
    if (series.size() < 2) {
        return source.ok();
    }
    std::uint64_t step = unzigzag(source.varint());
    if (!source.ok()) {
        return false;
    }
    if (order == 1) {
        if (!decode_integers(source, series.subspan(1))) {
            return false;
        }
        for (std::uint64_t& number : series.subspan(1)) {
            number = last += unzigzag(number) + step;
        }
        return true;
    }
    series[1] = last += step;
    if (!decode_integers(source, series.subspan(2))) {
        return false;
    }
    for (std::uint64_t& number : series.subspan(2)) {
        step += unzigzag(number);
        number = last += step;
    }
    return true;
}

}  // namespace holdfast::telemetry
