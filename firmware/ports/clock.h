#pragma once

#include <cstdint>

#include "firmware/base/clock.h"

namespace holdfast::ports {

/// What the machine knows of the time.
class Clock {
public:
    virtual ~Clock() = default;
    /// Both clocks at this moment. The monotonic one starts at the boot of the machine and goes on
    /// in suspend; the wall clock may be wrong, and may jump.
    [[nodiscard]] virtual Now now() const = 0;
    /// The kernel says that something keeps the wall clock right (adjtimex(2), STA_UNSYNC is
    /// clear). False says nothing: virtual machines and containers often never say it.
    [[nodiscard]] virtual bool is_synchronised() const = 0;
    /// Differs from one boot of the machine to the next; never 0.
    [[nodiscard]] virtual std::uint64_t boot_id() const = 0;
};

}  // namespace holdfast::ports
