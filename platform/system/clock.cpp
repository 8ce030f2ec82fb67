#include "platform/system/clock.h"

#include <ctime>
#include <sys/timex.h>

#include "firmware/base/check.h"
#include "platform/system/entropy.h"

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

SystemClock::SystemClock() : boot_(system::boot_id()) {}

bool SystemClock::is_synchronised() const {
    timex state{};
    return ::adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) == 0;
}

}  // namespace holdfast::system
