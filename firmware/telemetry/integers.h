#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/telemetry/bits.h"

namespace holdfast::telemetry {

/// A sequence of numbers, most of them small, in about as many bits as their entropy. All columns
/// consist of such sequences. The count is not encoded: the reader knows it. A sequence of zero
/// numbers takes no bytes.
void encode_integers(Bytes& out, std::span<const std::uint64_t> numbers);

/// Fills `numbers`. False, with the reason in `source`: malformed; `numbers` then holds anything.
[[nodiscard]] bool decode_integers(Source& source, std::span<std::uint64_t> numbers);

}  // namespace holdfast::telemetry
