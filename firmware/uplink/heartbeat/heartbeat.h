#pragma once

#include <algorithm>

#include "firmware/base/clock.h"

namespace holdfast::uplink {

/// Says when a ping is due on a line and when the line is dead. Whatever the peer sends proves that
/// it lives; what we send proves nothing.
class Heartbeat {
public:
    Heartbeat(Duration interval, Duration pong_timeout)
        : interval_(interval), pong_timeout_(pong_timeout) {}

    void opened(Instant now) {
        heard_ = now;
        ping_sent_ = waiting_since_ = kNever;
    }
    /// Bytes came from the peer. `owes_answer`: it still has to acknowledge something.
    void heard(Instant now, bool owes_answer) {
        heard_ = now;
        ping_sent_ = kNever;
        waiting_since_ = owes_answer ? now : kNever;
    }
    /// Something was sent that the peer has to answer.
    void sent(Instant now) {
        if (waiting_since_ == kNever) {
            waiting_since_ = now;
        }
    }
    /// The peer owes no answer any more.
    void settled() { waiting_since_ = kNever; }
    void ping_sent(Instant now) { ping_sent_ = left_ = now; }
    /// What stands before the ping is still on its way to the peer: its answer is awaited from now
    /// on.
    void leaving(Instant now) { left_ = now; }

    /// A ping is to be sent: the line was silent for `interval`, or an answer is overdue for
    /// `pong_timeout`.
    [[nodiscard]] bool ping_due(Instant now) const {
        return ping_sent_ == kNever && ping_at() <= now;
    }
    /// The ping was not answered in time.
    [[nodiscard]] bool dead(Instant now) const {
        return ping_sent_ != kNever && left_ + pong_timeout_ <= now;
    }
    [[nodiscard]] Instant deadline() const {
        return ping_sent_ == kNever ? ping_at() : left_ + pong_timeout_;
    }

private:
    [[nodiscard]] Instant ping_at() const {
        const Instant silent = heard_ + interval_;
        return waiting_since_ == kNever ? silent : std::min(silent, waiting_since_ + pong_timeout_);
    }

    Duration interval_;
    Duration pong_timeout_;
    Instant heard_{};
    Instant waiting_since_ = kNever;
    Instant ping_sent_ = kNever;
    Instant left_{};  ///< the ping, as far as is known
};

}  // namespace holdfast::uplink
