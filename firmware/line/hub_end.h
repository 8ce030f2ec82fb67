#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/journal.h"
#include "firmware/line/messages.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::line {

/// What the hub knows of a device before it says Hello: its token or certificate.
struct Admission {
    std::string device;
    bool relay = false;
    std::string address;
};

struct HubEndOptions {
    std::uint64_t max_batch_bytes = 8u << 20;
    std::uint64_t window_bytes = 1u << 20;
    std::size_t max_streams = 10'000;
    /// For a device that comes while storage fails.
    Duration retry_after = std::chrono::seconds(10);
};

/// The hub's end of one line, without input and output: Hello and Welcome, deduplication,
/// acknowledgement after the commit. It appends to the journal, which outlives it, and to nothing
/// else.
///
/// The owner passes messages in, drains `next_event` after each, calls `durable` after each commit,
/// and sends what `next_message` gives. After an error the line is closed with the error's message.
class HubEnd {
public:
    HubEnd(journal::Journal& journal, Admission admission, const HubEndOptions& options);
    HubEnd(const HubEnd&) = delete;
    HubEnd& operator=(const HubEnd&) = delete;

    /// Errors: invalid (not the contract of proto/README.md), unauthorized (another origin than the
    /// admitted device's). What happened before the error is among the events.
    [[nodiscard]] Result<void> received(ByteView bytes, Now now);
    /// The journal's `durable_before` may have moved.
    void durable();
    [[nodiscard]] std::optional<Bytes> next_message();
    /// Welcome or an acknowledgement waits for a commit.
    [[nodiscard]] bool waits() const;

    // ---- What happened

    /// Hello came, once.
    struct Greeted {
        std::string software;
        std::uint64_t backlog_readings = 0;
    };
    /// A message came after Hello.
    struct Heard {};
    /// The device, a relay, opened a stream of another origin.
    struct Relayed {
        std::string origin;
    };
    /// A record, or its new part, was appended to the journal. It will be durable at
    /// `end_position`.
    struct Appended {
        journal::StreamId stream = 0;  ///< of the journal
        journal::RecordKind kind = journal::RecordKind::batch;
        std::uint64_t first_seq = 0;
        std::uint64_t last_seq = 0;
        std::uint64_t end_position = 0;
        telemetry::Batch batch = {};  ///< empty unless `kind` is batch
    };
    using Event = std::variant<Greeted, Heard, Relayed, Appended>;
    /// In the order in which it happened; a superseded line has no events.
    [[nodiscard]] std::optional<Event> next_event();

    // ---- The end of the line

    /// Tells the device to go, and why; the owner closes the line when it has been sent.
    void goodbye(const std::string& reason, Duration retry_after);
    [[nodiscard]] bool said_goodbye() const { return said_goodbye_; }
    /// A newer line of the same device was admitted: what comes on this one does not count any
    /// more.
    void superseded() { superseded_ = true; }
    [[nodiscard]] bool is_superseded() const { return superseded_; }

    // ---- What is known

    [[nodiscard]] const Admission& admission() const { return admission_; }
    /// Hello has come.
    [[nodiscard]] bool greeted() const { return greeted_; }
    /// What Hello said of the device's start; 0 before it.
    [[nodiscard]] std::uint64_t boot() const { return boot_; }
    /// Both have said Hello, and nothing tells that two devices did: they name the same start of
    /// the machine, and a journal of the device in common, if each names one.
    [[nodiscard]] bool is_of_the_same_device(const HubEnd& other) const;

private:
    /// A stream that this line has opened.
    struct OpenStream {
        journal::StreamId id = 0;
        /// Acknowledgements that wait for the commit: (position, number).
        std::list<std::pair<std::uint64_t, std::uint64_t>> waiting;
        bool refused = false;  ///< a record was malformed: what follows it is passed over
    };

    [[nodiscard]] Result<void> hello(const HelloMessage& message, Now now);
    [[nodiscard]] Result<void> open(const OpenMessage& message);
    [[nodiscard]] Result<void> open_later(const OpenMessage& message);
    [[nodiscard]] Result<void> record(journal::Record record);
    [[nodiscard]] Result<telemetry::Batch> checked_batch(journal::Record& record,
                                                         const journal::Stream& stream) const;
    [[nodiscard]] bool send_away();
    void append(OpenStream& stream, journal::Record record, telemetry::Batch batch);
    void refuse(std::uint32_t number, std::uint64_t first_seq, const std::string& reason);
    [[nodiscard]] std::set<std::uint64_t> own_journals() const;

    journal::Journal& journal_;
    Admission admission_;
    HubEndOptions options_;
    bool greeted_ = false;
    /// A device that sent Hello with the request, and whose answer lost the header that says that
    /// it was taken, says it again as the first message.
    bool hello_may_repeat_ = false;
    bool said_goodbye_ = false;
    bool superseded_ = false;
    std::uint64_t boot_ = 0;
    std::uint64_t welcome_after_ = 0;  ///< position that must be durable first
    bool welcome_due_ = false;
    std::vector<AckMessage> acknowledged_;  ///< at Hello, for Welcome
    std::int64_t server_time_us_ = 0;
    std::map<std::uint32_t, OpenStream> streams_;  ///< by the device's number
    std::list<Bytes> out_;
    std::list<Event> events_;
};

}  // namespace holdfast::line
