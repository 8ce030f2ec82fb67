#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

namespace holdfast::journal {

/// One unbroken run of sequence numbers of an origin: the journal file in which they were given (64
/// random bits drawn when it was created) and the start of the program (counted up by a durable
/// write at each start).
struct Epoch {
    std::uint64_t journal = 0;
    std::uint32_t run = 0;
    auto operator<=>(const Epoch&) const = default;
};

/// This node's own number for one (origin, epoch). Never leaves the node.
using StreamId = std::uint32_t;

struct Stream {
    StreamId id = 0;
    std::string origin;
    Epoch epoch;
    /// Highest sequence number received and durable; kept for streams of other origins, 0 for our
    /// own.
    std::uint64_t through = 0;
};

enum class RecordKind : std::uint8_t {
    batch = 0,      ///< body: telemetry::encode
    gap = 1,        ///< numbers that will never come; body: encode(Gap)
    clock_fix = 2,  ///< takes one sequence number; body: encode(ClockFix)
};

/// Why numbers are missing for good.
enum class GapReason : std::uint8_t {
    evicted = 1,       ///< the journal was full, and its policy dropped the oldest
    refused = 2,       ///< the journal or the disk was full, and nothing new could be taken
    unknown_past = 3,  ///< delivered before to a hub that no longer has them
    corrupt = 4,       ///< the stored record could not be read back
};
[[nodiscard]] const char* to_string(GapReason reason);

/// What a journal holds and a line carries: consecutive sequence numbers of one stream.
struct Record {
    /// Place of its first number in this node's journal. Positions rise in the order of arrival,
    /// across all streams; a batch of n readings takes n of them, a clock fix one, a gap one. A gap
    /// that took the place of a batch stands at the last of its positions, so that a reader who was
    /// in the middle of it meets the gap. Never leaves the node.
    std::uint64_t position = 0;
    StreamId stream = 0;
    RecordKind kind = RecordKind::batch;
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;
    /// Least and greatest time of the readings, microseconds; of the boot clock where the batch
    /// carries a boot id.
    std::int64_t first_time_us = 0;
    std::int64_t last_time_us = 0;
    SharedBytes body;

    /// The first position after this record.
    [[nodiscard]] std::uint64_t end_position() const {
        return position + (kind == RecordKind::batch ? last_seq - first_seq + 1 : 1);
    }
};

/// "When that boot's uptime was `uptime_us`, it was `wall_us`": gives batches of the boot their
/// right time.
struct ClockFix {
    std::uint64_t boot = 0;
    std::int64_t uptime_us = 0;
    std::int64_t wall_us = 0;
    bool operator==(const ClockFix&) const = default;
};

[[nodiscard]] Bytes encode(GapReason reason);
[[nodiscard]] Bytes encode(const ClockFix& fix);
/// Errors: invalid.
[[nodiscard]] Result<GapReason> decode_gap(ByteView body);
[[nodiscard]] Result<ClockFix> decode_clock_fix(ByteView body);

/// The record without its numbers up to and including `through`; `first_seq <= through < last_seq`.
/// A batch is decoded and encoded again. Errors: corrupt.
[[nodiscard]] Result<Record> without_prefix(const Record& record, std::uint64_t through);

}  // namespace holdfast::journal
