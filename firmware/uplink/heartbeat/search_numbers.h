#pragma once

#include <algorithm>
#include <cmath>

#include "firmware/base/clock.h"

/// The constants of CutSearch, and arithmetic with durations; README.md has the figures from which
/// they were chosen. Only its two sources and AdaptiveHeartbeat include this.
namespace holdfast::uplink {

inline constexpr double kRampStep = 1.413;  ///< in 17 steps from the first to the last
inline constexpr double kFirstStep = 1.06;  ///< of the least idle time
/// What is safe and what is fatal are so near that nothing is to be gained any more.
inline constexpr double kNearEnough = 1.05;
/// A second line is held this much longer than the first one lived, so that it dies of itself.
inline constexpr double kConfirm = 1.04;
/// Of the exact limit: the rest is what clocks and round trips blur.
inline constexpr double kSafeOfExact = 0.98;
/// The question whose traffic counts: the device speaks at this share of what is safe, and asks at
/// this multiple of what is fatal.
inline constexpr double kSpeakAt = 0.6;
inline constexpr double kRuleTest = 1.15;
/// The longest idle time that is tried on lines of limited life.
inline constexpr double kOfLifetime = 0.85;
inline constexpr Duration kFirstRetry = std::chrono::seconds(1);
inline constexpr Duration kLastRetry = std::chrono::hours(1);
inline constexpr Duration kAfterHubLeft = std::chrono::seconds(30);
/// So many probe lines may be opened with nothing learned from them, before a pause.
inline constexpr int kMostInVain = 12;
inline constexpr Duration kAfterInVain = std::chrono::minutes(2);
inline constexpr Duration kNoTarget = Duration::max();

[[nodiscard]] inline Duration times(Duration duration, double factor) {
    return Duration(std::llround(static_cast<double>(duration.count()) * factor));
}

[[nodiscard]] inline double ratio(Duration above, Duration below) {
    return static_cast<double>(above.count()) / static_cast<double>(below.count());
}

/// The lesser of the two that are known; 0 is not known.
[[nodiscard]] inline Duration least_known(Duration a, Duration b) {
    return a == Duration{} ? b : b == Duration{} ? a : std::min(a, b);
}

}  // namespace holdfast::uplink
