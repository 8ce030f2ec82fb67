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
/// Of one batch: no message could carry so many.
constexpr std::uint64_t kMostReadings = 1ull << 32;
/// Boot-clock batches at the beginning that are looked through for one whose time is known.
constexpr std::int64_t kOldestRows = 16;

bool follows(const RowHead& before, const RowHead& after) {
    return before.stream == after.stream && before.end_position() == after.position &&
           before.last_seq + 1 == after.first_seq;
}

/// Takes rows in the order of positions, and gives the records that stand at `position` and after
/// it. What a damaged row says of its numbers is believed only where the rows beside it say the
/// same, for a Gap of wrong numbers would swallow readings that are there. One that is not believed
/// is left out, and the hole shows at the next record of its stream.
class Sequence {
public:
    explicit Sequence(std::uint64_t position) : position_(position) {}

    Result<void> take(const RowHead& head, std::optional<Record> record) {
        // A damaged index or row number must not lead the reader back or round in a circle.
        if (head.position < next_ ||
            (record && before_ && head.position < before_->end_position())) {
            return fail(
                ErrorCode::corrupt,
                "the record at position " + std::to_string(head.position) + " is not in its order");
        }
        next_ = head.position + 1;
        if (!record) {
            damaged_.push_back(head);
            return {};
        }
        settle_damaged(head.position, &head);
        before_ = head;
        give(std::move(*record));
        return {};
    }

    /// All rows were taken; the journal ends at `end_position`.
    void end(std::uint64_t end_position) { settle_damaged(end_position, nullptr); }

    [[nodiscard]] bool empty() const { return records_.empty(); }
    /// Of the records, each with what a row costs.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::vector<Record> records() && { return std::move(records_); }

private:
    /// Believed is a run of rows that go on from one to the other, if there are two of them or if
    /// it goes on from the sound row before or to the one after; and its last row only if it ends
    /// where the next row stands.
    void settle_damaged(std::uint64_t next_position, const RowHead* after) {
        const std::size_t count = damaged_.size();
        for (std::size_t first = 0, end = 0; first < count; first = end) {
            end = first + 1;
            while (end < count && follows(damaged_[end - 1], damaged_[end])) {
                ++end;
            }
            const bool goes_on = (first == 0 && before_ && follows(*before_, damaged_[first])) ||
                                 (end == count && after && follows(damaged_[end - 1], *after));
            const std::uint64_t next = end < count ? damaged_[end].position : next_position;
            const std::size_t sure = damaged_[end - 1].end_position() == next ? end : end - 1;
            for (std::size_t i = first; i < sure && (goes_on || sure - first > 1); ++i) {
                give(corrupt_gap(damaged_[i]));
            }
        }
        damaged_.clear();
    }

    void give(Record record) {
        if (record.end_position() > position_) {
            bytes_ += record.body->size() + kRowCost;
            records_.push_back(std::move(record));
        }
    }

    std::uint64_t position_;
    std::uint64_t next_ = 0;
    std::optional<RowHead> before_ = {};  ///< the last sound row
    std::vector<RowHead> damaged_ = {};   ///< stand behind it, and wait for what follows
    std::vector<Record> records_ = {};
    std::size_t bytes_ = 0;
};

/// Takes the last sound row at or before `position`. Returns where the rows after it begin.
Result<std::uint64_t> begin(Sequence& sequence, ports::Database& database, std::uint64_t position) {
    auto statement = database.prepare(
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body FROM record WHERE position <= ? ORDER BY position DESC");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    statement->bind(position);
    for (;;) {
        auto row = statement->step();
        if (!row) {
            return std::unexpected(std::move(row).error());
        }
        if (!*row) {
            return position;
        }
        if (auto record = row_record(*statement)) {
            const RowHead head = row_head(*statement);
            auto taken = sequence.take(head, std::move(record));
            return taken ? Result<std::uint64_t>(head.position + 1)
                         : std::unexpected(std::move(taken).error());
        }
    }
}

}  // namespace

RowHead row_head(const ports::Statement& row) {
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

bool RowHead::makes_sense() const {
    return first_seq <= last_seq && kind >= 0 &&
           kind <= static_cast<std::int64_t>(RecordKind::clock_fix) && readings() <= kMostReadings;
}

std::optional<Record> row_record(const ports::Statement& row) {
    const RowHead head = row_head(row);
    const ByteView body = row.blob(8);
    Record record{.position = head.position,
                  .stream = head.stream,
                  .kind = static_cast<RecordKind>(head.kind),
                  .first_seq = head.first_seq,
                  .last_seq = head.last_seq,
                  .first_time_us = row.integer(5),
                  .last_time_us = row.integer(6),
                  .body = std::make_shared<const Bytes>(body.begin(), body.end())};
    if (head.makes_sense() && checksum(record) == row.integer(7)) {
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
    Sequence sequence(position);
    const auto start = begin(sequence, database, position);
    if (!start) {
        return std::unexpected(start.error());
    }
    std::size_t size = sequence.bytes();
    auto statement = database.prepare(
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body, length(body) FROM record WHERE position >= ? ORDER BY position");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    statement->bind(*start);
    for (;;) {
        auto row = statement->step();
        if (!row) {
            return std::unexpected(std::move(row).error());
        }
        if (!*row) {
            sequence.end(end_position);
            return std::move(sequence).records();
        }
        size += static_cast<std::size_t>(statement->integer(9)) + kRowCost;
        if (size > max_bytes && !sequence.empty()) {
            return std::move(sequence).records();
        }
        if (auto taken = sequence.take(row_head(*statement), row_record(*statement)); !taken) {
            return std::unexpected(std::move(taken).error());
        }
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
        [&](const ports::Statement& row) {
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
