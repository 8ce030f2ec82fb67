#include "firmware/hub/presence.h"

#include <algorithm>
#include <variant>

namespace holdfast::hub {

using line::HubEnd;

Presence::~Presence() {
    if (!is_online_ || end_.is_superseded()) {
        return;
    }
    const std::string& name = end_.admission().device;
    for (auto& [origin, entry] : shared_.fleet) {
        if (origin == name || entry.via == name) {
            entry.online = false;
            entry.connected_since.reset();
        }
    }
}

void Presence::follow(WallTime now) {
    while (const std::optional<HubEnd::Event> event = end_.next_event()) {
        std::visit([&](const auto& happened) { apply(happened, now); }, *event);
    }
}

void Presence::apply(const HubEnd::Greeted& greeted, WallTime now) {
    is_online_ = true;
    Device& entry = device();
    entry.online = true;
    entry.connected_since = entry.last_seen = now;
    entry.software = greeted.software;
    entry.address = end_.admission().address;
    entry.backlog = greeted.backlog_readings;
    ++entry.connects;
}

void Presence::apply(const HubEnd::Heard&, WallTime now) {
    device().last_seen = now;
}

/// As far as can be known from here, an origin behind a relay is online while the relay is.
void Presence::apply(const HubEnd::Relayed& relayed, WallTime) {
    Device& entry = shared_.fleet[relayed.origin];
    entry.via = end_.admission().device;
    entry.online = true;
}

void Presence::apply(const HubEnd::Appended& appended, WallTime now) {
    const journal::Stream& stream = shared_.journal.streams().at(appended.stream);
    Device& entry = shared_.fleet[stream.origin];
    entry.last_seen = now;
    entry.gaps += appended.kind == journal::RecordKind::gap ? 1 : 0;
    if (entry.backlog) {
        *entry.backlog -= std::min(*entry.backlog, appended.last_seq - appended.first_seq + 1);
    }
    if (!appended.batch.readings.empty()) {
        note_readings(shared_, stream, appended.batch, appended.first_seq, appended.end_position);
    }
}

}  // namespace holdfast::hub
