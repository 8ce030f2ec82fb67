#include "firmware/uplink/path/race.h"

namespace holdfast::uplink {

/// An answer to the handshake is a sign that is worth another head start: the pong comes a round
/// trip after it.
Instant race_at(const Attempt& main, const Attempt* candidate, const Ladder& ladder) {
    if (main.passes || main.opened_at == kNever) {
        return kNever;
    }
    const Duration lead = ladder.head_start() + (main.opened_at - main.began_at);
    if (candidate == nullptr) {
        return ladder.beside() ? main.opened_at + lead : kNever;
    }
    if (!candidate->passes) {
        return kNever;
    }
    return (main.up_at != kNever ? main.up_at : main.opened_at) + lead;
}

}  // namespace holdfast::uplink
