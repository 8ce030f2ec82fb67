#pragma once

#include <functional>
#include <memory>

#include "firmware/base/clock.h"
#include "firmware/ports/timeout.h"

namespace holdfast::ports {

/// One exact deadline. Destroying it cancels it.
class Timer {
public:
    virtual ~Timer() = default;
    /// Replaces an earlier deadline. What is due in the past is due at once, but never within this
    /// call; kNever: none.
    virtual void arm(Instant deadline) = 0;
};

/// The network thread's loop: runs one event at a time. Everything that the node decides is decided
/// on this thread. Not thread-safe.
class Loop {
public:
    using Event = std::move_only_function<void()>;

    virtual ~Loop() = default;
    /// Runs `event` after the present one, in the order of the calls. Events that have not run when
    /// the loop ends are dropped; whoever may be gone by then has to look whether it is.
    virtual void post(Event event) = 0;
    /// Calls `timeout.expired()` once, `after` from now or up to TimerWheel::kTick later. Replaces
    /// an earlier deadline of it. Thousands of them cost nothing while they wait.
    virtual void schedule(Timeout& timeout, Duration after) = 0;
    /// `expired` is called each time that an armed deadline has passed, in an event of its own.
    [[nodiscard]] virtual std::unique_ptr<Timer> make_timer(Event expired) = 0;
};

}  // namespace holdfast::ports
