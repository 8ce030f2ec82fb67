#pragma once

#include "firmware/base/clock.h"
#include "firmware/ports/clock.h"

namespace holdfast::system {

/// CLOCK_BOOTTIME (goes on in suspend) and CLOCK_REALTIME.
[[nodiscard]] Instant monotonic_now();
[[nodiscard]] WallTime wall_now();
[[nodiscard]] inline Now now() {
    return {monotonic_now(), wall_now()};
}

class SystemClock final : public ports::Clock {
public:
    SystemClock();
    [[nodiscard]] Now now() const override { return system::now(); }
    [[nodiscard]] bool is_synchronised() const override;
    [[nodiscard]] std::uint64_t boot_id() const override { return boot_; }

private:
    std::uint64_t boot_;
};

}  // namespace holdfast::system
