#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/error.h"
#include "firmware/journal/cursor.h"
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
    /// retention: a Gap is kept only where a consumer holds (`Write::held_from`).
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

/// How far a consumer has come (consumer.h): everything before `position` is confirmed.
struct ConsumerPosition {
    std::string name;
    std::uint64_t position = 0;
    bool holds = false;  ///< rows are kept until it has confirmed them
    bool operator==(const ConsumerPosition&) const = default;
};
inline constexpr std::size_t kConsumers = 1000;
/// Of a consumer's name.
inline constexpr std::size_t kConsumerNameBytes = 200;

inline constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

/// Everything one transaction writes. Applied in the order of the members.
struct Write {
    std::vector<Stream> streams;       ///< new ones
    std::vector<ChannelRow> channels;  ///< new ones
    std::uint64_t release_before =
        0;  ///< records that end at or before this position were acknowledged: delete them
    std::vector<Record> records;  ///< positions ascending, above all that is stored
    std::vector<SourcePosition> sources;
    std::vector<Note> notes;         ///< each replaces the one of its name
    std::vector<std::string> ended;  ///< consumers that are no more
    /// Each replaces the one of its name, whose position does not fall.
    std::vector<ConsumerPosition> consumers;
    /// Records from this position on that are evicted leave a Gap, for a consumer holds them.
    std::uint64_t held_from = kNobody;
    /// Positions before this one are not given again by another run, for they may be shown before
    /// they are stored.
    std::uint64_t reserve_before = 0;
};

struct Written {
    std::uint64_t used_bytes = 0;
    std::uint64_t evicted_readings = 0;  ///< by this write
    std::uint64_t evicted_before = 0;    ///< if it has evicted: only Gaps and the like stand before
};

/// Positions that stand for no record: from `first` on, up to `end`, which is not one of them.
struct Hole {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    bool operator==(const Hole&) const = default;
};

/// What is known when a journal has been opened.
struct Opened {
    Stream own;  ///< this run's stream; its row is already durable
    std::vector<Stream> streams;
    std::vector<ChannelRow> channels;
    std::vector<SourcePosition> sources;
    std::vector<Note> notes;  ///< the one written longest ago first
    std::vector<ConsumerPosition> consumers;
    std::uint64_t generation = 0;  ///< of the file: drawn with it, and not 0
    /// Above all positions that were stored, kept by a consumer, or reserved.
    std::uint64_t next_position = 1;
    std::uint64_t first_position = 0;  ///< of the oldest record; == next_position if there is none
    std::uint64_t store_end = 1;  ///< behind the last record; == next_position if there is none
    /// Between two runs, positions that were reserved and are not used.
    std::vector<Hole> holes;
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
    Cursor after = {};                    ///< position 0: from the oldest
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
    /// `after` of the next page; there may be one even where `rows` is empty.
    std::optional<Cursor> next;
    /// Rows that should have followed `Query::after`, of this origin or others, and are not to be
    /// had; `rows` go on behind them.
    std::optional<Missed> missed;
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
    /// has it), unsupported (written by a newer version, and not to be written by this one: left
    /// alone).
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
