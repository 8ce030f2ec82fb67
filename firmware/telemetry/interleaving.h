#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/telemetry/bits.h"

namespace holdfast::telemetry {

/// In which order the readings of several columns followed each other: for each reading the number
/// of its column, where columns are numbered 0, 1, 2 … as they first appear.
void encode_interleaving(Bytes& out, std::span<const std::uint32_t> columns, std::uint32_t count);

/// Fills `columns`. False, with the reason in `source`: malformed, or not all of the `count`
/// columns appear, or one appears for the first time before a column with a lower number.
[[nodiscard]] bool decode_interleaving(Source& source, std::span<std::uint32_t> columns,
                                       std::uint32_t count);

}  // namespace holdfast::telemetry
