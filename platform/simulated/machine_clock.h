#pragma once

#include <cstdint>

#include "firmware/ports/clock.h"
#include "platform/simulated/clock.h"

namespace holdfast::simulated {

/// What a machine of the simulation knows of the time: when it booted, whether its wall clock was
/// set, and how far it is off.
class MachineClock final : public ports::Clock {
public:
    /// A machine's clock does not begin with 0 when the first program starts.
    static constexpr Duration kUptimeAtStart = std::chrono::seconds(3);

    /// `start`: the true time when the simulation begins. The machine boots now, with its clock
    /// set.
    MachineClock(const simulated::Clock& clock, WallTime start, std::uint64_t boot_id)
        : clock_(clock), start_(start), booted_at_(clock.now()), boot_id_(boot_id) {}

    /// Where the clock was not set, it is 1970.
    [[nodiscard]] Now now() const override {
        const Instant own = Instant{} + kUptimeAtStart + (clock_.now() - booted_at_);
        return {own, set_ ? true_time() + skew_ : WallTime{own.time_since_epoch()}};
    }
    [[nodiscard]] bool is_synchronised() const override {
        return synchronises_ && set_ && skew_ == Duration{};
    }
    [[nodiscard]] std::uint64_t boot_id() const override { return boot_id_; }

    /// The power comes back. Without a battery the clock is not set then.
    void boot(std::uint64_t boot_id, bool set) {
        booted_at_ = clock_.now();
        boot_id_ = boot_id;
        set_ = set;
        skew_ = {};
    }
    /// Something sets the wall clock right.
    void set() {
        set_ = true;
        skew_ = {};
    }
    /// Somebody sets it wrong.
    void step(Duration by) { skew_ += by; }
    [[nodiscard]] bool is_set() const { return set_; }
    /// False: the kernel never says that the clock is synchronised, as in many containers.
    void synchronises(bool says) { synchronises_ = says; }

    /// What a right clock shows.
    [[nodiscard]] WallTime true_time() const { return start_ + clock_.now().time_since_epoch(); }
    /// When, by the clock of the simulation, the machine's own clock shows `own`.
    [[nodiscard]] Instant simulated_time(Instant own) const {
        const Duration at_boot = booted_at_ - Instant{} - kUptimeAtStart;
        return own >= kNever - std::max(at_boot, Duration{}) ? kNever : own + at_boot;
    }

private:
    const simulated::Clock& clock_;
    WallTime start_;
    Instant booted_at_;
    std::uint64_t boot_id_;
    bool set_ = true;
    bool synchronises_ = true;
    Duration skew_{};
};

}  // namespace holdfast::simulated
