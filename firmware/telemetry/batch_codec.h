#pragma once

#include <cstddef>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::telemetry {

/// The columnar form of a batch, as it stands in the journal and on the line (proto/README.md,
/// "Columns"). Lossless for every value and time. Self-contained but for the names of the channels.

struct BatchLimits {
    std::size_t readings = 65'536;
    std::size_t bytes =
        8u << 20;  ///< encoded; and again for all strings and bytes that decoding writes out
};

/// `batch` has at least one reading. Never fails. The result decodes under limits that allow its
/// number of readings, its size and, in `bytes`, all its strings and bytes written out.
[[nodiscard]] Bytes encode(const Batch& batch);

/// Errors: invalid (malformed; says what and where), too_large (over `limits`). Allocates in
/// proportion to the data in the bytes, never to a count that they claim.
[[nodiscard]] Result<Batch> decode(ByteView bytes, const BatchLimits& limits = {});

}  // namespace holdfast::telemetry
