#include <algorithm>
#include <limits>
#include <utility>

#include "firmware/journal/store_state.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {
namespace {

/// Work of one call: bytes of bodies decoded, and so much for each row looked at.
constexpr std::size_t kWorkBytes = 1u << 20;
constexpr std::size_t kRowWork = 256;

/// Where the search stands in one stream of the origin.
struct StreamCursor {
    StreamId stream = 0;
    std::uint64_t journal = 0;
    std::uint64_t next = kDone;  ///< position of its next row

    static constexpr std::uint64_t kDone = std::numeric_limits<std::uint64_t>::max();
};

std::unexpected<Error> malformed_at(std::uint64_t position) {
    return fail(ErrorCode::corrupt,
                "the index of the records is malformed at position " + std::to_string(position));
}

class Search {
public:
    Search(ports::Database& database, Store::State& state, const Query& query)
        : database_(database),
          state_(state),
          query_(query),
          limit_(std::max<std::size_t>(query.limit, 1)),
          end_(std::max(state.end_position, state.run_begin)) {}

    Result<Page> run();

private:
    /// Whether the query goes on behind its cursor, or begins with the oldest row.
    Result<void> check_cursor();
    Result<void> find_streams();
    Result<void> find_channels();
    /// Sets `next` to the row of the stream that holds `position`, or the first after it.
    Result<void> seek(StreamCursor& cursor, std::uint64_t position);
    Result<void> advance(StreamCursor& cursor, std::uint64_t position);
    Result<void> check_end(const StreamCursor& cursor, std::uint64_t position);
    [[nodiscard]] StreamCursor& nearest();
    /// Takes what matches of the row under the cursor. Returns the last position that was dealt
    /// with.
    Result<std::uint64_t> take_row(const StreamCursor& cursor);
    Result<std::uint64_t> take_batch(const Record& record, const telemetry::Batch& batch,
                                     std::uint64_t journal);
    [[nodiscard]] bool may_match(std::int64_t first_time_us, std::int64_t last_time_us) const;
    [[nodiscard]] bool matches(const std::optional<std::int64_t>& time_us) const;

    ports::Database& database_;
    Store::State& state_;
    const Query& query_;
    std::size_t limit_;
    std::uint64_t end_;        ///< behind all positions given so far
    std::uint64_t after_ = 0;  ///< of the query, unless that cannot be gone on from
    std::vector<StreamCursor> cursors_;
    std::map<std::pair<std::uint64_t, telemetry::ChannelId>, telemetry::Channel> channels_;
    std::size_t work_ = 0;
    Page page_;
};

Result<void> Search::check_cursor() {
    const auto [generation, after] = query_.after;
    if (after == 0) {
        return {};
    }
    if (generation != 0 && generation != state_.generation) {
        page_.missed = Missed{.why = Missed::Why::other_generation};
        return {};
    }
    if (after >= end_) {
        page_.missed = Missed{.why = Missed::Why::future, .first = end_, .end = after};
        return {};
    }
    after_ = after;
    auto oldest = number(database_, "SELECT position FROM record ORDER BY position LIMIT 1");
    if (!oldest) {
        return std::unexpected(std::move(oldest).error());
    }
    const std::uint64_t first = *oldest ? as_unsigned(**oldest) : end_;
    if (first <= after + 1) {
        return {};
    }
    auto unused =
        number(database_, "SELECT EXISTS (SELECT 1 FROM hole WHERE first = ? AND next = ?)",
               after + 1, first);
    if (!unused) {
        return std::unexpected(std::move(unused).error());
    }
    if (*unused == 0) {
        page_.missed = Missed{.why = Missed::Why::gone, .first = after + 1, .end = first};
    }
    return {};
}

Result<void> Search::find_streams() {
    auto found = for_each(
        database_, "SELECT id, journal FROM stream WHERE origin = ?",
        [&](const ports::Statement& row) {
            cursors_.push_back({.stream = static_cast<StreamId>(row.integer(0)),
                                .journal = as_unsigned(row.integer(1))});
        },
        query_.origin);
    if (found && cursors_.empty()) {
        return fail(ErrorCode::not_found, "no origin named " + query_.origin);
    }
    return found;
}

Result<void> Search::find_channels() {
    return for_each(
        database_,
        "SELECT journal, id, name, unit FROM channel "
        "WHERE origin = ?1 AND (?2 = '' OR name = ?2)",
        [&](const ports::Statement& row) {
            channels_[{as_unsigned(row.integer(0)),
                       static_cast<telemetry::ChannelId>(row.integer(1))}] = {
                .name = std::string(row.text(2)), .unit = std::string(row.text(3))};
        },
        query_.origin, query_.channel);
}

Result<void> Search::seek(StreamCursor& cursor, std::uint64_t position) {
    bool holds_it = false;
    auto found = for_each(
        database_,
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body FROM record WHERE stream = ? AND position <= ? ORDER BY position DESC LIMIT 1",
        [&](const ports::Statement& row) {
            const RowHead before = row_head(row);
            if (before.end_position() > position && row_record(row)) {
                cursor.next = before.position;
                holds_it = true;
            }
        },
        cursor.stream, position);
    return found && !holds_it ? advance(cursor, position - 1) : found;
}

Result<void> Search::advance(StreamCursor& cursor, std::uint64_t position) {
    auto next = number(database_,
                       "SELECT position FROM record WHERE stream = ? AND position > ? "
                       "ORDER BY position LIMIT 1",
                       cursor.stream, position);
    if (!next) {
        return std::unexpected(std::move(next).error());
    }
    cursor.next = *next ? as_unsigned(**next) : StreamCursor::kDone;
    return *next ? Result<void>{} : check_end(cursor, position);
}

/// A damaged index may end before the stream does.
Result<void> Search::check_end(const StreamCursor& cursor, std::uint64_t position) {
    auto last = number(
        database_, "SELECT position FROM record WHERE stream = ? ORDER BY position DESC LIMIT 1",
        cursor.stream);
    if (!last) {
        return std::unexpected(std::move(last).error());
    }
    return *last && as_unsigned(**last) > position ? malformed_at(position) : Result<void>{};
}

StreamCursor& Search::nearest() {
    return *std::ranges::min_element(cursors_, {}, &StreamCursor::next);
}

bool Search::may_match(std::int64_t first_time_us, std::int64_t last_time_us) const {
    return first_time_us < kSurelyWallUs || ((!query_.from_us || last_time_us >= *query_.from_us) &&
                                             (!query_.to_us || first_time_us < *query_.to_us));
}

bool Search::matches(const std::optional<std::int64_t>& time_us) const {
    if (!time_us) {
        return !query_.from_us && !query_.to_us;
    }
    return (!query_.from_us || *time_us >= *query_.from_us) &&
           (!query_.to_us || *time_us < *query_.to_us);
}

Result<std::uint64_t> Search::take_row(const StreamCursor& cursor) {
    auto statement = database_.prepare(
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body, length(body) FROM record WHERE position = ?");
    if (!statement) {
        return std::unexpected(std::move(statement).error());
    }
    auto row = statement->bind(cursor.next).step();
    if (!row) {
        return std::unexpected(std::move(row).error());
    }
    work_ += kRowWork;
    if (!*row) {
        return cursor.next;
    }
    if (const RowHead head = row_head(*statement);
        head.is(RecordKind::batch) && !may_match(statement->integer(5), statement->integer(6))) {
        return std::max(head.end_position() - 1, cursor.next);
    }
    work_ += static_cast<std::size_t>(statement->integer(9));
    const std::optional<Record> record = row_record(*statement);
    if (!record || record->kind != RecordKind::batch) {
        return cursor.next;
    }
    const auto batch = telemetry::decode(*record->body);
    if (!batch || batch->readings.size() != record->last_seq - record->first_seq + 1) {
        return record->end_position() - 1;
    }
    return take_batch(*record, *batch, cursor.journal);
}

Result<std::uint64_t> Search::take_batch(const Record& record, const telemetry::Batch& batch,
                                         std::uint64_t journal) {
    std::optional<std::int64_t> wall_minus_uptime = 0;
    if (batch.boot != 0) {
        auto fix = state_.clock_fix(query_.origin, batch.boot);
        if (!fix) {
            return std::unexpected(std::move(fix).error());
        }
        wall_minus_uptime = *fix;
    }
    const std::uint64_t skipped = after_ >= record.position ? after_ + 1 - record.position : 0;
    for (std::uint64_t i = skipped; i < batch.readings.size(); ++i) {
        const telemetry::Reading& reading = batch.readings[static_cast<std::size_t>(i)];
        const auto channel = channels_.find({journal, reading.channel});
        std::optional<std::int64_t> time_us;
        if (wall_minus_uptime) {
            time_us = static_cast<std::int64_t>(as_unsigned(reading.time_us) +
                                                as_unsigned(*wall_minus_uptime));
        }
        if (channel == channels_.end() || !matches(time_us)) {
            continue;
        }
        page_.rows.push_back({.position = record.position + i,
                              .seq = record.first_seq + i,
                              .time_us = time_us,
                              .channel = channel->second,
                              .value = reading.value});
        if (page_.rows.size() == limit_) {
            return record.position + i;
        }
    }
    return record.end_position() - 1;
}

Result<Page> Search::run() {
    auto done = find_streams();
    if (done) {
        done = check_cursor();
    }
    if (done) {
        done = find_channels();
    }
    for (StreamCursor& cursor : cursors_) {
        if (done) {
            done = seek(cursor, after_ + 1);
        }
    }
    if (!done) {
        return std::unexpected(std::move(done).error());
    }
    for (std::uint64_t before = 0;;) {
        StreamCursor& cursor = nearest();
        const std::uint64_t at = cursor.next;
        if (at == StreamCursor::kDone) {
            return std::move(page_);
        }
        auto through = take_row(cursor);
        if (!through) {
            return std::unexpected(std::move(through).error());
        }
        if (at <= before || *through <= after_) {
            // Whoever asks for page after page would be led round in a circle.
            return malformed_at(at);
        }
        before = at;
        const bool enough = page_.rows.size() >= limit_ || work_ >= kWorkBytes;
        if (enough && *through >= end_) {
            return malformed_at(at);  // the next page would begin with the oldest row
        }
        // Back to the same row where the limit was reached in its middle.
        done = enough ? seek(cursor, *through + 1) : advance(cursor, at);
        if (!done) {
            return std::unexpected(std::move(done).error());
        }
        if (enough && nearest().next != StreamCursor::kDone) {
            page_.next = Cursor{state_.generation, *through};
        }
        if (enough) {
            return std::move(page_);
        }
    }
}

}  // namespace

Result<Page> Store::query(const Query& query) {
    return Search(state_->database, *state_, query).run();
}

Result<std::vector<StoredGap>> Store::gaps(const std::string& origin, std::size_t limit) {
    std::vector<StoredGap> gaps;
    auto found = for_each(
        state_->database,
        "SELECT stream.journal, stream.run, record.first_seq, record.last_seq, record.body "
        "FROM record JOIN stream ON stream.id = record.stream "
        "WHERE record.kind = 1 AND stream.origin = ? ORDER BY record.position DESC LIMIT ?",
        [&](const ports::Statement& row) {
            gaps.push_back({.epoch = {.journal = as_unsigned(row.integer(0)),
                                      .run = static_cast<std::uint32_t>(row.integer(1))},
                            .first_seq = as_unsigned(row.integer(2)),
                            .last_seq = as_unsigned(row.integer(3)),
                            .reason = decode_gap(row.blob(4)).value_or(GapReason::corrupt)});
        },
        origin, static_cast<std::uint64_t>(limit));
    if (!found) {
        return std::unexpected(std::move(found).error());
    }
    return gaps;
}

}  // namespace holdfast::journal
