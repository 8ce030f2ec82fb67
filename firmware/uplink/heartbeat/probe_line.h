#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/uplink/path/line_end.h"

namespace holdfast::uplink {

/// Probe lines that are open at one time.
inline constexpr std::size_t kProbeLines = 3;
/// Their numbers are 0 … kProbeLineNumbers - 1, used again and again. The last one is the witness
/// of a lifetime; while it is open, only two of the others are.
inline constexpr std::size_t kWitnessLine = kProbeLines;
inline constexpr std::size_t kProbeLineNumbers = kProbeLines + 1;

/// What the owner of the sockets has to do. A probe line is a WebSocket to the same hub over the
/// same path on which neither end says anything of itself.
struct LineAction {
    enum class Kind : std::uint8_t {
        open,   ///< a new probe line; answered by `opened` or `failed`
        ping,   ///< answered by `answered` when the pong comes
        speak,  ///< send an unsolicited Pong frame, which nobody answers (RFC 6455, Section 5.5.3)
        close,  ///< drop it, without waiting; no event of this line may follow
        renew,  ///< make a new main line, then end the old one; `line` means nothing
    };
    Kind kind = Kind::open;
    std::size_t line = 0;
};

}  // namespace holdfast::uplink
