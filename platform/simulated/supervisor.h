#pragma once

#include <algorithm>
#include <cstdint>

#include "firmware/ports/supervisor.h"
#include "platform/simulated/clock.h"

namespace holdfast::simulated {

/// Notes the signs of life of a program, and whether a real watchdog would have ended it.
class Supervisor final : public ports::Supervisor {
public:
    /// nullopt: the program is not watched.
    Supervisor(const Clock& clock, std::optional<Duration> watchdog)
        : clock_(clock), watchdog_(watchdog), alive_at_(clock.now()) {}

    [[nodiscard]] std::optional<Duration> watchdog_interval() const override { return watchdog_; }
    void alive() override {
        longest_silence_ = silence();
        alive_at_ = clock_.now();
        ++signs_;
    }
    void give_back_memory() override { ++given_back_; }

    /// The longest time without a sign of life so far, the present one included.
    [[nodiscard]] Duration silence() const {
        return std::max<Duration>(longest_silence_, clock_.now() - alive_at_);
    }
    [[nodiscard]] bool would_have_ended_it() const { return watchdog_ && silence() > *watchdog_; }
    [[nodiscard]] Instant alive_at() const { return alive_at_; }
    [[nodiscard]] std::uint64_t signs() const { return signs_; }
    [[nodiscard]] std::uint64_t given_back() const { return given_back_; }

private:
    const Clock& clock_;
    std::optional<Duration> watchdog_;
    Instant alive_at_;
    Duration longest_silence_{};
    std::uint64_t signs_ = 0;
    std::uint64_t given_back_ = 0;
};

}  // namespace holdfast::simulated
