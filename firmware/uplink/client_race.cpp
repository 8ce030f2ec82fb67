#include "firmware/uplink/client_line.h"

/// The race: the ladder's next path is tried on the candidate line, beside a main line that gives
/// no sign that bytes pass. The first line on which they pass wins.

namespace holdfast::uplink {

/// Until bytes pass on the main line; what is at kCandidateLine meanwhile is not where it moves to.
/// It is told no Hello ahead: a hub drops the older of two lines that have said it.
bool Client::is_race() const {
    return lines_[kMainLine] && !lines_[kMainLine]->attempt.passes;
}

Instant Client::race_at() const {
    const Line* const candidate = lines_[kCandidateLine].get();
    return is_race() ? uplink::race_at(lines_[kMainLine]->attempt,
                                       candidate ? &candidate->attempt : nullptr, ladder_)
                     : kNever;
}

void Client::race_due(Now now) {
    if (race_at() > now.monotonic) {
        return;
    }
    if (lines_[kCandidateLine]) {
        lose_race(now);
    } else {
        open_line(kCandidateLine, *ladder_.beside(), now);
    }
}

/// The main line fails, and leaves its slot to the other (`open_main`).
void Client::lose_race(Now now) {
    lines_[kMainLine]->carrier->give_up(now.monotonic);
    drain(kMainLine, now);
}

void Client::raced_happened(const Carrier::Event& event, Now now) {
    if (event.kind != Carrier::Event::Kind::ended) {
        return;  // `race_due` sees whether bytes pass
    }
    if (event.trouble == Trouble::hub) {
        lose_race(now);  // the other has reached the hub itself, which says no
        if (lines_[kMainLine]) {
            main_happened(event, now);
        }
        return;
    }
    log(Action::Level::debug, "the path beside, " + name(lines_[kCandidateLine]->path) +
                                  ", did not come about: " + event.error.message);
    lines_[kCandidateLine].reset();
    ladder_.beside_failed(event.trouble);
}

}  // namespace holdfast::uplink
