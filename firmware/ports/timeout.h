#pragma once

#include "firmware/base/timer_wheel.h"

namespace holdfast::ports {

/// A coarse deadline, embedded in its owner; `Loop::schedule` starts it, and destroying it cancels
/// it.
class Timeout : public TimerWheel::Entry {
public:
    /// The deadline has passed. Called from the loop, in an event of its own.
    virtual void expired() = 0;
    void cancel() { TimerWheel::cancel(*this); }

protected:
    ~Timeout() = default;
};

}  // namespace holdfast::ports
