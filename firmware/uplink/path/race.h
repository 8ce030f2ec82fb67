#pragma once

#include "firmware/base/clock.h"
#include "firmware/uplink/path/ladder.h"

namespace holdfast::uplink {

/// What a line has shown so far of the path that it is tried on.
struct Attempt {
    Instant began_at{};
    Instant opened_at = kNever;  ///< its receiving stream
    Instant up_at = kNever;      ///< messages may be sent
    bool passes = false;         ///< what was sent after that has been answered
};

/// The race of RFC 8305, with paths in the place of addresses: while bytes do not pass on the main
/// line, the next path of the ladder is tried beside it, on the candidate line. Says when the
/// candidate line is to be opened, or, if there is one, to take the main line's place. kNever: not
/// as things stand.
///
/// `candidate`: null if there is none.
[[nodiscard]] Instant race_at(const Attempt& main, const Attempt* candidate, const Ladder& ladder);

}  // namespace holdfast::uplink
