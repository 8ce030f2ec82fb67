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
    std::string peer;
    bool up = false;
    bool passes = false;
    bool over = false;  ///< its end was told
    bool writable = true;
    Duration announced{};  ///< how silent the hub was told that it may become
};

}  // namespace holdfast::uplink
