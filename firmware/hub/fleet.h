#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::hub {

/// The last reading of a channel.
struct LastReading {
    std::uint64_t seq = 0;
    std::optional<std::int64_t> time_us;
    telemetry::Value value;
};

/// What the hub knows of one origin beyond its readings. Rebuilt from what arrives; nothing of it
/// is stored.
struct Device {
    bool online = false;
    std::optional<WallTime> connected_since;
    std::optional<WallTime> last_seen;
    std::optional<std::uint64_t> backlog;  ///< as the device told last
    std::string software;
    std::string address;
    std::string via;  ///< the relay it speaks through; "" if it connects itself
    std::uint64_t connects = 0;
    std::uint64_t readings = 0;  ///< since the start of this program
    std::uint64_t gaps = 0;
    std::map<std::pair<std::string, std::string>, LastReading> channels;  ///< by name and unit
};

using Fleet = std::map<std::string, Device, std::less<>>;

}  // namespace holdfast::hub
