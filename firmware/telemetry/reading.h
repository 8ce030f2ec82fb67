#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"

namespace holdfast::telemetry {

/// The value of a reading. Every bit pattern of a double is a value of its own, also each NaN.
using Value = std::variant<double, std::int64_t, bool, std::string, Bytes>;

/// The name of a series of readings, and its unit ("" if it has none). One name with two units is
/// two channels.
struct Channel {
    std::string name;
    std::string unit;

    bool operator==(const Channel&) const = default;
};

/// A channel's number within one journal of one origin: 1, 2, 3 … in the order in which channels
/// appeared.
using ChannelId = std::uint32_t;

/// One value at one time. `time_us` is microseconds since 1970 (UTC) or, in a batch that carries a
/// boot id, microseconds since that boot.
struct Reading {
    ChannelId channel = 0;
    std::int64_t time_us = 0;
    Value value;
};

/// Readings in the order in which they were taken; sequence numbers are implied by the position.
struct Batch {
    /// 0: times are wall-clock. Otherwise the boot during which the clock was not yet known.
    std::uint64_t boot = 0;
    std::vector<Reading> readings;
};

}  // namespace holdfast::telemetry
