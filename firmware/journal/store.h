#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/error.h"
#include "firmware/journal/record.h"
#include "firmware/ports/database.h"
#include "firmware/ports/entropy.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::journal {

enum class WhenFull { drop_oldest, refuse_new };

struct Write;

/// Is told what a Store has written, by the thread that writes.
class WriteObserver {
public:
    virtual ~WriteObserver() = default;
    /// The transaction of `write` has been committed.
    virtual void written(const Write& write) = 0;
};

struct StoreOptions {
    std::string origin;  ///< node.id: the origin of this node's own readings
    std::uint64_t max_size_bytes = 256u << 20;
    WhenFull when_full = WhenFull::drop_oldest;
    /// Evicted records leave a Gap behind for the uplink to deliver. Without an uplink, eviction is
    /// retention: nothing is owed to anyone, and no Gap is kept.
    bool owes_upstream = true;
    ports::DatabaseOptions database;
    WriteObserver* observer = nullptr;  ///< outlives the Store
};

/// A channel as its origin numbers it (1, 2, 3 … without holes), valid for all runs of one journal
/// of the origin.
struct ChannelRow {
    std::string origin;
    std::uint64_t journal = 0;
    telemetry::ChannelId id = 0;
    telemetry::Channel channel;
};

/// Where a source of readings was when the readings before it were committed (`/v1/push?source=`, a
/// followed file).
struct SourcePosition {
    std::string name;
    std::uint64_t position = 0;
    std::uint64_t tag = 0;  ///< what the position refers to, if that can change: a file's inode
};

/// Something small that is to be known at the next start and may be learned again: how a network
/// was found to be. Of at most `kNotes` names; the one that was written longest ago goes.
struct Note {
    std::string name;
    std::string text;
    bool operator==(const Note&) const = default;
};
inline constexpr std::size_t kNotes = 64;
/// Of a note's name, and of its text.
inline constexpr std::size_t kNoteBytes = 200;

/// Everything one transaction writes. Applied in the order of the members.
struct Write {
    std::vector<Stream> streams;       ///< new ones
    std::vector<ChannelRow> channels;  ///< new ones
    std::uint64_t release_before =
        0;  ///< records that end at or before this position were acknowledged: delete them
    std::vector<Record> records;  ///< positions ascending, above all that is stored
    std::vector<SourcePosition> sources;
    std::vector<Note> notes;  ///< each replaces the one of its name
};

struct Written {
    std::uint64_t used_bytes = 0;
    std::uint64_t evicted_readings = 0;  ///< by this write
};

/// What is known when a journal has been opened.
struct Opened {
    Stream own;  ///< this run's stream; its row is already durable
    std::vector<Stream> streams;
    std::vector<ChannelRow> channels;
    std::vector<SourcePosition> sources;
    std::vector<Note> notes;  ///< the one written longest ago first
    std::uint64_t next_position = 1;
    std::uint64_t first_position = 0;  ///< of the oldest record; == next_position if there is none
    std::uint64_t used_bytes = 0;
    std::int64_t newest_time_us =
        0;  ///< the greatest wall-clock time of the newest 256 records; 0: none
    /// Set when the file could not be used: where it was moved, and why. The journal is then a new
    /// one.
    std::optional<std::filesystem::path> moved_aside;
    std::string moved_because;
};

struct Query {
    std::string origin;
    std::string channel;                  ///< "": all
    std::optional<std::int64_t> from_us;  ///< inclusive
    std::optional<std::int64_t> to_us;    ///< exclusive
    std::uint64_t after = 0;              ///< position; 0: from the oldest
    std::size_t limit = 1000;
};

struct QueryRow {
    std::uint64_t position = 0;
    std::uint64_t seq = 0;
    std::optional<std::int64_t>
        time_us;  ///< nullopt: taken before the clock was known, and its fix has not come yet
    telemetry::Channel channel;
    telemetry::Value value;
};

struct Page {
    std::vector<QueryRow> rows;
    std::optional<std::uint64_t>
        next;  ///< `after` of the next page; there may be one even where `rows` is empty
};

struct StoredGap {
    Epoch epoch;
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;
    GapReason reason = GapReason::evicted;
};

/// The journal's tables in one SQLite database. Used by one thread at a time (the storage thread).
/// A failed call changes nothing.
///
/// Consecutive small batches of one stream are merged into one row as they are written: the last
/// row is rewritten, larger, until it fills a page. So an outage costs one page a commit and few
/// bytes a reading at rest.
class Store {
public:
    /// Opens or creates `directory`/journal.db, migrates it, and raises this journal's run by one
    /// durable write. A file that is not a readable journal is moved aside
    /// (journal.db.unreadable-1, -2, …), never deleted. Errors: io, full, refused (another process
    /// has it), unsupported (written by a newer version: left alone).
    [[nodiscard]] static Result<Store> open(const std::filesystem::path& directory,
                                            const StoreOptions& given, ports::Entropy& entropy,
                                            Opened& opened);

    /// For a journal that answered `corrupt` while it ran: end its Store, call this, and `open`
    /// makes a new one. Moves the file aside as `open` does, and returns where to. Errors: io,
    /// full.
    [[nodiscard]] static Result<std::filesystem::path> move_aside(
        const std::filesystem::path& directory, const StoreOptions& options);

    /// One transaction. Success: all of it survives a power cut. Any error: none of it was done.
    /// Makes room first: by eviction (drop_oldest), or not (refuse_new; then too small a rest is
    /// `full`). Gaps and clock fixes are small, and are taken even where batches are not. Records
    /// that do not fit the size limit even in an empty journal are `too_large`. Errors: full (limit
    /// or disk), io, corrupt.
    [[nodiscard]] Result<Written> write(const Write& write);

    /// Records from the one that holds `position` (or the next after it) on, in order, until
    /// `max_bytes` of bodies; at least one if there is any. Damaged rows come as Gap records
    /// (reason corrupt), at their last position, where the rows beside them confirm their numbers,
    /// and else not at all: a stream whose numbers jump has lost those between. Continue at the
    /// last record's `end_position`. Errors: io, corrupt (rows that are not in their order, too).
    [[nodiscard]] Result<std::vector<Record>> read(std::uint64_t position, std::size_t max_bytes);

    /// Readings of one origin in journal order, times resolved by clock fixes. Decodes a bounded
    /// amount a call. Errors: not_found (no such origin), io, corrupt.
    [[nodiscard]] Result<Page> query(const Query& query);
    /// The newest gaps of an origin, at most `limit`.
    [[nodiscard]] Result<std::vector<StoredGap>> gaps(const std::string& origin, std::size_t limit);
    /// Time of the oldest stored batch, nullopt: none.
    [[nodiscard]] Result<std::optional<std::int64_t>> oldest_time_us();
    /// Readings stored now. The first call reads through the table, later ones only remember.
    [[nodiscard]] Result<std::uint64_t> count_readings();

    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    struct State;  ///< private: see store_state.h

private:
    explicit Store(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace holdfast::journal
