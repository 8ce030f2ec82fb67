#include <algorithm>
#include <memory>
#include <utility>

#include "firmware/journal/store_state.h"

namespace holdfast::journal {
namespace {

/// The tables' and indexes' own pages in a journal without records, generously.
constexpr std::uint64_t kEmptyPages = 18;
/// An eviction makes so much more room than was asked for (a part of the size limit), so that not
/// every write evicts.
constexpr std::uint64_t kSparePart = 64;

Record gap_in_place_of(const RowHead& row) {
    return {.position = row.end_position() - 1,
            .stream = row.stream,
            .kind = RecordKind::gap,
            .first_seq = row.first_seq,
            .last_seq = row.last_seq,
            .first_time_us = 0,
            .last_time_us = 0,
            .body = std::make_shared<const Bytes>(encode(GapReason::evicted))};
}

/// Whether an evicted neighbour may swallow this gap: it is a loss as well. Otherwise gaps that lie
/// between batches would add up until they fill the journal. What a hub once had (`unknown_past`)
/// is not a loss, and keeps its name.
bool is_loss(ByteView gap_body) {
    const auto reason = decode_gap(gap_body);
    return !reason || *reason != GapReason::unknown_past;
}

/// A clock fix stays: it tells the time of readings before it and after it, there may be but one in
/// a boot, and it is as small as the gap that would stand in its place.
bool is_evictable(const Record& record) {
    return record.kind != RecordKind::clock_fix &&
           (record.kind != RecordKind::gap || is_loss(*record.body));
}

}  // namespace

Result<std::uint64_t> Store::State::used_bytes() {
    auto used = database.used_bytes();
    if (!used) {
        return std::unexpected(std::move(used).error());
    }
    return static_cast<std::uint64_t>(*used + wal_bytes);
}

/// An upper bound of the pages that the batches will take.
std::uint64_t Store::State::need_bytes(const Write& write) const {
    const auto page = static_cast<std::uint64_t>(database.page_size_bytes());
    std::uint64_t pages = 0;
    std::uint64_t small_bytes = 0;
    for (const Record& record : write.records) {
        if (record.kind != RecordKind::batch) {
            continue;
        }
        if (record.body->size() > merged_body_limit()) {
            pages += record.body->size() / (page - 4) + 2;
        } else {
            small_bytes += record.body->size() + 64;
        }
    }
    if (small_bytes > 0) {
        // A leaf is at least half full where each row is larger than half of one.
        pages += 2 * small_bytes / page + 4;
    }
    return pages * page;
}

Result<std::uint64_t> Store::State::make_room(const Write& write) {
    const std::uint64_t need = need_bytes(write);
    if (need == 0) {
        return 0;
    }
    const std::uint64_t limit = options.max_size_bytes;
    const auto page = static_cast<std::uint64_t>(database.page_size_bytes());
    if (need + kEmptyPages * page + static_cast<std::uint64_t>(wal_bytes) > limit) {
        return fail(ErrorCode::too_large, "records of " + std::to_string(need) +
                                              " bytes in a journal of " + std::to_string(limit));
    }
    auto used = used_bytes();
    if (!used || *used + need <= limit) {
        return used ? Result<std::uint64_t>(0) : used;
    }
    const auto full = [&] {
        return fail(ErrorCode::full,
                    "the journal has reached its limit of " + std::to_string(limit) + " bytes");
    };
    if (options.when_full == WhenFull::refuse_new) {
        return full();
    }
    auto evicted = evict(limit - need - std::min(limit / kSparePart, limit - need));
    if (!evicted) {
        return evicted;
    }
    if (used = used_bytes(); !used) {
        return used;
    }
    return *used + need <= limit ? evicted : full();
}

/// Deletes the oldest rows until not more than `target_bytes` are used, or only gaps and clock
/// fixes are left.
Result<std::uint64_t> Store::State::evict(std::uint64_t target_bytes) {
    std::uint64_t evicted = 0;
    std::map<StreamId, Record> gaps;  // the one that each stream's last evicted row became
    for (;;) {
        auto used = used_bytes();
        if (!used) {
            return used;
        }
        std::optional<RowHead> oldest;
        std::optional<Record> record;
        auto found = for_each(
            database,
            "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
            "body FROM record WHERE position >= ? ORDER BY position LIMIT 1",
            [&](const ports::Statement& row) {
                oldest = row_head(row);
                record = row_record(row);
            },
            evictable_from);
        if (!found) {
            return std::unexpected(std::move(found).error());
        }
        if (*used <= target_bytes || !oldest) {
            break;
        }
        // A gap with the numbers of a damaged row would make them true.
        evictable_from = record ? record->end_position() : oldest->position + 1;
        const bool is_owed = options.owes_upstream || oldest->end_position() > held_from;
        if (record && is_owed && !is_evictable(*record)) {
            continue;
        }
        deleted = true;
        if (auto gone = run(database, "DELETE FROM record WHERE position = ?", oldest->position);
            !gone) {
            return std::unexpected(std::move(gone).error());
        }
        if (tail && tail->record.position == oldest->position) {
            tail.reset();
        }
        if (!record) {
            continue;
        }
        evicted += oldest->readings();
        if (!is_owed) {
            continue;
        }
        Record gap = gap_in_place_of(*oldest);
        if (const auto before = gaps.find(oldest->stream); before != gaps.end()) {
            if (before->second.last_seq + 1 == gap.first_seq) {
                gap.first_seq = before->second.first_seq;
            } else if (auto stored = store_gap(before->second); !stored) {
                return std::unexpected(std::move(stored).error());
            }
        }
        gaps.insert_or_assign(oldest->stream, std::move(gap));
    }
    for (const auto& [stream, gap] : gaps) {
        if (auto stored = store_gap(gap); !stored) {
            return std::unexpected(std::move(stored).error());
        }
    }
    if (readings) {
        *readings -= evicted;
    }
    return evicted;
}

/// Inserts the gap; one of the same stream that ends right before it becomes part of it. It keeps
/// its own, later position: a reader who is past the older one still meets it.
Result<void> Store::State::store_gap(Record gap) {
    std::optional<RowHead> before;
    auto found = for_each(
        database,
        "SELECT position, stream, kind, first_seq, last_seq, first_time, last_time, checksum, "
        "body FROM record WHERE stream = ? AND position < ? ORDER BY position DESC LIMIT 1",
        [&](const ports::Statement& row) {
            const auto record = row_record(row);
            if (record && record->kind == RecordKind::gap &&
                record->last_seq + 1 == gap.first_seq && is_loss(*record->body)) {
                before = row_head(row);
            }
        },
        gap.stream, gap.position);
    if (!found) {
        return found;
    }
    if (before) {
        gap.first_seq = before->first_seq;
        if (auto gone = run(database, "DELETE FROM record WHERE position = ?", before->position);
            !gone) {
            return gone;
        }
    }
    return insert(gap);
}

}  // namespace holdfast::journal
