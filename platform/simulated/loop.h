#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "firmware/ports/loop.h"
#include "platform/simulated/clock.h"
#include "platform/simulated/machine_clock.h"

namespace holdfast::simulated {

/// The loop of one program, on the virtual clock. Its time is that of its machine. Sleeps until
/// something is due, so that days in which nothing happens cost nothing. When it is destroyed,
/// nothing that was asked of it happens any more.
class Loop final : public ports::Loop {
public:
    Loop(Clock& clock, const MachineClock& machine);
    ~Loop() override;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void post(Event event) override;
    void schedule(ports::Timeout& timeout, Duration after) override;
    /// Outlives neither the clock nor the machine; may outlive the loop, and then never fires.
    [[nodiscard]] std::unique_ptr<ports::Timer> make_timer(Event expired) override;
    /// How many posted events have run.
    [[nodiscard]] std::uint64_t events() const { return ran_; }

private:
    void wake_at(Instant when);
    void expire(Instant when);

    Clock& clock_;
    const MachineClock& machine_;
    std::deque<Event> events_;
    std::uint64_t ran_ = 0;
    TimerWheel wheel_;
    Instant wakes_at_ = kNever;  ///< of the simulation
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::simulated
