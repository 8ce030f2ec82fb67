#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/base/clock.h"

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

/// Side lines that are open at one time.
inline constexpr std::size_t kSideLines = 3;
/// Their numbers are 0 … kSideLineNumbers - 1, used again and again. The last one is the witness of
/// a lifetime; while it is open, only two of the others are.
inline constexpr std::size_t kWitnessLine = kSideLines;
inline constexpr std::size_t kSideLineNumbers = kSideLines + 1;

/// What the owner of the sockets has to do. A side line is a WebSocket to the same hub over the
/// same path on which neither end says anything of itself.
struct LineAction {
    enum class Kind : std::uint8_t {
        open,   ///< a new side line; answered by `opened` or `failed`
        ping,   ///< answered by `answered` when the pong comes
        speak,  ///< send an unsolicited Pong frame, which nobody answers (RFC 6455, Section 5.5.3)
        close,  ///< drop it, without waiting; no event of this line may follow
        renew,  ///< make a new main line, then end the old one; `line` means nothing
    };
    Kind kind = Kind::open;
    std::size_t line = 0;
};

}  // namespace holdfast::uplink
