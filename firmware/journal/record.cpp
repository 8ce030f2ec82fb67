#include "firmware/journal/record.h"

#include <algorithm>
#include <memory>

#include "firmware/base/check.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {
namespace {

void put_number(Bytes& to, std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
        to.push_back(static_cast<std::byte>(number >> shift));
    }
}

std::uint64_t get_number(ByteView from) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        number |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
    }
    return number;
}

}  // namespace

const char* to_string(GapReason reason) {
    switch (reason) {
        case GapReason::evicted:
            return "evicted";
        case GapReason::refused:
            return "refused";
        case GapReason::unknown_past:
            return "unknown-past";
        case GapReason::corrupt:
            return "corrupt";
    }
    return "unknown";
}

Bytes encode(GapReason reason) {
    return {static_cast<std::byte>(reason)};
}

/// Three numbers of eight bytes, little endian.
Bytes encode(const ClockFix& fix) {
    Bytes body;
    body.reserve(24);
    put_number(body, fix.boot);
    put_number(body, static_cast<std::uint64_t>(fix.uptime_us));
    put_number(body, static_cast<std::uint64_t>(fix.wall_us));
    return body;
}

Result<GapReason> decode_gap(ByteView body) {
    if (body.size() != 1) {
        return fail(ErrorCode::invalid, "a gap has one byte, not " + std::to_string(body.size()));
    }
    const auto reason = std::to_integer<std::uint8_t>(body[0]);
    if (reason < static_cast<std::uint8_t>(GapReason::evicted) ||
        reason > static_cast<std::uint8_t>(GapReason::corrupt)) {
        return fail(ErrorCode::invalid, "unknown gap reason " + std::to_string(reason));
    }
    return static_cast<GapReason>(reason);
}

Result<ClockFix> decode_clock_fix(ByteView body) {
    if (body.size() != 24) {
        return fail(ErrorCode::invalid,
                    "a clock fix has 24 bytes, not " + std::to_string(body.size()));
    }
    return ClockFix{.boot = get_number(body),
                    .uptime_us = static_cast<std::int64_t>(get_number(body.subspan(8))),
                    .wall_us = static_cast<std::int64_t>(get_number(body.subspan(16)))};
}

Result<Record> without_prefix(const Record& record, std::uint64_t through) {
    HOLDFAST_CHECK(record.first_seq <= through && through < record.last_seq);
    Record rest = record;
    rest.first_seq = through + 1;
    if (record.kind != RecordKind::batch) {
        return rest;
    }
    auto batch = telemetry::decode(*record.body);
    if (!batch || batch->readings.size() != record.last_seq - record.first_seq + 1) {
        return fail(ErrorCode::corrupt, "a stored batch cannot be read back");
    }
    const auto dropped = static_cast<std::ptrdiff_t>(rest.first_seq - record.first_seq);
    batch->readings.erase(batch->readings.begin(), batch->readings.begin() + dropped);
    rest.position += static_cast<std::uint64_t>(dropped);
    const auto [least, greatest] =
        std::ranges::minmax(batch->readings, {}, &telemetry::Reading::time_us);
    rest.first_time_us = least.time_us;
    rest.last_time_us = greatest.time_us;
    rest.body = std::make_shared<const Bytes>(telemetry::encode(*batch));
    return rest;
}

}  // namespace holdfast::journal
