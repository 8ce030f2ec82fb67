#include "firmware/hub/shared.h"

#include <limits>
#include <vector>

namespace holdfast::hub {

void note_readings(Shared& shared, const journal::Stream& stream, const telemetry::Batch& batch,
                   std::uint64_t first_seq, std::uint64_t end_position) {
    const auto channels = shared.journal.channels(stream.origin, stream.epoch.journal);
    shared.live.add(end_position, stream.origin, channels, batch, first_seq);
    Device& entry = shared.fleet[stream.origin];
    entry.readings += batch.readings.size();
    constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> newest(channels.size(), kNone);
    for (std::size_t i = 0; i < batch.readings.size(); ++i) {
        newest[batch.readings[i].channel - 1] = i;
    }
    for (std::size_t id = 0; id < newest.size(); ++id) {
        if (newest[id] == kNone) {
            continue;
        }
        const telemetry::Reading& reading = batch.readings[newest[id]];
        LastReading& last = entry.channels[{channels[id].name, channels[id].unit}];
        last.seq = first_seq + newest[id];
        last.time_us = batch.boot == 0 ? std::optional(reading.time_us) : std::nullopt;
        last.value = reading.value;
    }
}

}  // namespace holdfast::hub
