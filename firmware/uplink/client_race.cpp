#include "firmware/uplink/client_line.h"

/// The next rung beside a main line that gives no sign that bytes pass: the first of them wins.

namespace holdfast::uplink {

/// Until bytes pass on the main line; what is at kNext meanwhile is not where it moves to. It is
/// told no Hello ahead: a hub drops the older of two lines that have said it.
bool Client::is_race() const {
    return lines_[kMain] && !lines_[kMain]->passes;
}

/// When the other line is to be opened, or to take the main line's place. An answer to the
/// handshake is a sign that is worth another head start: the pong comes a round trip after it.
Instant Client::race_at() const {
    if (!is_race() || lines_[kMain]->opened_at == kNever) {
        return kNever;
    }
    const Line& main = *lines_[kMain];
    const Duration lead = ladder_.head_start() + (main.opened_at - main.began_at);
    if (!lines_[kNext]) {
        return ladder_.beside() ? main.opened_at + lead : kNever;
    }
    return lines_[kNext]->passes ? (main.up() ? main.up_at : main.opened_at) + lead : kNever;
}

void Client::race_due(Now now) {
    if (race_at() > now.monotonic) {
        return;
    }
    if (lines_[kNext]) {
        lose_race(now);
    } else {
        open_line(kNext, *ladder_.beside(), now);
    }
}

/// The main line fails, and leaves its place to the other (`open_main`).
void Client::lose_race(Now now) {
    lines_[kMain]->passage->give_up(now.monotonic);
    drain(kMain, now);
}

void Client::raced_happened(const Passage::Event& event, Now now) {
    if (event.kind != Passage::Event::Kind::ended) {
        return;  // `race_due` sees whether bytes pass
    }
    if (event.trouble == Trouble::hub) {
        lose_race(now);  // the other has reached the hub itself, which says no
        if (lines_[kMain]) {
            main_happened(event, now);
        }
        return;
    }
    log(Action::Level::debug, "the other way, " + name(lines_[kNext]->path) +
                                  ", did not come about: " + event.error.message);
    lines_[kNext].reset();
    ladder_.beside_failed(event.trouble);
}

}  // namespace holdfast::uplink
