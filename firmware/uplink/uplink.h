#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/consumer.h"
#include "firmware/journal/journal.h"
#include "firmware/line/messages.h"
#include "firmware/ports/entropy.h"
#include "firmware/uplink/adaptive_heartbeat.h"
#include "firmware/uplink/backoff.h"
#include "firmware/uplink/heartbeat.h"

namespace holdfast::uplink {

struct UplinkOptions {
    std::string device;    ///< node.id
    std::string software;  ///< "holdfast 0.1.0"
    std::uint64_t boot = 0;
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
    /// Records sent and not yet acknowledged, and records read ahead from the store: bytes of each.
    std::uint64_t window_bytes = 1u << 20;
    std::size_t read_bytes = 256u << 10;
};

/// One message for the line: the WebSocket message is `head` followed by `body`.
struct Outgoing {
    Bytes head;
    SharedBytes body;  ///< may be null
};

/// The client's side of the line, without input and output: when to connect, Hello and Welcome,
/// resume, sending within the window, cumulative acknowledgements, heartbeat, back-off. Lives as
/// long as the node; lines come and go. On the network thread, beside its Journal.
///
/// The owner asks `connect_due`, makes a WebSocket, tells `connected`, passes messages both ways,
/// and tells `disconnected`.
class Uplink {
public:
    enum class State {
        waiting,     ///< no line; the next try is at `deadline()`
        connecting,  ///< the owner is making one
        greeting,    ///< Hello sent, Welcome awaited
        live,
    };

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
    /// No line came about, or it ended before Welcome, and the owner makes another at once, another
    /// way: the state is `connecting` again.
    void another_way(const Error& error, Instant now);
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

    using Read = journal::Consumer::Read;
    /// What is to be read from the store, if anything; at most one read is out at a time. The
    /// caller answers with `fetched`.
    [[nodiscard]] std::optional<Read> take_read(Instant now);
    void fetched(Result<std::vector<journal::Record>> records, Instant now);

    // ---- The adaptive heartbeat, null unless `UplinkOptions::adaptive`

    /// Its side lines and its knowledge are the owner's to serve; what happens on the main line it
    /// learns from this Uplink.
    [[nodiscard]] AdaptiveHeartbeat* adaptive() { return adaptive_ ? &*adaptive_ : nullptr; }
    [[nodiscard]] const AdaptiveHeartbeat* adaptive() const {
        return adaptive_ ? &*adaptive_ : nullptr;
    }

    // ---- What is known

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] std::uint64_t in_flight_bytes() const { return in_flight_bytes_; }
    [[nodiscard]] std::uint64_t reconnects() const { return reconnects_; }
    [[nodiscard]] Instant since() const { return since_; }
    /// While no line is live: when one was last; nullopt if there has been none.
    [[nodiscard]] std::optional<Instant> live_until() const { return live_until_; }
    [[nodiscard]] const std::string& last_error() const { return last_error_; }
    /// There is something that the hub has not acknowledged.
    [[nodiscard]] bool has_backlog() const { return journal_.backlog() > 0; }
    /// The hub has acknowledged a record on the present line.
    [[nodiscard]] bool has_acknowledged() const { return has_acknowledged_; }
    /// Records were sent on it, and none has been acknowledged.
    [[nodiscard]] bool is_fruitless() const { return !has_acknowledged_ && !in_flight_.empty(); }
    /// From an acknowledgement or pong; nullopt before the first.
    [[nodiscard]] std::optional<Duration> round_trip() const { return round_trip_; }
    /// Highest number of this run's own readings that the hub has acknowledged; 0: none.
    [[nodiscard]] std::uint64_t own_acknowledged_through() const { return own_acknowledged_; }
    /// Time of the hub at `Welcome`, once per line; microseconds since 1970. nullopt when there is
    /// none to take.
    [[nodiscard]] std::optional<std::int64_t> take_server_time();
    /// Things worth a line in the log (refusals by the hub, goodbyes), oldest first; drained by the
    /// owner.
    [[nodiscard]] std::vector<std::string> take_notices();

private:
    struct InFlight {
        std::uint32_t stream;
        std::uint64_t first_seq;
        std::uint64_t last_seq;
        std::uint64_t position;
        std::uint64_t size_bytes;
        Instant sent_at;
    };
    /// What is known of a stream on the present line.
    struct OnLine {
        std::uint64_t sent_through = 0;
        std::uint64_t acknowledged_through = 0;
        bool has_sent = false;
    };

    /// Calls `what` with the heartbeat that this Uplink has.
    decltype(auto) beat(auto&& what) { return adaptive_ ? what(*adaptive_) : what(heartbeat_); }
    decltype(auto) beat(auto&& what) const {
        return adaptive_ ? what(*adaptive_) : what(heartbeat_);
    }
    void forget_line();
    void tell_heartbeat(std::optional<LineEnd> end, const Error& error, Instant now);
    [[nodiscard]] line::OpenMessage open_message(const journal::Stream& stream);
    [[nodiscard]] Bytes hello();
    [[nodiscard]] Result<void> welcome(const line::WelcomeMessage& message, Instant now);
    [[nodiscard]] Result<void> acknowledge(const line::AckMessage& message, Instant now);
    [[nodiscard]] Result<void> answer(const line::ResultMessage& message);
    void refuse(const line::RefusalMessage& message);
    [[nodiscard]] bool was_refused(const journal::Record& record) const;
    void goodbye(const line::GoodbyeMessage& message);
    void advance(Instant now);
    [[nodiscard]] std::optional<Outgoing> declare(const journal::Stream& stream);
    [[nodiscard]] Outgoing dispatch(const journal::Record& record, Instant now);
    [[nodiscard]] Outgoing dispatch_gap(const journal::Record& record, std::uint64_t first_seq,
                                        std::uint64_t last_seq, journal::GapReason reason,
                                        Instant now);

    journal::Journal& journal_;
    journal::Consumer consumer_;  ///< what the hub has acknowledged is confirmed
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
    std::uint64_t own_acknowledged_ = 0;
    Instant pinged_at_ = kNever;
    std::optional<std::int64_t> server_time_us_;
    std::vector<std::string> notices_;
    std::optional<Error> give_up_;

    // The present line
    std::map<std::uint32_t, OnLine> on_line_;
    std::map<std::pair<std::string, std::uint64_t>, std::size_t> declared_channels_;
    bool hello_ahead_ = false;       ///< it was given out before the line was up
    std::optional<Bytes> greeting_;  ///< Hello, until it has been handed out
    std::vector<Bytes> answers_;
    std::uint64_t window_bytes_ = 0;
    std::deque<InFlight> in_flight_;
    std::uint64_t in_flight_bytes_ = 0;
    bool has_acknowledged_ = false;

    /// (stream, first number, last number) that the hub could not read: they are sent as a Gap.
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> refused_;
};

}  // namespace holdfast::uplink
