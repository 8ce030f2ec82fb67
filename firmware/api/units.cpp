#include "firmware/api/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "firmware/telemetry/json.h"

namespace holdfast::api {

namespace {

constexpr double kMinute = 60;
constexpr double kHour = 60 * kMinute;
constexpr double kDay = 24 * kHour;

std::string floored(double value) {
    return grouped(static_cast<std::uint64_t>(std::min(std::floor(value), 1e15)));
}

}  // namespace

std::string decimal(double value, int decimals) {
    const double scale = std::pow(10, decimals);
    std::string out;
    telemetry::append_json(out, telemetry::Value(std::round(value * scale) / scale));
    return out.ends_with(".0") ? out.substr(0, out.size() - 2) : out;
}

std::string span(double seconds) {
    if (seconds < 10 * kMinute) {
        return decimal(seconds, seconds < 10 ? 1 : 0) + " s";
    }
    return seconds < 2 * kHour ? decimal(seconds / kMinute, 0) + " min"
                               : decimal(seconds / kHour, 1) + " h";
}

std::string how_long(double seconds) {
    if (seconds < 1) {
        return "less than 1 s";
    }
    if (seconds < 2 * kMinute) {
        return floored(seconds) + " s";
    }
    if (seconds < 2 * kHour) {
        return floored(seconds / kMinute) + " min";
    }
    return seconds < 2 * kDay ? floored(seconds / kHour) + " h" : floored(seconds / kDay) + " days";
}

std::string ago(double seconds) {
    // A clock that is a little ahead of ours is not worth a word.
    if (seconds < -kMinute) {
        return "in the future";
    }
    return seconds < 2 ? "just now" : how_long(seconds) + " ago";
}

std::string size(double bytes) {
    constexpr std::array<const char*, 4> kUnits = {" B", " KiB", " MiB", " GiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) {
        bytes /= 1024;
    }
    if (unit == 0 || bytes >= 100) {
        return decimal(bytes, 0) + kUnits[unit];
    }
    const std::string text = decimal(bytes, 1);
    return text + (text.find('.') == std::string::npos ? ".0" : "") + kUnits[unit];
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

std::string counted(std::uint64_t number, std::string_view what) {
    return grouped(number) + ' ' + std::string(what) + (number == 1 ? "" : "s");
}

}  // namespace holdfast::api
