#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/clock.h"
#include "firmware/hub/push.h"
#include "firmware/journal/record.h"

namespace holdfast::app {

/// Knows whether the wall clock can be trusted. A board without a battery-backed clock starts in
/// 1970: until NTP or the hub has told the time, readings are stamped with the boot's id and its
/// uptime, and one ClockFix resolves them upstream.
class Timekeeper {
public:
    /// A wall clock before this moment has not been set.
    static constexpr WallTime kEarliest{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

    explicit Timekeeper(std::uint64_t boot) : boot_(boot) {}

    /// What a reading taken now carries, to the millisecond: sampling has no finer sense.
    [[nodiscard]] hub::Stamp stamp(Now now) {
        const Duration time =
            is_known(now) ? now.wall.time_since_epoch() : now.monotonic.time_since_epoch();
        return {is_known(now) ? 0 : boot_,
                std::chrono::floor<std::chrono::milliseconds>(time).count() * 1000};
    }

    /// The fix that is due, once a boot, if readings were stamped without a known clock: `told_us`
    /// is the hub's time, if it has just told it.
    [[nodiscard]] std::optional<journal::ClockFix> fix(Now now,
                                                       std::optional<std::int64_t> told_us) {
        if (fixed_ || !stamped_unknown_ || !(is_known(now) || told_us)) {
            return std::nullopt;
        }
        fixed_ = true;
        const std::int64_t wall = is_known(now) ? now.wall.time_since_epoch().count() : *told_us;
        return journal::ClockFix{boot_, now.monotonic.time_since_epoch().count(), wall};
    }

private:
    [[nodiscard]] bool is_known(Now now) {
        const bool known = now.wall >= kEarliest;
        stamped_unknown_ |= !known;
        return known;
    }

    std::uint64_t boot_;
    bool stamped_unknown_ = false;
    bool fixed_ = false;
};

}  // namespace holdfast::app
