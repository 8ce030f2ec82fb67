#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "firmware/hub/shared.h"
#include "firmware/ingest/stamp.h"
#include "firmware/telemetry/json.h"

namespace holdfast::ingest {

/// Appends a batch of this node's own readings to the journal, and tells fleet and live feed.
/// Returns the position behind the last reading.
std::uint64_t append_own(hub::Shared& shared, telemetry::Batch& batch, journal::Promise promise,
                         const journal::SourcePosition* source, bool keep, Instant now);

/// As `append_own`, for JSON readings; those with a time of their own keep it. `source`: committed
/// with the readings; null: none. Errors: a channel cannot be added; nothing was taken then.
[[nodiscard]] std::expected<std::uint64_t, telemetry::JsonError> append_readings(
    hub::Shared& shared, std::vector<telemetry::JsonReading>& readings, Stamp stamp,
    journal::Promise promise, const journal::SourcePosition* source, Instant now);

}  // namespace holdfast::ingest
