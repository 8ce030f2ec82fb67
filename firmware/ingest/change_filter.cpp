#include "firmware/ingest/change_filter.h"

#include <cmath>
#include <cstdlib>

namespace holdfast::ingest {
namespace {

bool changed(const telemetry::Value& before, const telemetry::Value& now, double dead_band) {
    if (before.index() != now.index()) {
        return true;
    }
    if (const auto* number = std::get_if<double>(&now)) {
        const double last = std::get<double>(before);
        if (std::isnan(last) || std::isnan(*number)) {
            return std::isnan(last) != std::isnan(*number);
        }
        // Equal infinities differ by NaN.
        return last != *number && !(std::abs(*number - last) <= dead_band);
    }
    if (const auto* number = std::get_if<std::int64_t>(&now)) {
        const std::int64_t last = std::get<std::int64_t>(before);
        // The difference of two such may need 64 bits without a sign.
        const std::uint64_t apart =
            *number > last ? static_cast<std::uint64_t>(*number) - static_cast<std::uint64_t>(last)
                           : static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(*number);
        return static_cast<double>(apart) > dead_band;
    }
    return before != now;
}

}  // namespace

void ChangeFilter::apply(std::vector<ports::Sample>& samples) {
    std::erase_if(samples, [this](const ports::Sample& sample) {
        const auto [kept, first] = last_.try_emplace(sample.channel.name, sample.value);
        if (first) {
            return false;
        }
        if (!changed(kept->second, sample.value, dead_band_)) {
            return true;
        }
        kept->second = sample.value;
        return false;
    });
}

}  // namespace holdfast::ingest
