#pragma once

#include <array>
#include <memory>
#include <string>

#include "firmware/uplink/client.h"

namespace holdfast::uplink {

struct Client::Line {
    std::unique_ptr<Passage> passage;
    Path path;
    std::array<StreamId, kLanes> streams{};  ///< 0: none
    std::array<bool, kLanes> congested{};
    std::size_t unsent_answers_bytes = 0;  ///< pongs that were given out while it was congested
    std::string peer;
    bool up = false;
    bool passes = false;
    Duration announced{};  ///< how silent the hub was told that it may become

    [[nodiscard]] bool writable() const { return !congested[0] && !congested[1]; }
};

}  // namespace holdfast::uplink
