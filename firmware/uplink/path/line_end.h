#pragma once

#include <cstdint>

namespace holdfast::uplink {

/// How a line ended, as the one who holds its socket saw it.
enum class EndKind : std::uint8_t {
    finished,    ///< the stream ended without a close frame: FIN, or TLS close_notify
    reset,       ///< RST
    unanswered,  ///< a ping was not answered in time; only we know that the line is dead
    closed,      ///< a WebSocket close frame with `close_code`
    goodbye,     ///< the hub said Goodbye
    ours,        ///< this node closed it
};

struct LineEnd {
    EndKind kind = EndKind::finished;
    std::uint16_t close_code = 0;  ///< of `closed`; 0: the frame carried none

    /// The hub goes, or told this device to: 1001 (going away), 1012 (restart), 1013 (later).
    [[nodiscard]] bool hub_leaves() const {
        return kind == EndKind::goodbye ||
               (kind == EndKind::closed &&
                (close_code == 1001 || close_code == 1012 || close_code == 1013));
    }
    /// Nobody said why: a box on the path, or the link.
    [[nodiscard]] bool unexplained() const {
        return kind == EndKind::finished || kind == EndKind::reset || kind == EndKind::unanswered;
    }
};

}  // namespace holdfast::uplink
