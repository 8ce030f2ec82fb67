#pragma once

#include <chrono>

namespace holdfast {

/// The monotonic clock as engines see it: the caller passes instants in, an engine never asks for
/// one. The platform derives them from CLOCK_BOOTTIME, a test from a counter. The epoch is the boot
/// of the machine, so an Instant is also its uptime.
struct MonotonicClock {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock, duration>;
    static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;
using Duration = std::chrono::microseconds;
/// Wall-clock time, UTC, in microseconds since 1970 without leap seconds.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

/// "No deadline."
inline constexpr Instant kNever = Instant::max();

/// Both clocks, read at one moment; passed with an event to an engine that needs both.
struct Now {
    Instant monotonic;
    WallTime wall;
};

}  // namespace holdfast
