#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/journal.h"
#include "firmware/line/device_end.h"
#include "firmware/ports/entropy.h"
#include "firmware/uplink/backoff.h"
#include "firmware/uplink/heartbeat/adaptive_heartbeat.h"
#include "firmware/uplink/heartbeat/heartbeat.h"
#include "firmware/uplink/states.h"

namespace holdfast::uplink {

struct UplinkOptions : line::DeviceEndOptions {
    Duration heartbeat = std::chrono::seconds(25);
    /// Learn the interval in place of `heartbeat`. The owner must then carry out what `adaptive()`
    /// asks for, and tell how lines ended.
    std::optional<AdaptiveOptions> adaptive;
    Duration pong_timeout = std::chrono::seconds(10);
    Duration retry_min = std::chrono::milliseconds(500);
    Duration retry_max = std::chrono::seconds(60);
    /// A line that lived so long ends the back-off.
    Duration stable_after = std::chrono::minutes(1);
    Duration welcome_timeout = std::chrono::seconds(10);
};

using line::Outgoing;

/// The life of the main line, without input and output: when to connect, how long to wait for
/// Welcome and for pongs, heartbeat, back-off. What is said on the line is `line::DeviceEnd`'s.
/// Lives as long as the node; lines come and go. On the network thread, beside its Journal.
///
/// The owner asks `connect_due`, makes a line, tells `connected`, passes messages both ways, and
/// tells `disconnected`. The state changes by the table of `states.h` only: an event that is not
/// listed there leaves the state as it is, is among the notices, and has the line given up.
class Uplink {
public:
    using State = uplink::State;

    Uplink(journal::Journal& journal, const UplinkOptions& options, ports::Entropy& entropy);

    // ---- The life of a line

    /// True once, when it is time to connect: the state becomes `connecting`.
    [[nodiscard]] bool connect_due(Instant now);
    void connected(Instant now);
    /// Before `connected`: Hello, which the owner sends along with the handshake, or sees to it
    /// that it is the first message. `next_message` does not give it then.
    [[nodiscard]] Bytes hello_ahead();
    /// No line came about, or it ended. Schedules the next try. `end`: how it ended, if known; it
    /// teaches an adaptive heartbeat.
    void disconnected(const Error& error, Instant now, std::optional<LineEnd> end = std::nullopt);
    /// A new line has taken the place of the present one, which the owner then closes: Hello and
    /// resume, without back-off.
    void renewed(Instant now);
    /// No line came about, or it ended before Welcome, and the owner makes another at once, over
    /// another path: the state is `connecting` again.
    void another_path(const Error& error, Instant now);
    /// The node stops: no further tries.
    void stop(Instant now);
    /// Any bytes came from the peer.
    void heard(Instant now);
    /// A message came. An error means that the hub broke the contract: close the line with 1002 and
    /// the message.
    [[nodiscard]] Result<void> received(ByteView bytes, Instant now);

    // ---- What to do on a line

    /// The next message to send, if there is one and the window allows it.
    [[nodiscard]] std::optional<Outgoing> next_message(Instant now);
    [[nodiscard]] bool ping_due(Instant now) const;
    void ping_sent(Instant now);
    /// A ping is out, and nothing has come since.
    [[nodiscard]] bool awaits_pong() const { return pinged_at_ != kNever; }
    /// What stands before that ping is still leaving: it is not overdue yet.
    void leaving(Instant now);
    /// Why the line is to be given up now (dead, no Welcome, the hub said Goodbye, records
    /// refused), nullopt: it is well.
    [[nodiscard]] std::optional<Error> give_up(Instant now) const;
    [[nodiscard]] Instant deadline() const;

    // ---- Reading the backlog

    using Read = line::DeviceEnd::Read;
    /// What is to be read from the store, if anything; at most one read is out at a time. The
    /// caller answers with `fetched`.
    [[nodiscard]] std::optional<Read> take_read(Instant now);
    void fetched(Result<std::vector<journal::Record>> records, Instant now);

    // ---- The adaptive heartbeat, null unless `UplinkOptions::adaptive`

    /// Its probe lines and its knowledge are the owner's to serve; what happens on the main line it
    /// learns from this Uplink.
    [[nodiscard]] AdaptiveHeartbeat* adaptive() { return adaptive_ ? &*adaptive_ : nullptr; }
    [[nodiscard]] const AdaptiveHeartbeat* adaptive() const {
        return adaptive_ ? &*adaptive_ : nullptr;
    }

    // ---- What is known

    [[nodiscard]] State state() const { return state_; }
    /// What is said on the line.
    [[nodiscard]] const line::DeviceEnd& line() const { return line_; }
    [[nodiscard]] std::uint64_t in_flight_bytes() const { return line_.in_flight_bytes(); }
    [[nodiscard]] std::uint64_t reconnects() const { return reconnects_; }
    [[nodiscard]] Instant since() const { return since_; }
    /// While no line is live: when one was last; nullopt if there has been none.
    [[nodiscard]] std::optional<Instant> live_until() const { return live_until_; }
    [[nodiscard]] const std::string& last_error() const { return last_error_; }
    /// From an acknowledgement or pong; nullopt before the first.
    [[nodiscard]] std::optional<Duration> round_trip() const { return round_trip_; }
    /// Highest number of this run's own readings that the hub has acknowledged; 0: none.
    [[nodiscard]] std::uint64_t own_acknowledged_through() const {
        return line_.own_acknowledged_through();
    }
    /// Time of the hub at `Welcome`, once per line; microseconds since 1970. nullopt when there is
    /// none to take.
    [[nodiscard]] std::optional<std::int64_t> take_server_time();
    /// Things worth a line in the log (refusals by the hub, goodbyes), oldest first; drained by the
    /// owner.
    [[nodiscard]] std::vector<std::string> take_notices();

private:
    /// Calls `what` with the heartbeat that this Uplink has.
    decltype(auto) beat(auto&& what) { return adaptive_ ? what(*adaptive_) : what(heartbeat_); }
    decltype(auto) beat(auto&& what) const {
        return adaptive_ ? what(*adaptive_) : what(heartbeat_);
    }
    [[nodiscard]] Result<void> change(Event event, Instant now);
    [[nodiscard]] bool change_or_give_up(Event event, Instant now);
    void greet(Instant now);
    void forget_line();
    void tell_heartbeat(std::optional<LineEnd> end, const Error& error, Instant now);
    [[nodiscard]] Result<void> apply(const line::DeviceEnd::Welcomed& welcomed, Instant now);
    [[nodiscard]] Result<void> apply(const line::DeviceEnd::Acknowledged& event, Instant now);
    [[nodiscard]] Result<void> apply(const line::DeviceEnd::Refused& refused, Instant now);
    [[nodiscard]] Result<void> apply(const line::DeviceEnd::SentAway& away, Instant now);

    line::DeviceEnd line_;
    UplinkOptions options_;
    ports::Entropy& entropy_;
    Backoff backoff_;
    Heartbeat heartbeat_;  ///< unless `adaptive_`
    std::optional<AdaptiveHeartbeat> adaptive_;

    State state_ = State::waiting;
    Instant since_{};
    std::optional<Instant> live_until_;
    Instant retry_at_{};
    Duration told_to_wait_{};
    std::string last_error_;
    std::uint64_t reconnects_ = 0;
    std::optional<Duration> round_trip_;
    Instant pinged_at_ = kNever;
    std::optional<std::int64_t> server_time_us_;
    std::vector<std::string> notices_;
    std::optional<Error> give_up_;  ///< why the present line is to end
};

}  // namespace holdfast::uplink
