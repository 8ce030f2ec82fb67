#pragma once

#include "firmware/base/clock.h"

namespace holdfast::system {

/// CLOCK_BOOTTIME (goes on in suspend) and CLOCK_REALTIME.
[[nodiscard]] Instant monotonic_now();
[[nodiscard]] WallTime wall_now();
[[nodiscard]] inline Now now() {
    return {monotonic_now(), wall_now()};
}

}  // namespace holdfast::system
