#include "firmware/journal/store_schema.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

namespace holdfast::journal {
namespace {

/// An empty file becomes a journal. Numbers of 64 bits are stored as the signed number of the same
/// bits.
Result<void> create(ports::Database& database) {
    auto tables = database.prepare("SELECT count(*) FROM sqlite_schema");
    if (!tables) {
        return std::unexpected(std::move(tables).error());
    }
    if (auto row = tables->step(); !row) {
        return std::unexpected(std::move(row).error());
    }
    if (tables->integer(0) != 0) {
        return fail(ErrorCode::corrupt, "a database of something else than Holdfast");
    }
    return database.execute(R"(
        CREATE TABLE node (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            journal INTEGER NOT NULL,
            run INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE stream (
            id INTEGER PRIMARY KEY,
            origin TEXT NOT NULL,
            journal INTEGER NOT NULL,
            run INTEGER NOT NULL,
            through INTEGER NOT NULL,
            UNIQUE (origin, journal, run)
        ) STRICT;
        CREATE TABLE channel (
            origin TEXT NOT NULL,
            journal INTEGER NOT NULL,
            id INTEGER NOT NULL,
            name TEXT NOT NULL,
            unit TEXT NOT NULL,
            PRIMARY KEY (origin, journal, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE record (
            position INTEGER PRIMARY KEY,
            stream INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            first_time INTEGER NOT NULL,
            last_time INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT;
        CREATE INDEX record_stream ON record (stream, position);
        CREATE INDEX record_gap ON record (position) WHERE kind = 1;
        CREATE TABLE source (
            name TEXT PRIMARY KEY NOT NULL,
            position INTEGER NOT NULL,
            tag INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE clock_fix (
            origin TEXT NOT NULL,
            boot INTEGER NOT NULL,
            position INTEGER NOT NULL,
            wall_minus_uptime INTEGER NOT NULL,
            PRIMARY KEY (origin, boot)
        ) STRICT, WITHOUT ROWID;
    )");
}

/// Ids rise in the order of writing.
Result<void> add_notes(ports::Database& database) {
    return database.execute(R"(
        CREATE TABLE note (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            text TEXT NOT NULL
        ) STRICT;
    )");
}

/// `generation` and `given_before` (positions before it are not given again, though no row holds
/// them) are 0 until a run begins. `oldest_writer` is the oldest schema whose programs can write
/// the file. A step that only adds (a table, a column with a default) leaves it: programs of that
/// schema pass over what they do not know, and an update can be rolled back. Any other step raises
/// it.
Result<void> add_consumers(ports::Database& database) {
    return database.execute(R"(
        ALTER TABLE node ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE node ADD COLUMN given_before INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE node ADD COLUMN oldest_writer INTEGER NOT NULL DEFAULT 3;
        CREATE TABLE hole (
            first INTEGER PRIMARY KEY,
            next INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE consumer (
            name TEXT PRIMARY KEY NOT NULL,
            position INTEGER NOT NULL,
            holds INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    )");
}

constexpr std::array<Migration, 3> kMigrations = {create, add_notes, add_consumers};

/// What a file of a newer schema says; nullopt: nothing that is understood here.
std::optional<std::int64_t> oldest_writer(ports::Database& database) {
    auto statement = database.prepare("SELECT oldest_writer FROM node");
    if (!statement) {
        return std::nullopt;
    }
    const auto row = statement->step();
    return row && *row ? std::optional(statement->integer(0)) : std::nullopt;
}

}  // namespace

std::span<const Migration> migrations() {
    return kMigrations;
}

Result<void> migrate(ports::Database& database, std::span<const Migration> steps) {
    auto version = database.user_version();
    if (!version) {
        return std::unexpected(std::move(version).error());
    }
    const auto newest = static_cast<std::int64_t>(steps.size());
    if (*version > newest) {
        if (const auto oldest = oldest_writer(database); oldest && *oldest <= newest) {
            return {};
        }
        return fail(ErrorCode::unsupported, "written by a newer version: schema " +
                                                std::to_string(*version) + ", known up to " +
                                                std::to_string(newest));
    }
    if (*version < 0) {
        return fail(ErrorCode::corrupt, "schema version " + std::to_string(*version));
    }
    for (std::int64_t from = *version; from < newest; ++from) {
        auto transaction = ports::Transaction::begin(database);
        if (!transaction) {
            return std::unexpected(std::move(transaction).error());
        }
        auto done = steps[static_cast<std::size_t>(from)](database);
        if (done) {
            done = database.set_user_version(from + 1);
        }
        if (done) {
            done = transaction->commit();
        }
        if (!done) {
            return std::unexpected(
                std::move(done).error().context("to schema " + std::to_string(from + 1)));
        }
    }
    return {};
}

}  // namespace holdfast::journal
