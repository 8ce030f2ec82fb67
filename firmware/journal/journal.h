#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/journal/record.h"
#include "firmware/journal/store.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::journal {

/// What the giver of readings is told about a power cut.
enum class Promise {
    /// Written at once; `durable_before` passes them when they are on stable storage.
    now,
    /// Stays in memory until the hub has acknowledged it, and is written only if that has not
    /// happened within
    /// `commit_interval`, or memory's share is used up.
    by_deadline,
};

struct JournalOptions {
    std::string origin;
    bool owes_upstream = true;  ///< there is an uplink: records wait for its acknowledgement
    Duration commit_interval = std::chrono::milliseconds(200);
    /// A batch that is being filled is closed so long after its first reading.
    Duration linger = std::chrono::milliseconds(5);
    /// Acknowledged rows are deleted with the next write, or after this time.
    Duration release_delay = std::chrono::seconds(10);
    /// A write that failed is tried again after this time.
    Duration retry_delay = std::chrono::seconds(1);
    std::uint64_t memory_bytes = 1u << 20;
    std::size_t batch_readings = 16'384;  ///< of one record at most
    /// Estimated, before encoding: a record that has reached them takes no more readings.
    std::size_t batch_bytes = 64 << 10;
    std::size_t channels_per_origin = 10'000;
};

/// The numbered log as the network thread sees it: gives numbers, keeps the newest records in
/// memory, decides what the storage thread has to write and when, and knows what is durable and
/// what the hub has acknowledged. It does no input or output itself: the owner takes a `Write`, has
/// the storage thread carry it out, and reports back.
///
/// Invariant: what is durable or acknowledged is always a prefix of what was appended (in the order
/// of positions).
class Journal {
public:
    Journal(const Opened& opened, const JournalOptions& options);

    // ---- Appending our own readings

    /// The number of a channel of this node; a new one becomes durable before the first reading
    /// that uses it. Errors: too_large (`channels_per_origin`, or a text over 1 KiB), invalid (not
    /// UTF-8: no message could carry it).
    [[nodiscard]] Result<telemetry::ChannelId> channel(const telemetry::Channel& channel);

    struct Append {
        std::span<telemetry::Reading> readings;  ///< moved from
        Promise promise = Promise::by_deadline;
        std::uint64_t boot = 0;  ///< see telemetry::Batch
        /// Committed with the readings; only with Promise::now.
        const SourcePosition* source = nullptr;
        bool keep = false;  ///< never refused: whoever gives them has asked `room`, and waits
    };
    /// Gives each reading its number. Many readings become several records, so that one fits
    /// through a slow line in good time; they are written in one transaction all the same. Returns
    /// the position behind the last: the readings are durable when `durable_before` has reached it.
    /// Where memory's share is used up (the disk is full or slow), readings with a deadline become
    /// a Gap (reason refused) and are counted as dropped; those with Promise::now are not refused:
    /// ask `room` first.
    std::uint64_t append(const Append& append, Instant now);
    /// Takes one number of our own stream.
    void append(const ClockFix& fix, Instant now);

    /// Bytes that may still be taken into memory; 0 tells a sender to wait. It grows in `written`
    /// and `release`.
    [[nodiscard]] std::uint64_t room() const;
    /// The position of a source as accepted so far, durable or not.
    [[nodiscard]] SourcePosition source(std::string_view name) const;
    [[nodiscard]] std::uint64_t durable_source(std::string_view name) const;

    // ---- Appending what others send

    /// Finds or makes the stream of (origin, epoch).
    [[nodiscard]] const Stream& open_stream(const std::string& origin, const Epoch& epoch);
    /// Highest number accepted of a stream (durable or about to be). For an epoch older than the
    /// newest known of the same journal: everything, since epochs of one journal arrive in their
    /// order.
    [[nodiscard]] std::uint64_t accepted_through(StreamId id) const;
    /// Errors: invalid (ids must come in order, without holes; a known id must not change its
    /// meaning), too_large.
    [[nodiscard]] Result<void> add_channel(const std::string& origin, std::uint64_t journal,
                                           telemetry::ChannelId id,
                                           const telemetry::Channel& channel);
    /// Takes a record whose `first_seq` is `accepted_through` + 1. Its position is given here.
    /// Promise::now. Returns the position behind it.
    std::uint64_t append_received(Record record);

    // ---- Notes

    /// Puts the note into the next write, at most `commit_interval` from now; one of the same name
    /// that waits is replaced. Notes that fail to be written are tried again. Readings that need
    /// not be written are not written with them. Errors, of which nothing remains: too_large
    /// (`kNoteBytes`), invalid (not UTF-8).
    [[nodiscard]] Result<void> note(std::string name, std::string text, Instant now);

    // ---- Consumers: consumer.h is the way to use them

    /// Keeps the position of a consumer, from the next write on. One that is known keeps the
    /// position that it has; a new one begins at `position`, or, where it holds, with the oldest
    /// record that is not given back yet. Errors: too_large (`kConsumers`, `kConsumerNameBytes`),
    /// invalid (no name, or not UTF-8).
    [[nodiscard]] Result<void> keep_consumer(const std::string& name, bool holds,
                                             std::uint64_t position, Instant now);
    /// nullptr: not known.
    [[nodiscard]] const ConsumerPosition* consumer(std::string_view name) const;
    /// Everything before this position is confirmed on stable storage; 0: not known there.
    [[nodiscard]] std::uint64_t durable_consumer(std::string_view name) const;
    /// Positions do not fall: a lower one changes nothing. It is in the next write, at most
    /// `commit_interval` from now. Of a known consumer.
    void confirm(std::string_view name, std::uint64_t position, Instant now);
    /// Nothing is kept of the consumer any more, and nothing for it.
    void end_consumer(std::string_view name, Instant now);
    /// Whether a record that ends here may be shown: its positions will not be given again to
    /// others, whatever happens. If not yet, the next write sees to it.
    [[nodiscard]] bool may_show(std::uint64_t end_position);
    /// The end of the hole that begins at `position`, if one does; else `position`.
    [[nodiscard]] std::uint64_t past_hole(std::uint64_t position) const;
    /// Drawn with the file.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    // ---- Storage, driven by the owner

    /// What is to be written now, if anything; at most one is out at a time. The caller must answer
    /// with `written`.
    [[nodiscard]] std::optional<Write> take_write(Instant now);
    void written(const Result<Written>& result, Instant now);
    /// The next time `take_write` may have something; kNever if only an append can change that.
    [[nodiscard]] Instant deadline() const;
    /// From now on everything is written at once and released rows are deleted: the program ends.
    void flush();
    /// Nothing is left to write.
    [[nodiscard]] bool clean() const;

    /// Everything before this position is on stable storage, or acknowledged upstream.
    [[nodiscard]] std::uint64_t durable_before() const { return durable_; }
    /// The last write failed with this; nullptr: storage is well.
    [[nodiscard]] const Error* storage_error() const {
        return storage_error_ ? &*storage_error_ : nullptr;
    }

    // ---- Reading, for consumers

    struct Next {
        std::optional<Record> record;  ///< the record at or after the position
        bool in_store = false;         ///< it is not in memory: read it from the store
    };
    /// A record that carries a source's position, and what comes after it, is not handed out before
    /// it is durable: otherwise a crash would make the source send again what the hub already has
    /// under other numbers.
    [[nodiscard]] Next next(std::uint64_t position) const;
    /// Position of the oldest record that some consumer holds; `next_position` if there is none.
    [[nodiscard]] std::uint64_t first_position() const { return released_; }
    /// Position of the oldest record that is still there, as far as is known.
    [[nodiscard]] std::uint64_t oldest_position() const {
        return std::max(released_, evicted_before_);
    }
    /// Position of the oldest record that the hub has not acknowledged; `next_position` if there is
    /// none.
    [[nodiscard]] std::uint64_t first_unacknowledged() const { return acknowledged_; }
    [[nodiscard]] std::uint64_t next_position() const { return next_position_; }
    /// Behind the last row that the store holds.
    [[nodiscard]] std::uint64_t store_end() const { return store_end_; }
    /// Everything before `position` was acknowledged by the hub: memory and rows are given back, as
    /// far as no other consumer holds them.
    void release(std::uint64_t position, Instant now);

    // ---- What is known

    [[nodiscard]] const Stream& own() const { return own_; }
    [[nodiscard]] const std::map<StreamId, Stream>& streams() const { return streams_; }
    /// Channels 1, 2, 3 … of an origin's journal.
    [[nodiscard]] std::span<const telemetry::Channel> channels(const std::string& origin,
                                                               std::uint64_t journal) const;
    /// Those of them that the hub may be told: our own only once they are durable, for a crash
    /// would give their numbers to others.
    [[nodiscard]] std::span<const telemetry::Channel> declarable_channels(
        const std::string& origin, std::uint64_t journal) const;
    [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_; }
    [[nodiscard]] std::uint64_t memory_used_bytes() const { return memory_used_ + open_bytes_; }
    /// Readings evicted or refused since the start.
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
    [[nodiscard]] std::uint64_t own_next_seq() const { return next_seq_; }
    /// Readings that wait for the uplink's acknowledgement, on disk and in memory.
    [[nodiscard]] std::uint64_t backlog() const;

private:
    struct Entry {
        Record record;
        Instant due;         ///< to be written at this time; Instant::min() for Promise::now
        bool durable_first;  ///< not to be sent before it is durable
        mutable bool handed_out = false;  ///< by `next`: it must not change any more
    };
    struct ChannelTable {
        std::vector<telemetry::Channel> rows;
        std::map<std::pair<std::string, std::string>, telemetry::ChannelId> ids;
    };
    struct Source {
        SourcePosition accepted;
        std::uint64_t durable = 0;
        bool dirty = false;
    };

    struct Kept {
        ConsumerPosition at;
        std::uint64_t durable = 0;  ///< 0: not in the file
        bool dirty = false;
    };

    static constexpr Instant kAtOnce = Instant::min();
    static constexpr std::size_t kKeptReadings = 256;

    void close_open_batch();
    void push(Entry entry);
    void pop_front();
    void refuse(std::uint64_t count, Instant now);
    void forget();
    [[nodiscard]] Instant first_due() const;
    [[nodiscard]] Instant records_due() const;
    [[nodiscard]] Instant linger_due() const;
    [[nodiscard]] bool owed_deletion() const;
    [[nodiscard]] bool owes_consumers() const {
        return !ended_.empty() || consumers_due_ != kNever;
    }
    void find_held();
    void give_back(Instant now);
    [[nodiscard]] bool caches() const { return options_.owes_upstream || !consumers_.empty(); }

    JournalOptions options_;
    Stream own_;
    std::map<StreamId, Stream> streams_;
    std::map<std::pair<std::string, Epoch>, StreamId> stream_ids_;
    std::map<std::pair<std::string, std::uint64_t>, std::uint32_t> newest_run_;
    std::map<std::pair<std::string, std::uint64_t>, ChannelTable> channels_;
    std::map<std::string, Source, std::less<>> sources_;

    std::uint64_t next_seq_ = 1;
    std::uint64_t next_position_ = 1;

    /// The newest records; positions ascending and contiguous but for gaps. The front ones may be
    /// durable already and are kept as a cache for the uplink.
    std::deque<Entry> memory_;
    std::uint64_t memory_used_ = 0;
    std::size_t written_ = 0;  ///< so many of them, from the front, are durable
    std::size_t urgent_ = 0;   ///< so many of the others have Promise::now
    /// The batch that is being filled: follows the last entry.
    telemetry::Batch open_;
    std::uint64_t open_first_seq_ = 0;
    std::uint64_t open_position_ = 0;
    std::size_t open_bytes_ = 0;
    Instant open_since_{};
    Instant open_due_ = kNever;
    bool open_durable_first_ = false;

    std::uint64_t durable_ = 1;
    std::uint64_t acknowledged_ = 1;  ///< by the hub
    std::uint64_t released_ = 1;      ///< by the hub, and all consumers that hold
    std::uint64_t evicted_before_ = 1;
    std::uint64_t store_first_ = 1;  ///< rows before this one have been deleted
    std::uint64_t store_end_ = 1;    ///< behind the last row
    Instant release_due_ = kNever;
    bool flushing_ = false;

    std::size_t durable_channels_ = 0;  ///< of our own
    std::vector<Stream> new_streams_;
    std::vector<ChannelRow> new_channels_;

    /// To be written, each name once, in the order of the latest `note`.
    std::vector<Note> notes_;
    Instant notes_due_ = kNever;

    std::map<std::string, Kept, std::less<>> consumers_;
    std::vector<std::string> ended_;  ///< consumers, until that is written
    Instant consumers_due_ = kNever;
    std::uint64_t held_from_ = kNobody;  ///< the least position of those that hold
    std::uint64_t generation_ = 0;
    std::vector<Hole> holes_;
    std::uint64_t reserved_ = 0;  ///< positions before this one are never given again
    bool owes_reserve_ = false;

    /// The write that is out.
    struct Out {
        std::uint64_t end = 0;
        std::uint64_t release = 0;
        std::optional<std::uint64_t> first;  ///< position of the first record, if there is one
        std::size_t streams = 0;
        std::size_t channels = 0;
        std::vector<SourcePosition> sources;
        std::vector<Note> notes;
        std::vector<ConsumerPosition> consumers;
        std::size_t ended = 0;
        std::uint64_t reserve = 0;
    };
    std::optional<Out> out_;
    std::optional<Error> storage_error_;
    Instant retry_at_{};
    std::uint64_t used_bytes_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace holdfast::journal
