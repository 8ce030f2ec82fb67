#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/clock.h"
#include "firmware/ingest/stamp.h"
#include "firmware/journal/record.h"

namespace holdfast::ingest {

/// Knows whether the wall clock can be trusted. A board without a battery-backed clock starts in
/// 1970: until the clock has been set, readings are stamped with the boot's id and its uptime, and
/// one ClockFix, from the clock once it is set or from the hub's word before that, resolves them.
class Timekeeper {
public:
    /// A wall clock before this moment has not been set.
    static constexpr WallTime kEarliest{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

    /// `owes_fix`: this program has stopped in the same boot while it owed one.
    explicit Timekeeper(std::uint64_t boot, bool owes_fix = false)
        : boot_(boot), stamped_unknown_(owes_fix) {}

    /// Readings were stamped without a known clock, and their fix has not been given yet: to be
    /// remembered over a restart, or a program that ends now leaves them without a time for ever.
    [[nodiscard]] bool owes_fix() const { return stamped_unknown_ && !fixed_; }

    /// What a reading taken now carries, to the millisecond: sampling has no finer sense.
    [[nodiscard]] Stamp stamp(Now now) {
        const bool known = is_known(now);
        stamped_unknown_ |= !known;
        const Duration time =
            known ? now.wall.time_since_epoch() : now.monotonic.time_since_epoch();
        return {known ? 0 : boot_,
                std::chrono::floor<std::chrono::milliseconds>(time).count() * 1000};
    }

    /// The hub's time, microseconds since 1970, has just been told. It is used only while the clock
    /// here is not set; and not at all if the hub's is not set either, as that of a site gateway
    /// may be.
    void told(Now now, std::int64_t wall_us) {
        if (wall_us < kEarliest.time_since_epoch().count()) {
            return;
        }
        told_ = journal::ClockFix{boot_, now.monotonic.time_since_epoch().count(), wall_us};
    }

    /// What this node tells others: its clock if that is set, else the time by the hub's word.
    [[nodiscard]] WallTime wall(Now now) const {
        if (is_known(now) || !told_) {
            return now.wall;
        }
        const std::int64_t uptime_us = now.monotonic.time_since_epoch().count();
        return WallTime(Duration(told_->wall_us + (uptime_us - told_->uptime_us)));
    }

    /// The fix that is due, once a boot, when readings were stamped without a known clock and the
    /// time has become known.
    [[nodiscard]] std::optional<journal::ClockFix> fix(Now now) {
        if (fixed_ || !stamped_unknown_ || !(is_known(now) || told_)) {
            return std::nullopt;
        }
        fixed_ = true;
        return is_known(now) ? journal::ClockFix{boot_, now.monotonic.time_since_epoch().count(),
                                                 now.wall.time_since_epoch().count()}
                             : told_;
    }

private:
    [[nodiscard]] static bool is_known(Now now) { return now.wall >= kEarliest; }

    std::uint64_t boot_;
    bool stamped_unknown_ = false;
    bool fixed_ = false;
    std::optional<journal::ClockFix> told_;
};

}  // namespace holdfast::ingest
