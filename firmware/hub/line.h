#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/hub/fleet.h"
#include "firmware/hub/live_feed.h"
#include "firmware/journal/journal.h"
#include "firmware/line/messages.h"

namespace holdfast::hub {

/// What all lines of a hub share. Everything outlives the lines.
struct Shared {
    journal::Journal& journal;
    Fleet& fleet;
    LiveFeed& live;
};

/// Tells the fleet and the live feed of readings that were appended to the journal and will be
/// durable at `end_position`.
void note_readings(Shared& shared, const journal::Stream& stream, const telemetry::Batch& batch,
                   std::uint64_t first_seq, std::uint64_t end_position);

struct Admission {
    std::string device;
    bool relay = false;
    std::string address;
};

struct LineOptions {
    std::uint64_t max_batch_bytes = 8u << 20;
    std::uint64_t window_bytes = 1u << 20;
    std::size_t max_streams = 10'000;
    /// For a device that comes while storage fails.
    Duration retry_after = std::chrono::seconds(10);
};

/// The hub's side of one line, without input and output: Hello and Welcome, deduplication,
/// acknowledgement after the commit.
///
/// The owner passes messages in, calls `durable` after each commit, and sends what `next_message`
/// gives. After an error the line is closed with the error's message.
class Line {
public:
    Line(Shared shared, Admission admission, const LineOptions& options);
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    /// The device is offline now, unless a newer line has taken its place.
    ~Line();

    /// Errors: invalid (not the contract of proto/README.md), unauthorized (another origin than the
    /// admitted device's).
    [[nodiscard]] Result<void> received(ByteView bytes, Now now);
    /// The journal's `durable_before` may have moved.
    void durable();
    [[nodiscard]] std::optional<Bytes> next_message();
    /// Welcome or an acknowledgement waits for a commit.
    [[nodiscard]] bool waits() const;

    /// Tells the device to go, and why; the owner closes the line when it has been sent.
    void goodbye(const std::string& reason, Duration retry_after);
    [[nodiscard]] bool said_goodbye() const { return said_goodbye_; }
    /// A newer line of the same device was admitted: this one must not touch the fleet's entry any
    /// more.
    void superseded() { superseded_ = true; }

    [[nodiscard]] const Admission& admission() const { return admission_; }
    /// Hello has come.
    [[nodiscard]] bool greeted() const { return greeted_; }
    /// What Hello said of the device's start; 0 before it.
    [[nodiscard]] std::uint64_t boot() const { return boot_; }
    /// Both have said Hello, and nothing tells that two devices did: they name the same start of
    /// the machine, and a journal of the device in common, if each names one.
    [[nodiscard]] bool is_of_the_same_device(const Line& other) const;

private:
    struct LineStream {
        journal::StreamId id = 0;
        /// Acknowledgements that wait for the commit: (position, number).
        std::list<std::pair<std::uint64_t, std::uint64_t>> waiting;
        bool refused = false;  ///< a record was malformed: what follows it is passed over
    };

    [[nodiscard]] Result<void> hello(const line::HelloMessage& message, Now now);
    [[nodiscard]] Result<void> open(const line::OpenMessage& message);
    [[nodiscard]] Result<void> record(journal::Record record, Now now);
    [[nodiscard]] Result<telemetry::Batch> checked_batch(journal::Record& record,
                                                         const journal::Stream& stream) const;
    [[nodiscard]] bool send_away();
    void refuse(LineStream& stream, const journal::Record& record, const std::string& reason);
    [[nodiscard]] Device& device(const std::string& origin);
    [[nodiscard]] std::set<std::uint64_t> own_journals() const;

    Shared shared_;
    Admission admission_;
    LineOptions options_;
    bool greeted_ = false;
    /// Who sent Hello with the request, and whose answer lost the header that says that it was
    /// taken, says it again as the first message.
    bool hello_may_repeat_ = false;
    bool said_goodbye_ = false;
    bool superseded_ = false;
    std::uint64_t boot_ = 0;
    std::uint64_t welcome_after_ = 0;  ///< position that must be durable first
    bool welcome_due_ = false;
    std::vector<line::AckMessage> acknowledged_;  ///< at Hello, for Welcome
    std::int64_t server_time_us_ = 0;
    std::map<std::uint32_t, LineStream> streams_;
    std::list<Bytes> out_;
};

}  // namespace holdfast::hub
