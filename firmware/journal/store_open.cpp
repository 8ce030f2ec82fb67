#include <algorithm>
#include <memory>
#include <utility>

#include "firmware/journal/store_schema.h"
#include "firmware/journal/store_state.h"

namespace holdfast::journal {
namespace {

/// Rows at the end that are looked through for the newest time. Times rise, but for a clock that
/// was set back.
constexpr std::int64_t kNewestRows = 256;

Result<void> count_up_run(ports::Database& database, ports::Entropy& entropy, Epoch& own) {
    bool known = false;
    auto found =
        for_each(database, "SELECT journal, run FROM node", [&](const ports::Statement& row) {
            known = true;
            own = {.journal = as_unsigned(row.integer(0)),
                   .run = static_cast<std::uint32_t>(row.integer(1))};
        });
    if (!found) {
        return found;
    }
    if (known) {
        ++own.run;
        return run(database, "UPDATE node SET run = ?", own.run);
    }
    auto streams = number(database, "SELECT count(*) FROM stream");
    if (!streams) {
        return std::unexpected(std::move(streams).error());
    }
    if (*streams != 0) {
        return fail(ErrorCode::corrupt, "the journal's own number is missing");
    }
    own = {.journal = entropy.number(), .run = 1};
    return run(database, "INSERT INTO node (id, journal, run) VALUES (1, ?, ?)", own.journal,
               own.run);
}

/// What nothing refers to any more. The newest run of each journal stays, for it tells what was
/// received; so does the newest clock fix of each origin, whose batches may still be on their way.
Result<void> forget_old(ports::Database& database) {
    auto done = run(database,
                    "DELETE FROM stream WHERE run < (SELECT max(run) FROM stream AS newer "
                    "WHERE newer.origin = stream.origin AND newer.journal = stream.journal) "
                    "AND NOT EXISTS (SELECT 1 FROM record WHERE record.stream = stream.id)");
    if (!done) {
        return done;
    }
    return run(database,
               "DELETE FROM clock_fix WHERE position < (SELECT min(position) FROM record) "
               "AND position < (SELECT max(position) FROM clock_fix AS newer "
               "WHERE newer.origin = clock_fix.origin)");
}

/// Draws the generation of a file that has none, and goes past all positions that were ever shown:
/// a position means one record for ever, even where no row holds it any more.
Result<void> begin_positions(ports::Database& database, ports::Entropy& entropy, Opened& opened) {
    std::uint64_t given_before = 0;
    auto done = for_each(database, "SELECT generation, given_before FROM node",
                         [&](const ports::Statement& row) {
                             opened.generation = as_unsigned(row.integer(0));
                             given_before = as_unsigned(row.integer(1));
                         });
    if (!done) {
        return done;
    }
    if (opened.generation == 0) {
        opened.generation = std::max<std::uint64_t>(entropy.number(), 1);
        done = run(database, "UPDATE node SET generation = ?", opened.generation);
        if (!done) {
            return done;
        }
    }
    auto confirmed = number(database, "SELECT ifnull(max(position), 0) FROM consumer");
    if (!confirmed) {
        return std::unexpected(std::move(confirmed).error());
    }
    const bool is_empty = opened.first_position == opened.next_position;
    const std::uint64_t behind_rows = opened.next_position;
    opened.next_position =
        std::max({behind_rows, given_before, as_unsigned(confirmed->value_or(0))});
    if (is_empty) {
        opened.first_position = opened.store_end = opened.next_position;
        return run(database, "DELETE FROM hole");
    }
    done = run(database, "DELETE FROM hole WHERE next <= ?", opened.first_position);
    if (done && opened.next_position > behind_rows) {
        done = run(database, "INSERT OR REPLACE INTO hole (first, next) VALUES (?, ?)", behind_rows,
                   opened.next_position);
    }
    return done;
}

Result<void> begin_run(ports::Database& database, const std::string& origin,
                       ports::Entropy& entropy, Opened& opened) {
    Stream& own = opened.own;
    auto transaction = ports::Transaction::begin(database);
    if (!transaction) {
        return std::unexpected(std::move(transaction).error());
    }
    own = {.id = 0, .origin = origin, .epoch = {}, .through = 0};
    if (auto counted = count_up_run(database, entropy, own.epoch); !counted) {
        return counted;
    }
    if (auto begun = begin_positions(database, entropy, opened); !begun) {
        return begun;
    }
    auto newest_id = number(database, "SELECT ifnull(max(id), 0) FROM stream");
    if (!newest_id) {
        return std::unexpected(std::move(newest_id).error());
    }
    own.id = static_cast<StreamId>(newest_id->value_or(0) + 1);
    auto done = run(database,
                    "INSERT INTO stream (id, origin, journal, run, through) VALUES (?, ?, ?, ?, 0)",
                    own.id, own.origin, own.epoch.journal, own.epoch.run);
    if (done) {
        done = forget_old(database);
    }
    if (done) {
        done = transaction->commit();
    }
    if (done) {
        // Into the database file itself: were the WAL damaged later, SQLite would take the state
        // before it for the newest, and the same run would begin twice.
        done = database.checkpoint();
    }
    return done;
}

Result<void> load_channels(ports::Database& database, Opened& opened) {
    bool in_order = true;
    auto done = for_each(
        database,
        "SELECT origin, journal, id, name, unit FROM channel ORDER BY origin, journal, id",
        [&](const ports::Statement& row) {
            ChannelRow channel{
                .origin = std::string(row.text(0)),
                .journal = as_unsigned(row.integer(1)),
                .id = static_cast<telemetry::ChannelId>(row.integer(2)),
                .channel = {.name = std::string(row.text(3)), .unit = std::string(row.text(4))}};
            const bool continues = !opened.channels.empty() &&
                                   opened.channels.back().origin == channel.origin &&
                                   opened.channels.back().journal == channel.journal;
            in_order = in_order && channel.id == (continues ? opened.channels.back().id + 1 : 1);
            opened.channels.push_back(std::move(channel));
        });
    if (done && !in_order) {
        return fail(ErrorCode::corrupt, "the channels are not numbered 1, 2, 3 …");
    }
    return done;
}

Result<void> load_tables(ports::Database& database, Opened& opened) {
    auto done = for_each(
        database, "SELECT id, origin, journal, run, through FROM stream",
        [&](const ports::Statement& row) {
            opened.streams.push_back({.id = static_cast<StreamId>(row.integer(0)),
                                      .origin = std::string(row.text(1)),
                                      .epoch = {.journal = as_unsigned(row.integer(2)),
                                                .run = static_cast<std::uint32_t>(row.integer(3))},
                                      .through = as_unsigned(row.integer(4))});
        });
    if (done) {
        done = load_channels(database, opened);
    }
    if (done) {
        done = for_each(database, "SELECT name, position, tag FROM source",
                        [&](const ports::Statement& row) {
                            opened.sources.push_back({.name = std::string(row.text(0)),
                                                      .position = as_unsigned(row.integer(1)),
                                                      .tag = as_unsigned(row.integer(2))});
                        });
    }
    if (done) {
        done = for_each(
            database, "SELECT name, text FROM note ORDER BY id", [&](const ports::Statement& row) {
                opened.notes.push_back(
                    {.name = std::string(row.text(0)), .text = std::string(row.text(1))});
            });
    }
    if (done) {
        done = for_each(database, "SELECT name, position, holds FROM consumer",
                        [&](const ports::Statement& row) {
                            opened.consumers.push_back({.name = std::string(row.text(0)),
                                                        .position = as_unsigned(row.integer(1)),
                                                        .holds = row.integer(2) != 0});
                        });
    }
    if (done) {
        done = for_each(database, "SELECT first, next FROM hole ORDER BY first",
                        [&](const ports::Statement& row) {
                            opened.holes.push_back({.first = as_unsigned(row.integer(0)),
                                                    .end = as_unsigned(row.integer(1))});
                        });
    }
    return done;
}

Result<void> look_at_ends(ports::Database& database, Opened& opened) {
    auto done = for_each(
        database,
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time FROM record "
        "ORDER BY position DESC LIMIT ?",
        [&](const ports::Statement& row) {
            const RowHead head = row_head(row);
            opened.next_position = std::max(
                opened.next_position, head.makes_sense() ? head.end_position() : head.position + 1);
            if (head.is(RecordKind::batch) && row.integer(5) >= kSurelyWallUs) {
                opened.newest_time_us = std::max(opened.newest_time_us, row.integer(6));
            }
        },
        kNewestRows);
    if (!done) {
        return done;
    }
    auto first = number(database, "SELECT position FROM record ORDER BY position LIMIT 1");
    if (!first) {
        return std::unexpected(std::move(first).error());
    }
    opened.store_end = opened.next_position;
    opened.first_position = *first ? as_unsigned(**first) : opened.next_position;
    if (*first && opened.first_position >= opened.next_position) {
        return fail(ErrorCode::corrupt, "the first record stands at position " +
                                            std::to_string(opened.first_position) +
                                            ", behind the last");
    }
    return {};
}

Result<ports::Database> open_database(const std::filesystem::path& file,
                                      const StoreOptions& options, ports::Entropy& entropy,
                                      Opened& opened) {
    auto database = ports::Database::open(file, options.database);
    if (!database) {
        return database;
    }
    auto done = migrate(*database, migrations());
    if (done) {
        done = look_at_ends(*database, opened);
    }
    if (done) {
        done = begin_run(*database, options.origin, entropy, opened);
    }
    if (done) {
        done = load_tables(*database, opened);
    }
    if (!done) {
        return std::unexpected(std::move(done).error().context(file.string()));
    }
    return database;
}

}  // namespace

Result<Store> Store::open(const std::filesystem::path& directory, const StoreOptions& given,
                          ports::Entropy& entropy, Opened& opened) {
    StoreOptions options = given;
    // A small journal must not consist of its WAL.
    options.database.wal_bytes =
        std::min(options.database.wal_bytes, static_cast<std::int64_t>(options.max_size_bytes / 8));
    const std::filesystem::path file = directory / kDatabaseName;
    opened = {};
    auto database = open_database(file, options, entropy, opened);
    if (!database && database.error().code == ErrorCode::corrupt) {
        const std::string because = database.error().message;
        auto target = move_aside(directory, options);
        if (!target) {
            return std::unexpected(std::move(target).error().context(because));
        }
        opened = {};
        opened.moved_aside = std::move(*target);
        opened.moved_because = because;
        database = open_database(file, options, entropy, opened);
    }
    if (!database) {
        return std::unexpected(std::move(database).error());
    }
    auto state = std::unique_ptr<State>(new State{.database = std::move(*database),
                                                  .options = options,
                                                  .own = opened.own.epoch,
                                                  .wal_bytes = options.database.wal_bytes,
                                                  .generation = opened.generation,
                                                  .run_begin = opened.next_position,
                                                  .end_position = opened.store_end});
    for (const Stream& stream : opened.streams) {
        state->streams.emplace(stream.id, stream);
    }
    auto used = state->used_bytes();
    if (!used) {
        return std::unexpected(std::move(used).error());
    }
    opened.used_bytes = *used;
    return Store(std::move(state));
}

Result<std::filesystem::path> Store::move_aside(const std::filesystem::path& directory,
                                                const StoreOptions& options) {
    return ports::Database::move_aside(directory / kDatabaseName, options.database);
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Written> Store::write(const Write& write) {
    return state_->write(write);
}
Result<std::vector<Record>> Store::read(std::uint64_t position, std::size_t max_bytes) {
    return state_->read(position, max_bytes);
}
Result<std::optional<std::int64_t>> Store::oldest_time_us() {
    return state_->oldest_time_us();
}

}  // namespace holdfast::journal
