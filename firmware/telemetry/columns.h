#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/telemetry/bits.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::telemetry {

/// The values of one column, and its times. Each pair of functions is one section of
/// proto/README.md, "Columns". The decoders fill the span they are given; false, with the reason in
/// `source`, is malformed.

void encode_times(Bytes& out, std::span<const std::uint64_t> times);
[[nodiscard]] bool decode_times(Source& source, std::span<std::uint64_t> times);

/// Doubles, as their bits.
void encode_doubles(Bytes& out, std::span<const std::uint64_t> doubles);
[[nodiscard]] bool decode_doubles(Source& source, std::span<std::uint64_t> doubles);

void encode_int64s(Bytes& out, std::span<const std::uint64_t> numbers);
[[nodiscard]] bool decode_int64s(Source& source, std::span<std::uint64_t> numbers);

/// Each 0 or 1.
void encode_bools(Bytes& out, std::span<const std::uint64_t> truths);
[[nodiscard]] bool decode_bools(Source& source, std::span<std::uint64_t> truths);

/// Strings or bytes.
void encode_texts(Bytes& out, std::span<const std::string_view> texts);
/// The views are into the bytes of `source`.
[[nodiscard]] bool decode_texts(Source& source, std::span<std::string_view> texts);

}  // namespace holdfast::telemetry
