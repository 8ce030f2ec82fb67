#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/consumer.h"
#include "firmware/journal/journal.h"
#include "firmware/line/messages.h"

namespace holdfast::line {

struct DeviceEndOptions {
    std::string device;    ///< node.id
    std::string software;  ///< "holdfast 0.1.0"
    std::uint64_t boot = 0;
    /// Records sent and not yet acknowledged, and records read ahead from the store: bytes of each.
    std::uint64_t window_bytes = 1u << 20;
    std::size_t read_bytes = 256u << 10;
};

/// One message for the line: the message is `head` followed by `body`.
struct Outgoing {
    Bytes head;
    SharedBytes body = nullptr;  ///< may be null
    bool is_record = false;      ///< the hub will acknowledge it
};

/// The device's end of the line, without input and output: Hello and Welcome, Open, resume, sending
/// within the window, cumulative acknowledgements, Gaps in the place of what is missing or was
/// refused, answers to commands. It knows no connection and no time-out: those are firmware/uplink.
/// Lives as long as the node; lines come and go. On the network thread, beside its Journal.
///
/// The owner calls `begin` when a line can carry messages, passes messages both ways, and calls
/// `end` when the line is over.
class DeviceEnd {
public:
    DeviceEnd(journal::Journal& journal, const DeviceEndOptions& options);

    // ---- The life of a line

    /// A line begins: Hello is its first message, unless `hello_ahead` gave it out.
    void begin();
    /// Before `begin`: Hello, which the owner sends along with the handshake, or sees to it that it
    /// is the first message.
    [[nodiscard]] Bytes hello_ahead();
    /// The line is over, if there was one: what was not acknowledged will be sent again.
    void end();

    // ---- Messages

    /// Welcome came: the line is live.
    struct Welcomed {
        Duration heartbeat_advice{};                 ///< 0: as the device likes
        std::optional<std::int64_t> server_time_us;  ///< microseconds since 1970
    };
    struct Acknowledged {
        std::optional<Duration> round_trip;  ///< of a record; nullopt: none was acknowledged by it
    };
    /// The hub could not read a record. The line is to be ended; on the next one a Gap is sent in
    /// the record's place.
    struct Refused {
        std::uint64_t first_seq = 0;
        std::string reason;
    };
    /// Goodbye came: the line is to be ended.
    struct SentAway {
        std::string reason;
        Duration retry_after{};
    };
    using Event = std::variant<Welcomed, Acknowledged, Refused, SentAway>;
    /// A message came; what follows from it for the owner, if anything. Errors: the hub broke the
    /// contract; close the line with 1002 and the message.
    [[nodiscard]] Result<std::optional<Event>> received(ByteView bytes, Instant now);

    /// The next message to send, if there is one and the window allows it. After Refused and
    /// SentAway no records are sent any more.
    [[nodiscard]] std::optional<Outgoing> next_message(Instant now);

    // ---- Reading the backlog

    using Read = journal::Consumer::Read;
    /// What is to be read from the store, if anything; at most one read is out at a time. The
    /// caller answers with `fetched`.
    [[nodiscard]] std::optional<Read> take_read(Instant now);
    /// Errors: those of the read, which is tried again at `deadline()`.
    [[nodiscard]] Result<void> fetched(Result<std::vector<journal::Record>> records, Instant now);
    /// When `take_read` may have something without a message or an append.
    [[nodiscard]] Instant deadline() const { return consumer_.deadline(); }

    // ---- What is known

    [[nodiscard]] std::uint64_t in_flight_bytes() const { return in_flight_bytes_; }
    /// Records were sent on this line that the hub has not acknowledged.
    [[nodiscard]] bool awaits_acknowledgement() const { return !in_flight_.empty(); }
    /// There is something that the hub has not acknowledged.
    [[nodiscard]] bool has_backlog() const { return journal_.backlog() > 0; }
    /// The hub has acknowledged a record on the present line.
    [[nodiscard]] bool has_acknowledged() const { return has_acknowledged_; }
    /// Records were sent on it, and none has been acknowledged.
    [[nodiscard]] bool is_fruitless() const { return !has_acknowledged_ && !in_flight_.empty(); }
    /// Highest number of this run's own readings that the hub has acknowledged; 0: none.
    [[nodiscard]] std::uint64_t own_acknowledged_through() const { return own_acknowledged_; }

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
    struct OpenStream {
        std::uint64_t sent_through = 0;
        std::uint64_t acknowledged_through = 0;
        bool has_sent = false;
    };

    [[nodiscard]] Result<std::optional<Event>> welcome(const WelcomeMessage& message);
    [[nodiscard]] Result<std::optional<Event>> acknowledge(const AckMessage& message, Instant now);
    [[nodiscard]] Result<std::optional<Event>> answer(const ResultMessage& message);
    [[nodiscard]] Event refuse(const RefusalMessage& message);
    [[nodiscard]] bool was_refused(const journal::Record& record) const;
    std::optional<Duration> advance(Instant now);

    // device_end_send.cpp
    [[nodiscard]] OpenMessage open_message(const journal::Stream& stream);
    [[nodiscard]] Bytes hello();
    [[nodiscard]] std::optional<Outgoing> declare(const journal::Stream& stream);
    [[nodiscard]] Outgoing dispatch(const journal::Record& record, Instant now);
    [[nodiscard]] Outgoing dispatch_gap(const journal::Record& record, std::uint64_t first_seq,
                                        std::uint64_t last_seq, journal::GapReason reason,
                                        Instant now);

    journal::Journal& journal_;
    journal::Consumer consumer_;  ///< what the hub has acknowledged is confirmed
    DeviceEndOptions options_;
    std::uint64_t own_acknowledged_ = 0;
    /// (stream, first number, last number) that the hub could not read: they are sent as a Gap.
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> refused_;

    // The present line
    bool awaits_welcome_ = false;
    bool welcomed_ = false;
    bool is_ending_ = false;         ///< Refused or SentAway
    bool hello_ahead_ = false;       ///< it was given out before `begin`
    std::optional<Bytes> greeting_;  ///< Hello, until it has been handed out
    std::vector<Bytes> answers_;
    std::map<std::uint32_t, OpenStream> streams_;
    std::map<std::pair<std::string, std::uint64_t>, std::size_t> declared_channels_;
    std::uint64_t window_bytes_ = 0;
    std::deque<InFlight> in_flight_;
    std::uint64_t in_flight_bytes_ = 0;
    bool has_acknowledged_ = false;
};

}  // namespace holdfast::line
