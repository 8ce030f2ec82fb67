#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "platform/simulated/network.h"
#include "platform/simulated/relay.h"

namespace holdfast::simulation {

struct NodePlan {
    std::string id;
    int upstream = -1;  ///< index; -1: none, it is the root
    bool listens = false;

    // Journal
    std::uint64_t memory_bytes = 1u << 20;
    std::size_t batch_readings = 16'384;
    std::uint64_t max_size_bytes = 256u << 20;
    bool evicts = false;
    Duration sync{};  ///< how long each fsync takes

    // Readings
    Duration feed_every{};  ///< mean; 0: none
    bool flood = false;     ///< now and then thousands at once
    bool has_rtc = true;    ///< false: 1970 after a power cut, until NTP or the hub tells
    bool pushed = false;    ///< a program on it pushes readings, too

    /// nullopt: nobody watches over the program.
    std::optional<Duration> watchdog = std::chrono::seconds(60);
    /// How often the node looks whether tokens were revoked.
    Duration token_check = std::chrono::seconds(1);

    // Line
    bool adaptive = false;
    Duration heartbeat = std::chrono::seconds(25);
    std::uint64_t window_bytes = 1u << 20;
    std::size_t read_bytes = 256u << 10;
    simulated::Path path = {};                  ///< direct; `to` is filled in
    std::optional<simulated::Manner> box = {};  ///< what stands on the direct way
    bool proxy = false;                         ///< a forward proxy is configured
    bool proxy_asks = false;                    ///< … which wants credentials; they are right
    bool blocked = false;  ///< the direct way is closed: only the proxy leads out
};

/// Everything about a world that is fixed before it begins.
struct Plan {
    enum class Kind : std::uint8_t {
        storm,    ///< minutes in which everything goes wrong
        hostile,  ///< hours on networks that stand in the way
        calm,     ///< days on a path that cuts idle lines, and nothing else
    };
    Kind kind = Kind::storm;
    std::vector<NodePlan> nodes;  ///< the root first, then who stands above others
    Duration trouble{};           ///< for so long
    Duration trouble_every{};     ///< mean; 0: none
    bool disk_faults = false;
    bool crashes = false;

    [[nodiscard]] std::string text() const;
};

[[nodiscard]] Plan plan_of(std::uint64_t seed);
[[nodiscard]] const char* name(Plan::Kind kind);
/// To a second, for people.
[[nodiscard]] std::string in_seconds(Duration duration);

}  // namespace holdfast::simulation
