#pragma once

#include <array>
#include <memory>
#include <string>

#include "firmware/uplink/client.h"
#include "firmware/uplink/path/race.h"

namespace holdfast::uplink {

struct Client::Line {
    std::unique_ptr<Carrier> carrier;
    Path path;
    std::array<StreamId, kLanes> streams{};  ///< 0: none
    std::array<bool, kLanes> congested{};
    struct Ping {
        StreamId stream = 0;        ///< that carries it; 0: no progress was told since it left
        std::uint64_t ends_at = 0;  ///< that many bytes, with it, had been given to the stream
        std::uint64_t came_to = 0;  ///< of those, what the peer's TCP has
    } ping;
    std::size_t unsent_answers_bytes = 0;  ///< pongs that were given out while it was congested
    std::string peer;
    Attempt attempt;
    bool worked = false;   ///< the ladder was told
    Duration announced{};  ///< how silent the hub was told that it may become

    [[nodiscard]] bool up() const { return attempt.up_at != kNever; }
    /// The stream that carries what is sent.
    [[nodiscard]] StreamId sending() const {
        const Lane lane = path.transport == Transport::websocket ? Lane::receive : Lane::send;
        return streams[static_cast<std::size_t>(lane)];
    }
    [[nodiscard]] bool writable() const { return !congested[0] && !congested[1]; }
};

}  // namespace holdfast::uplink
