#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "firmware/base/check.h"
#include "firmware/journal/store.h"

namespace holdfast::journal {

/// Times below this (the start of the year 2000) may be uptimes: no machine runs for thirty years.
/// So a row whose times are all above it is known to carry wall-clock times without its body being
/// decoded.
inline constexpr std::int64_t kSurelyWallUs = 946'684'800'000'000;

inline constexpr const char* kDatabaseName = "journal.db";

/// Binds, runs, and expects no row.
template <class... Values>
[[nodiscard]] Result<void> run(ports::Database& database, const char* sql,
                               const Values&... values) {
    auto statement = database.prepare(sql);
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    return statement->bind(values...).run();
}

/// Binds, and calls `row(statement)` for each row.
template <class Row, class... Values>
[[nodiscard]] Result<void> for_each(ports::Database& database, const char* sql, Row row,
                                    const Values&... values) {
    auto statement = database.prepare(sql);
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    statement->bind(values...);
    for (;;) {
        auto more = statement->step();
        if (!more) {
            return std::unexpected(std::move(more).error());
        }
        if (!*more) {
            return {};
        }
        row(*statement);
    }
}

/// The first column of the first row; nullopt if there is none.
template <class... Values>
[[nodiscard]] Result<std::optional<std::int64_t>> number(ports::Database& database, const char* sql,
                                                         const Values&... values) {
    auto statement = database.prepare(sql);
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    auto row = statement->bind(values...).step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    return *row ? std::optional(statement->integer(0)) : std::nullopt;
}

[[nodiscard]] inline std::uint64_t as_unsigned(std::int64_t number) {
    return static_cast<std::uint64_t>(number);
}

/// A record's row without its body.
struct RowHead {
    std::uint64_t position = 0;
    StreamId stream = 0;
    std::int64_t kind = 0;
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;

    /// A damaged row may say anything.
    [[nodiscard]] bool makes_sense() const;
    [[nodiscard]] bool is(RecordKind which) const {
        return kind == static_cast<std::int64_t>(which);
    }
    [[nodiscard]] std::uint64_t readings() const {
        return is(RecordKind::batch) ? last_seq - first_seq + 1 : 0;
    }
    [[nodiscard]] std::uint64_t end_position() const {
        return position + (is(RecordKind::batch) ? readings() : 1);
    }
};

/// Columns position, stream, kind, first_seq, last_seq, in this order, from the first on.
[[nodiscard]] RowHead row_head(const ports::Statement& row);

/// The row as a record, or nullopt where its checksum is wrong: then nothing of it can be believed.
/// Columns: those of `row_head`, then first_time, last_time, checksum, body.
[[nodiscard]] std::optional<Record> row_record(const ports::Statement& row);
/// What stands for a damaged row whose numbers are known to be right.
[[nodiscard]] Record corrupt_gap(const RowHead& head);

/// What a row's `checksum` must be: CRC-32 of its numbers and its body. SQLite does not notice
/// flipped bits in a body.
[[nodiscard]] std::int64_t checksum(const Record& record);

/// The last row of the journal, as long as it may still grow.
struct Tail {
    Record record;  ///< its `body` is out of date while `stale`, unless `batch` is not there yet
    std::optional<telemetry::Batch> batch = {};  ///< decoded when it first grows
    std::size_t body_bytes = 0;                  ///< of the body; an estimate while `stale`
    bool stored = false;                         ///< its row exists, and is to be updated
    bool stale = true;                           ///< the row does not yet hold all of it
};

struct Store::State {
    ports::Database database;
    StoreOptions options;
    Epoch own;
    std::int64_t wal_bytes = 0;
    std::map<StreamId, Stream> streams = {};
    std::optional<Tail> tail = {};
    std::uint64_t generation = 0;
    std::uint64_t run_begin = 1;                 ///< the first position of this run
    std::uint64_t end_position = 1;              ///< of the last row
    std::uint64_t evictable_from = 0;            ///< all rows before this position are gaps
    std::uint64_t held_from = kNobody;           ///< as of the last write
    bool deleted = false;                        ///< the present write has deleted rows
    std::optional<std::uint64_t> readings = {};  ///< stored; known once it was asked for

    // ---- store_write.cpp
    Result<Written> write(const Write& write);
    Result<void> add_streams(const std::vector<Stream>& added);
    Result<void> add_channels(const std::vector<ChannelRow>& added);
    Result<void> apply(const Write& write, Written& written);
    Result<void> release(std::uint64_t before);
    Result<void> append(const Record& record);
    Result<void> append_batch(const Record& record);
    bool grow_tail(const Record& record);
    Result<void> flush_tail();
    Result<void> insert(const Record& record);
    Result<void> note_clock_fix(const Record& record);
    Result<void> raise_through(const Write& write);
    Result<void> save_sources(const Write& write);
    Result<void> save_notes(const Write& write);
    Result<void> save_consumers(const Write& write);
    Result<void> raise_given(const Write& write);
    [[nodiscard]] std::size_t merged_body_limit() const;

    // ---- store_evict.cpp
    /// Bytes of the database and the most its WAL takes.
    Result<std::uint64_t> used_bytes();
    /// Returns how many readings were evicted.
    Result<std::uint64_t> make_room(const Write& write);
    Result<std::uint64_t> evict(std::uint64_t target_bytes);
    Result<void> store_gap(Record gap);
    [[nodiscard]] std::uint64_t need_bytes(const Write& write) const;

    // ---- store_read.cpp
    Result<std::vector<Record>> read(std::uint64_t position, std::size_t max_bytes);
    Result<std::optional<std::int64_t>> oldest_time_us();
    /// Wall clock minus uptime; nullopt: the fix has not come yet.
    Result<std::optional<std::int64_t>> clock_fix(const std::string& origin, std::uint64_t boot);
};

}  // namespace holdfast::journal
