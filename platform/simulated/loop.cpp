#include "platform/simulated/loop.h"

#include <algorithm>
#include <utility>

namespace holdfast::simulated {

namespace {

class LoopTimer final : public ports::Timer {
public:
    LoopTimer(Clock& clock, const MachineClock& machine, std::shared_ptr<bool> loop_lives,
              ports::Loop::Event expired)
        : clock_(clock),
          machine_(machine),
          loop_lives_(std::move(loop_lives)),
          expired_(std::move(expired)) {}
    ~LoopTimer() override { *alive_ = false; }
    LoopTimer(const LoopTimer&) = delete;
    LoopTimer& operator=(const LoopTimer&) = delete;

    void arm(Instant deadline) override {
        deadline_ = deadline;
        wait();
    }

private:
    /// An event that comes earlier than it is needed waits again when it comes: deadlines are moved
    /// on far more often than they are met.
    void wait() {
        const Instant when = std::max(machine_.simulated_time(deadline_), clock_.now());
        if (when >= wakes_at_) {
            return;
        }
        wakes_at_ = when;
        clock_.at(when, [this, when, alive = alive_] {
            if (*alive && *loop_lives_ && wakes_at_ == when) {
                wakes_at_ = kNever;
                wake();
            }
        });
    }
    void wake() {
        if (machine_.simulated_time(deadline_) > clock_.now()) {
            wait();
            return;
        }
        deadline_ = kNever;
        expired_();
    }

    Clock& clock_;
    const MachineClock& machine_;
    std::shared_ptr<bool> loop_lives_;
    ports::Loop::Event expired_;
    Instant deadline_ = kNever;  ///< of the machine
    Instant wakes_at_ = kNever;  ///< of the simulation
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Loop::Loop(Clock& clock, const MachineClock& machine)
    : clock_(clock), machine_(machine), wheel_(machine.now().monotonic) {}

Loop::~Loop() {
    *alive_ = false;
}

/// The event stays here, so that what it holds goes with the loop.
void Loop::post(Event event) {
    events_.push_back(std::move(event));
    clock_.at(clock_.now(), [this, alive = alive_] {
        if (*alive) {
            Event next = std::move(events_.front());
            events_.pop_front();
            ++ran_;
            next();
        }
    });
}

void Loop::schedule(ports::Timeout& timeout, Duration after) {
    const Instant now = machine_.now().monotonic;
    if (wheel_.size() == 0) {
        wheel_.advance(now);  // it stood still while it was empty
    }
    const Instant due = after >= kNever - now ? kNever : now + after;
    wheel_.schedule(timeout, due);
    // Rounded up as in the wheel. Awake too early it looks again when the next one is due.
    const auto ticks =
        (due.time_since_epoch() + TimerWheel::kTick - Duration(1)) / TimerWheel::kTick;
    wake_at(machine_.simulated_time(due == kNever ? kNever : Instant(ticks * TimerWheel::kTick)));
}

std::unique_ptr<ports::Timer> Loop::make_timer(Event expired) {
    return std::make_unique<LoopTimer>(clock_, machine_, alive_, std::move(expired));
}

void Loop::wake_at(Instant when) {
    when = std::max(when, clock_.now());
    if (when >= wakes_at_) {
        return;
    }
    wakes_at_ = when;
    clock_.at(when, [this, when, alive = alive_] {
        if (*alive) {
            expire(when);
        }
    });
}

void Loop::expire(Instant when) {
    if (wakes_at_ != when) {
        return;  // an earlier one has taken its place
    }
    wakes_at_ = kNever;
    wheel_.advance(machine_.now().monotonic);
    const std::shared_ptr<bool> alive = alive_;
    while (TimerWheel::Entry* const entry = wheel_.next_expired()) {
        static_cast<ports::Timeout*>(entry)->expired();
        if (!*alive) {
            return;
        }
    }
    if (const Instant next = wheel_.next_due(); next != kNever) {
        wake_at(machine_.simulated_time(next));
    }
}

}  // namespace holdfast::simulated
