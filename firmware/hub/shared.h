#pragma once

#include <cstdint>

#include "firmware/hub/fleet.h"
#include "firmware/hub/live_feed.h"
#include "firmware/journal/journal.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::hub {

/// What all lines and pushes of a hub share. Everything outlives them.
struct Shared {
    journal::Journal& journal;
    Fleet& fleet;
    LiveFeed& live;
};

/// Tells the fleet and the live feed of readings that were appended to the journal and will be
/// durable at `end_position`. Calls come in the order of positions.
void note_readings(Shared& shared, const journal::Stream& stream, const telemetry::Batch& batch,
                   std::uint64_t first_seq, std::uint64_t end_position);

}  // namespace holdfast::hub
