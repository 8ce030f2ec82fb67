#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "firmware/telemetry/reading.h"

namespace holdfast::telemetry {

/// Bit for bit: two doubles that are NaN are the same if their payloads are, and -0.0 is not 0.0.
[[nodiscard]] bool same(const Batch& left, const Batch& right);

/// Encodes, decodes and compares; true if all went well.
[[nodiscard]] bool comes_back(const Batch& batch);

/// Readings of one channel.
[[nodiscard]] Batch batch_of(const std::vector<Value>& values,
                             std::int64_t first_time_us = 1'795'168'800'000'000,
                             std::int64_t step_us = 1'000'000);

/// Batches of every kind that the encoder tells apart, small enough to be broken in every way.
[[nodiscard]] std::vector<Batch> small_batches();

/// Any batch: a few channels of any types, regular and wild times and values.
/// A random number below `end`.
[[nodiscard]] std::size_t below(std::mt19937_64& random, std::size_t end);
[[nodiscard]] Batch random_batch(std::mt19937_64& random, std::size_t readings);

/// The recorded machine temperature, as readings of channel 1.
[[nodiscard]] std::vector<Reading> machine_temperature();

}  // namespace holdfast::telemetry
