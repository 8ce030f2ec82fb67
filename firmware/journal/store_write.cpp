#include <algorithm>
#include <memory>
#include <utility>

#include "firmware/journal/store_state.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {
namespace {

/// More readings than this are not merged into one row: a reader in its middle decodes all of it.
constexpr std::uint64_t kMergedReadings = 4096;
/// What a row needs beside its body at most, with the page's own header: so a merged row never
/// overflows its page.
constexpr std::size_t kRowOverheadBytes = 100;

/// The body decoded, if it is what the numbers say.
std::optional<telemetry::Batch> decode_batch(const Record& record) {
    auto batch = telemetry::decode(*record.body);
    if (!batch || batch->readings.size() != record.last_seq - record.first_seq + 1) {
        return std::nullopt;
    }
    return std::move(*batch);
}

}  // namespace

Result<Written> Store::State::write(const Write& write) {
    auto transaction = ports::Transaction::begin(database);
    if (!transaction) {
        return std::unexpected(std::move(transaction).error());
    }
    const auto before = std::tuple(end_position, evictable_from, held_from, readings);
    Written written;
    auto done = apply(write, written);
    if (done) {
        done = transaction->commit();
    }
    if (!done) {
        // The row of the tail is what it was, and its readings here are not: the next batch begins
        // a row of its own.
        tail.reset();
        std::tie(end_position, evictable_from, held_from, readings) = before;
        for (const Stream& stream : write.streams) {
            streams.erase(stream.id);
        }
        return std::unexpected(std::move(done).error());
    }
    auto used = used_bytes();
    written.used_bytes = used.value_or(0);
    if (options.observer != nullptr) {
        options.observer->written(write);
    }
    return written;
}

Result<void> Store::State::apply(const Write& write, Written& written) {
    deleted = false;
    auto done = add_streams(write.streams);
    if (done) {
        done = add_channels(write.channels);
    }
    if (done) {
        done = release(write.release_before);
    }
    if (!done) {
        return done;
    }
    if (write.held_from > held_from) {
        evictable_from = 0;  // gaps that were kept for a consumer may be deleted now
    }
    held_from = write.held_from;
    auto evicted = make_room(write);
    if (!evicted) {
        return std::unexpected(std::move(evicted).error());
    }
    written.evicted_readings = *evicted;
    written.evicted_before = *evicted > 0 ? evictable_from : 0;
    for (const Record& record : write.records) {
        if (done = append(record); !done) {
            return done;
        }
    }
    done = flush_tail();
    if (done) {
        done = raise_through(write);
    }
    if (done) {
        done = save_sources(write);
    }
    if (done) {
        done = save_notes(write);
    }
    if (done) {
        done = save_consumers(write);
    }
    return done ? raise_given(write) : done;
}

Result<void> Store::State::add_streams(const std::vector<Stream>& added) {
    for (const Stream& stream : added) {
        HOLDFAST_CHECK(streams.emplace(stream.id, stream).second);
        auto done =
            run(database,
                "INSERT INTO stream (id, origin, journal, run, through) "
                "VALUES (?, ?, ?, ?, ?)",
                stream.id, stream.origin, stream.epoch.journal, stream.epoch.run, stream.through);
        if (!done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::State::add_channels(const std::vector<ChannelRow>& added) {
    for (const ChannelRow& row : added) {
        auto done = run(database,
                        "INSERT INTO channel (origin, journal, id, name, unit) "
                        "VALUES (?, ?, ?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET name = excluded.name, unit = excluded.unit",
                        row.origin, row.journal, row.id, row.channel.name, row.channel.unit);
        if (!done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::State::release(std::uint64_t before) {
    std::optional<RowHead> last;
    auto found = for_each(
        database,
        "SELECT position, stream, kind, first_seq, last_seq FROM record "
        "WHERE position < ? ORDER BY position DESC LIMIT 1",
        [&](const ports::Statement& row) { last = row_head(row); }, before);
    if (!found || !last) {
        return found;
    }
    // Rows do not overlap, so only the last one can reach past the end.
    const std::uint64_t end = last->end_position() > before ? last->position : before;
    if (readings) {
        auto count = number(database,
                            "SELECT ifnull(sum(last_seq - first_seq + 1), 0) FROM record "
                            "WHERE position < ? AND kind = 0",
                            end);
        if (!count) {
            return std::unexpected(std::move(count).error());
        }
        *readings -= as_unsigned(count->value_or(0));
    }
    if (tail && tail->record.position < end) {
        tail.reset();
    }
    deleted = true;
    return run(database, "DELETE FROM record WHERE position < ?", end);
}

Result<void> Store::State::append(const Record& record) {
    HOLDFAST_CHECK(record.position >= end_position && record.first_seq <= record.last_seq);
    HOLDFAST_CHECK(record.body != nullptr && streams.contains(record.stream));
    end_position = record.end_position();
    if (record.kind == RecordKind::batch) {
        return append_batch(record);
    }
    auto done = flush_tail();
    tail.reset();
    if (done) {
        done = insert(record);
    }
    return done && record.kind == RecordKind::clock_fix ? note_clock_fix(record) : done;
}

Result<void> Store::State::append_batch(const Record& record) {
    if (readings) {
        *readings += record.last_seq - record.first_seq + 1;
    }
    if (grow_tail(record)) {
        return {};
    }
    auto done = flush_tail();
    tail.reset();
    if (!done) {
        return done;
    }
    if (record.body->size() > merged_body_limit()) {
        return insert(record);
    }
    tail = Tail{.record = record, .batch = std::nullopt, .body_bytes = record.body->size()};
    return {};
}

std::size_t Store::State::merged_body_limit() const {
    return static_cast<std::size_t>(database.page_size_bytes()) - kRowOverheadBytes;
}

/// Merges the batch into the tail. false: it does not continue it, or both together do not fit.
bool Store::State::grow_tail(const Record& record) {
    if (!tail || tail->record.stream != record.stream ||
        tail->record.last_seq + 1 != record.first_seq ||
        tail->record.end_position() != record.position ||
        record.last_seq - tail->record.first_seq + 1 > kMergedReadings ||
        record.body->size() > merged_body_limit()) {
        return false;
    }
    if (!tail->batch) {
        tail->batch = decode_batch(tail->record);
    }
    auto added = decode_batch(record);
    if (!tail->batch || !added || tail->batch->boot != added->boot) {
        return false;
    }
    auto& merged = tail->batch->readings;
    const std::size_t count_before = merged.size();
    std::ranges::move(added->readings, std::back_inserter(merged));
    // Bodies that fit one after the other also fit as one, or nearly so; encoding is only needed
    // where that is not known.
    tail->body_bytes += record.body->size();
    if (tail->body_bytes > merged_body_limit()) {
        tail->body_bytes = telemetry::encode(*tail->batch).size();
        if (tail->body_bytes > merged_body_limit()) {
            merged.resize(count_before);
            return false;
        }
    }
    Record& row = tail->record;
    row.last_seq = record.last_seq;
    row.first_time_us = std::min(row.first_time_us, record.first_time_us);
    row.last_time_us = std::max(row.last_time_us, record.last_time_us);
    row.body = nullptr;
    tail->stale = true;
    return true;
}

Result<void> Store::State::flush_tail() {
    if (!tail || !tail->stale) {
        return {};
    }
    Record& row = tail->record;
    if (row.body == nullptr) {
        row.body = std::make_shared<const Bytes>(telemetry::encode(*tail->batch));
    }
    tail->body_bytes = row.body->size();
    tail->stale = false;
    if (!std::exchange(tail->stored, true)) {
        return insert(row);
    }
    return run(database,
               "UPDATE record SET last_seq = ?, first_time = ?, last_time = ?, checksum = ?, "
               "body = ? WHERE position = ?",
               row.last_seq, row.first_time_us, row.last_time_us, checksum(row), *row.body,
               row.position);
}

Result<void> Store::State::insert(const Record& record) {
    return run(database,
               "INSERT INTO record (position, stream, kind, first_seq, last_seq, first_time, "
               "last_time, checksum, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               record.position, record.stream, static_cast<std::int64_t>(record.kind),
               record.first_seq, record.last_seq, record.first_time_us, record.last_time_us,
               checksum(record), *record.body);
}

/// The first fix of a boot is the one that counts: readings resolved by it must not move later.
Result<void> Store::State::note_clock_fix(const Record& record) {
    auto fix = decode_clock_fix(*record.body);
    if (!fix) {
        return {};
    }
    // Modulo 2^64, so that no pair of times, however absurd, overflows.
    const std::uint64_t wall_minus_uptime =
        static_cast<std::uint64_t>(fix->wall_us) - static_cast<std::uint64_t>(fix->uptime_us);
    return run(database,
               "INSERT INTO clock_fix (origin, boot, position, wall_minus_uptime) "
               "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
               streams.at(record.stream).origin, fix->boot, record.position, wall_minus_uptime);
}

Result<void> Store::State::raise_through(const Write& write) {
    std::map<StreamId, std::uint64_t> through;
    for (const Record& record : write.records) {
        if (streams.at(record.stream).epoch.journal != own.journal) {
            std::uint64_t& highest = through[record.stream];
            highest = std::max(highest, record.last_seq);
        }
    }
    for (const auto& [stream, highest] : through) {
        auto done = run(database, "UPDATE stream SET through = max(through, ?) WHERE id = ?",
                        highest, stream);
        if (!done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::State::save_sources(const Write& write) {
    for (const SourcePosition& source : write.sources) {
        auto done = run(database,
                        "INSERT INTO source (name, position, tag) VALUES (?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET position = excluded.position, "
                        "tag = excluded.tag",
                        source.name, source.position, source.tag);
        if (!done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::State::save_notes(const Write& write) {
    for (const Note& note : write.notes) {
        auto done = run(database, "DELETE FROM note WHERE name = ?", note.name);
        if (done) {
            done = run(database,
                       "INSERT INTO note (id, name, text) "
                       "VALUES ((SELECT ifnull(max(id), 0) + 1 FROM note), ?, ?)",
                       note.name, note.text);
        }
        if (!done) {
            return done;
        }
    }
    return write.notes.empty() ? Result<void>{}
                               : run(database,
                                     "DELETE FROM note WHERE id NOT IN "
                                     "(SELECT id FROM note ORDER BY id DESC LIMIT ?)",
                                     std::uint64_t{kNotes});
}

Result<void> Store::State::save_consumers(const Write& write) {
    for (const std::string& name : write.ended) {
        if (auto done = run(database, "DELETE FROM consumer WHERE name = ?", name); !done) {
            return done;
        }
    }
    for (const ConsumerPosition& consumer : write.consumers) {
        auto done = run(database,
                        "INSERT INTO consumer (name, position, holds) VALUES (?, ?, ?) "
                        "ON CONFLICT DO UPDATE SET position = max(position, excluded.position), "
                        "holds = excluded.holds",
                        consumer.name, consumer.position, std::int64_t{consumer.holds});
        if (!done) {
            return done;
        }
    }
    return {};
}

/// Positions are given on from the last row; where the last row goes, they would begin again.
Result<void> Store::State::raise_given(const Write& write) {
    std::uint64_t before = write.reserve_before;
    if (deleted) {
        auto rows = number(database, "SELECT EXISTS (SELECT 1 FROM record)");
        if (!rows) {
            return std::unexpected(std::move(rows).error());
        }
        before = *rows == 0 ? std::max(before, end_position) : before;
    }
    return before == 0
               ? Result<void>{}
               : run(database, "UPDATE node SET given_before = max(given_before, ?)", before);
}

}  // namespace holdfast::journal
