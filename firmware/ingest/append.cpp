#include "firmware/ingest/append.h"

#include <utility>

namespace holdfast::ingest {

using telemetry::JsonError;
using telemetry::JsonReading;

std::uint64_t append_own(hub::Shared& shared, telemetry::Batch& batch, journal::Promise promise,
                         const journal::SourcePosition* source, bool keep, Instant now) {
    const std::uint64_t first_seq = shared.journal.own_next_seq();
    const bool refused =
        promise == journal::Promise::by_deadline && !keep && shared.journal.room() == 0;
    if (!batch.readings.empty() && !refused) {
        hub::note_readings(shared, shared.journal.own(), batch, first_seq,
                           shared.journal.next_position() + batch.readings.size());
    }
    return shared.journal.append({batch.readings, promise, batch.boot, source, keep}, now);
}

std::expected<std::uint64_t, JsonError> append_readings(hub::Shared& shared,
                                                        std::vector<JsonReading>& readings,
                                                        Stamp stamp, journal::Promise promise,
                                                        const journal::SourcePosition* source,
                                                        Instant now) {
    std::vector<telemetry::ChannelId> ids;
    ids.reserve(readings.size());
    for (std::size_t i = 0; i < readings.size(); ++i) {
        // Most readings of a message are of the channel before.
        if (i > 0 && readings[i].channel == readings[i - 1].channel) {
            ids.push_back(ids.back());
            continue;
        }
        const auto id = shared.journal.channel(readings[i].channel);
        if (!id) {
            return std::unexpected(JsonError{id.error().message, i});
        }
        ids.push_back(*id);
    }
    std::uint64_t end = shared.journal.next_position();
    // Readings with a time of their own are on the wall clock; a batch has one clock.
    for (std::size_t from = 0; from < readings.size() || readings.empty();) {
        const bool timed = !readings.empty() && readings[from].time.has_value();
        telemetry::Batch batch;
        batch.boot = timed ? 0 : stamp.boot;
        std::size_t to = from;
        for (; to < readings.size() &&
               (batch.boot == 0 ? readings[to].time.has_value() || stamp.boot == 0
                                : !readings[to].time.has_value());
             ++to) {
            const std::int64_t time =
                readings[to].time ? readings[to].time->time_since_epoch().count() : stamp.time_us;
            batch.readings.push_back({ids[to], time, std::move(readings[to].value)});
        }
        // All parts carry the source, so that none is sent before all are durable together.
        end = append_own(shared, batch, promise, source, true, now);
        if (readings.empty()) {
            break;
        }
        from = to;
    }
    return end;
}

}  // namespace holdfast::ingest
