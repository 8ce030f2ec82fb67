#include "platform/system/clock.h"

#include <ctime>

#include "firmware/base/check.h"

namespace holdfast::system {
namespace {

std::chrono::microseconds read_clock(clockid_t id) {
    timespec time{};
    HOLDFAST_CHECK(clock_gettime(id, &time) == 0);
    return std::chrono::seconds(time.tv_sec) +
           std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

Instant monotonic_now() {
    return Instant(read_clock(CLOCK_BOOTTIME));
}

WallTime wall_now() {
    return WallTime(read_clock(CLOCK_REALTIME));
}

}  // namespace holdfast::system
