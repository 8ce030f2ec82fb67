#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>

#include <zlib.h>

#include "firmware/journal/store_state.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {
namespace {

/// A row costs so much of `max_bytes` beside its body, so that a million of gaps do not come at
/// once.
constexpr std::size_t kRowCost = 64;
/// Boot-clock batches at the beginning that are looked through for one whose time is known.
constexpr std::int64_t kOldestRows = 16;

bool numbers_make_sense(const RowHead& row) {
    return row.first_seq <= row.last_seq && row.kind >= 0 &&
           row.kind <= static_cast<std::int64_t>(RecordKind::clock_fix) &&
           row.end_position() > row.position;
}

}  // namespace

RowHead row_head(const storage::Statement& row) {
    return {.position = as_unsigned(row.integer(0)),
            .stream = static_cast<StreamId>(row.integer(1)),
            .kind = row.integer(2),
            .first_seq = as_unsigned(row.integer(3)),
            .last_seq = as_unsigned(row.integer(4))};
}

std::int64_t checksum(const Record& record) {
    const std::array<std::uint64_t, 7> numbers = {record.position,
                                                  record.stream,
                                                  static_cast<std::uint64_t>(record.kind),
                                                  record.first_seq,
                                                  record.last_seq,
                                                  static_cast<std::uint64_t>(record.first_time_us),
                                                  static_cast<std::uint64_t>(record.last_time_us)};
    std::array<unsigned char, 8 * numbers.size()> head{};
    for (std::size_t i = 0; i < head.size(); ++i) {
        head[i] = static_cast<unsigned char>(numbers[i / 8] >> (i % 8 * 8));
    }
    const uLong of_head = crc32(0, head.data(), static_cast<uInt>(head.size()));
    const auto* body = reinterpret_cast<const unsigned char*>(record.body->data());
    return static_cast<std::int64_t>(
        body == nullptr ? of_head : crc32(of_head, body, static_cast<uInt>(record.body->size())));
}

Result<std::optional<Record>> row_record(const storage::Statement& row) {
    const RowHead head = row_head(row);
    if (!numbers_make_sense(head)) {
        return fail(ErrorCode::corrupt, "the numbers of the record at position " +
                                            std::to_string(head.position) + " make no sense");
    }
    const ByteView body = row.blob(8);
    Record record{.position = head.position,
                  .stream = head.stream,
                  .kind = static_cast<RecordKind>(head.kind),
                  .first_seq = head.first_seq,
                  .last_seq = head.last_seq,
                  .first_time_us = row.integer(5),
                  .last_time_us = row.integer(6),
                  .body = std::make_shared<const Bytes>(body.begin(), body.end())};
    if (checksum(record) == row.integer(7)) {
        return record;
    }
    return std::nullopt;
}

Record corrupt_gap(const RowHead& head) {
    return {.position = head.end_position() - 1,
            .stream = head.stream,
            .kind = RecordKind::gap,
            .first_seq = head.first_seq,
            .last_seq = head.last_seq,
            .first_time_us = 0,
            .last_time_us = 0,
            .body = std::make_shared<const Bytes>(encode(GapReason::corrupt))};
}

Result<std::vector<Record>> Store::State::read(std::uint64_t position, std::size_t max_bytes) {
    std::optional<RowHead> before;
    auto found = for_each(
        database,
        "SELECT position, stream, kind, first_seq, last_seq FROM record "
        "WHERE position <= ? ORDER BY position DESC LIMIT 1",
        [&](const storage::Statement& row) { before = row_head(row); }, position);
    if (!found) {
        return std::unexpected(std::move(found).error());
    }
    const std::uint64_t start =
        before && before->end_position() > position ? before->position : position;
    auto statement = database.prepare(
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body, length(body) FROM record WHERE position >= ? ORDER BY position");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    statement->bind(start);
    std::vector<Record> records;
    std::size_t size = 0;
    for (;;) {
        auto row = statement->step();
        if (!row) {
            return std::unexpected(std::move(row).error());
        }
        if (!*row) {
            return records;
        }
        size += static_cast<std::size_t>(statement->integer(9)) + kRowCost;
        if (size > max_bytes && !records.empty()) {
            return records;
        }
        auto record = row_record(*statement);
        if (!record) {
            return std::unexpected(std::move(record).error());
        }
        // A damaged index or row number must not lead the reader back or round in a circle.
        const RowHead head = row_head(*statement);
        if (head.end_position() <= position ||
            (!records.empty() && head.position < records.back().end_position())) {
            return fail(
                ErrorCode::corrupt,
                "the record at position " + std::to_string(head.position) + " is not in its order");
        }
        records.push_back(*record ? std::move(**record) : corrupt_gap(head));
    }
}

Result<std::optional<std::int64_t>> Store::State::clock_fix(const std::string& origin,
                                                            std::uint64_t boot) {
    return number(database, "SELECT wall_minus_uptime FROM clock_fix WHERE origin = ? AND boot = ?",
                  origin, boot);
}

Result<std::optional<std::int64_t>> Store::State::oldest_time_us() {
    struct Oldest {
        StreamId stream;
        std::int64_t time_us;
        Bytes body;
    };
    std::optional<std::int64_t> time_us;
    std::vector<Oldest> unclear;
    auto found = for_each(
        database,
        "SELECT stream, first_time, body FROM record WHERE kind = 0 ORDER BY position LIMIT ?",
        [&](const storage::Statement& row) {
            if (time_us) {
                return;
            }
            if (row.integer(1) >= kSurelyWallUs) {
                time_us = row.integer(1);
                return;
            }
            const ByteView body = row.blob(2);
            unclear.push_back({.stream = static_cast<StreamId>(row.integer(0)),
                               .time_us = row.integer(1),
                               .body = Bytes(body.begin(), body.end())});
        },
        kOldestRows);
    if (!found) {
        return std::unexpected(std::move(found).error());
    }
    for (const Oldest& row : unclear) {
        const auto batch = telemetry::decode(row.body);
        const auto stream = streams.find(row.stream);
        if (!batch || stream == streams.end()) {
            continue;
        }
        if (batch->boot == 0) {
            return row.time_us;
        }
        auto fix = clock_fix(stream->second.origin, batch->boot);
        if (!fix) {
            return fix;
        }
        if (*fix) {
            return static_cast<std::int64_t>(as_unsigned(row.time_us) + as_unsigned(**fix));
        }
    }
    return time_us;
}

Result<std::uint64_t> Store::count_readings() {
    if (!state_->readings) {
        auto count = number(state_->database,
                            "SELECT ifnull(sum(last_seq - first_seq + 1), 0) FROM record "
                            "WHERE kind = 0");
        if (!count) {
            return std::unexpected(std::move(count).error());
        }
        state_->readings = as_unsigned(count->value_or(0));
    }
    return *state_->readings;
}

}  // namespace holdfast::journal
