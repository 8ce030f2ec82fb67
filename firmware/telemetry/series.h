#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"
#include "firmware/telemetry/bits.h"

namespace holdfast::telemetry {

/// 64-bit numbers that follow each other with some regularity: a level with noise, a slope, a
/// smooth curve. All arithmetic wraps around, so every pattern of bits comes back.
using Series = std::span<const std::uint64_t>;

/// The greatest common divisor of all, as signed numbers, or 1 if it would not save anything.
[[nodiscard]] std::uint64_t common_divisor(Series series);
/// Each number is a multiple of `divisor`.
void divide(std::span<std::uint64_t> series, std::uint64_t divisor);

/// How many times differences are taken. The result is written by encode_integers.
struct SeriesPlan {
    unsigned order = 1;           ///< 0, 1 or 2
    std::uint64_t base = 0;       ///< order 0: the level; order 1: the slope; order 2: not used
    std::uint64_t cost_bits = 0;  ///< about
};

[[nodiscard]] SeriesPlan plan_series(Series series);

/// The caller stores `plan.order`.
void encode_series(Bytes& out, Series series, const SeriesPlan& plan);

/// Fills `series`. False, with the reason in `source`: malformed, or no such order.
[[nodiscard]] bool decode_series(Source& source, std::span<std::uint64_t> series, unsigned order);

}  // namespace holdfast::telemetry
