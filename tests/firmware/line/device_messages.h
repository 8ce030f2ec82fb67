#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firmware/line/messages.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::line {

/// Messages of a device, as its end of the line would make them.

inline OpenMessage opened(std::uint32_t stream, const std::string& origin,
                          journal::Epoch epoch = {9, 1}, std::uint32_t channels = 1) {
    OpenMessage open{stream, origin, epoch, {}};
    for (std::uint32_t id = 1; id <= channels; ++id) {
        open.channels.push_back({id, {"c" + std::to_string(id), "m"}});
    }
    return open;
}

inline HelloMessage hello(const std::string& device, std::vector<OpenMessage> open) {
    return {device, 1, "test", 3, std::move(open)};
}

/// Readings of one channel; each value is its own number.
inline Bytes batch(std::uint32_t stream, std::uint64_t first, std::size_t count,
                   telemetry::ChannelId channel = 1) {
    telemetry::Batch readings;
    for (std::size_t i = 0; i < count; ++i) {
        readings.readings.push_back({channel, 5, static_cast<std::int64_t>(first + i)});
    }
    journal::Record record;
    record.first_seq = first;
    record.body = std::make_shared<const Bytes>(telemetry::encode(readings));
    Bytes message = wire_head(record, stream);
    append(message, *record.body);
    return message;
}

inline Bytes gap(std::uint32_t stream, std::uint64_t first, std::uint64_t last) {
    journal::Record record;
    record.kind = journal::RecordKind::gap;
    record.first_seq = first;
    record.last_seq = last;
    record.body = std::make_shared<const Bytes>(encode(journal::GapReason::evicted));
    return wire_head(record, stream);
}

}  // namespace holdfast::line
