#include <algorithm>
#include <utility>

#include "firmware/uplink/client_line.h"

/// The lower half of the client: the slots of its lines, and which stream belongs to which line.

namespace holdfast::uplink {

void Client::open_line(std::size_t slot, Path path, Now now) {
    CarrierOptions options;
    options.hub = options_.hub;
    options.path = path;
    options.user_agent = options_.uplink.software;
    options.deflate = options_.deflate;
    options.patience = slot == kMainLine                     ? ladder_.patience()
                       : slot == kCandidateLine && is_race() ? ladder_.patience_beside()
                                                             : options_.ladder.patience_max;
    options.message_timeout = options_.message_timeout;
    options.silence = slot >= kFirstProbeLine ? kLongestProbeLine : silence();
    auto line = std::make_unique<Line>();
    line->path = path;
    line->announced = options.silence;
    line->attempt.began_at = now.monotonic;
    line->carrier = make_carrier(std::move(options), entropy_, deflate_contexts_, now.monotonic);
    lines_[slot] = std::move(line);
    take_orders(slot, now);
}

void Client::drop_line(std::size_t slot, websocket::CloseCode code, std::string_view reason,
                       Now now) {
    if (lines_[slot]) {
        lines_[slot]->carrier->close(code, reason);
        take_orders(slot, now);
        lines_[slot].reset();
    }
}

/// `kSlots`: the stream is of a line that is not there any more.
std::pair<std::size_t, Lane> Client::find(StreamId stream) const {
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            if (stream != 0 && lines_[slot] && lines_[slot]->streams[lane] == stream) {
                return {slot, static_cast<Lane>(lane)};
            }
        }
    }
    return {kSlots, Lane::receive};
}

void Client::take_orders(std::size_t slot, Now now) {
    Line& line = *lines_[slot];
    while (std::optional<Carrier::Order> order = line.carrier->next_order(now.monotonic)) {
        StreamId& stream = line.streams[static_cast<std::size_t>(order->lane)];
        Action action;
        switch (order->kind) {
            case Carrier::Order::Kind::open:
                if (stream != 0) {
                    actions_.push_back({.kind = Action::Kind::abort, .stream = stream});
                }
                stream = ++last_stream_;
                line.congested[static_cast<std::size_t>(order->lane)] = false;
                action.kind = Action::Kind::open;
                action.proxied = line.path.proxied;
                break;
            case Carrier::Order::Kind::send:
                action.kind = Action::Kind::send;
                action.bytes = std::make_shared<const Bytes>(std::move(order->bytes));
                line.unsent_answers_bytes =
                    line.writable() ? 0 : line.unsent_answers_bytes + action.bytes->size();
                break;
            case Carrier::Order::Kind::shut:
                action.kind = Action::Kind::shut;
                break;
            case Carrier::Order::Kind::abort:
                action.kind = Action::Kind::abort;
                break;
        }
        if (stream == 0) {
            continue;  // it has ended meanwhile
        }
        action.stream = stream;
        if (action.kind == Action::Kind::shut || action.kind == Action::Kind::abort) {
            stream = 0;
        }
        actions_.push_back(std::move(action));
    }
}

// ---- Streams

void Client::opened(StreamId stream, std::string peer, const std::string& authorization, Now now) {
    const auto [slot, lane] = find(stream);
    if (slot != kSlots) {
        lines_[slot]->peer = std::move(peer);
        if (lane == Lane::receive) {
            lines_[slot]->attempt.opened_at =
                std::min(lines_[slot]->attempt.opened_at, now.monotonic);
        }
        if (slot == kMainLine && lane == Lane::receive &&
            engine_.state() == Uplink::State::connecting) {
            lines_[slot]->carrier->greet(engine_.hello_ahead());
        }
        lines_[slot]->carrier->opened(lane, authorization, now.monotonic);
        drain(slot, now);
    }
}

void Client::received(StreamId stream, std::span<std::byte> bytes, Now now) {
    const auto [slot, lane] = find(stream);
    if (slot == kSlots) {
        return;
    }
    // That requests are answered does not tell whether messages come.
    if (slot == kMainLine && lines_[slot]->up() && lane == Lane::receive) {
        engine_.heard(now.monotonic);
    }
    lines_[slot]->carrier->received(lane, bytes, now.monotonic);
    drain(slot, now);
}

void Client::failed(StreamId stream, const Error& error, Now now) {
    ended(stream, error, now);
}

void Client::ended(StreamId stream, const Error& error, Now now) {
    const auto [slot, lane] = find(stream);
    if (slot != kSlots) {
        lines_[slot]->streams[static_cast<std::size_t>(lane)] = 0;
        lines_[slot]->congested[static_cast<std::size_t>(lane)] = false;
        lines_[slot]->carrier->ended(lane, error, now.monotonic);
        drain(slot, now);
    }
}

void Client::congested(StreamId stream) {
    if (const auto [slot, lane] = find(stream); slot != kSlots) {
        lines_[slot]->congested[static_cast<std::size_t>(lane)] = true;
    }
}

void Client::writable(StreamId stream) {
    if (const auto [slot, lane] = find(stream); slot != kSlots) {
        lines_[slot]->congested[static_cast<std::size_t>(lane)] = false;
    }
}

/// Tells what happened on a line, until it is all told. The line may move to another slot, or go,
/// while this is done.
void Client::drain(std::size_t slot, Now now) {
    const Carrier* const carrier = lines_[slot] ? lines_[slot]->carrier.get() : nullptr;
    while (carrier != nullptr) {
        const auto at = std::ranges::find_if(
            lines_, [carrier](const auto& line) { return line && line->carrier.get() == carrier; });
        if (at == lines_.end()) {
            return;
        }
        slot = static_cast<std::size_t>(at - lines_.begin());
        const std::optional<Carrier::Event> event =
            lines_[slot]->carrier->next_event(now.monotonic);
        if (!event) {
            take_orders(slot, now);
            return;
        }
        happened(slot, *event, now);
    }
}

/// Who asks for pongs and takes none would fill the memory.
void Client::leave_deaf_hub(std::size_t slot, Now now) {
    constexpr std::size_t kMostAnswersBytes = 256u << 10;
    if (lines_[slot] && lines_[slot]->unsent_answers_bytes > kMostAnswersBytes) {
        lines_[slot]->carrier->abort();
        happened(slot,
                 {.kind = Carrier::Event::Kind::ended,
                  .error = {ErrorCode::too_large, "the hub asks, and does not take the answers"},
                  .end = {EndKind::ours, 0},
                  .trouble = Trouble::hub},
                 now);
    }
}

void Client::happened(std::size_t slot, const Carrier::Event& event, Now now) {
    Line& line = *lines_[slot];
    if (event.kind == Carrier::Event::Kind::up) {
        line.attempt.up_at = now.monotonic;
    }
    line.attempt.passes = line.attempt.passes || event.kind == Carrier::Event::Kind::passes;
    if (event.kind == Carrier::Event::Kind::ended) {
        take_orders(slot, now);
    }
    if (slot == kMainLine) {
        main_happened(event, now);
    } else if (slot == kCandidateLine) {
        candidate_happened(event, now);
    } else {
        probe_happened(slot - kFirstProbeLine, event, now);
    }
}

}  // namespace holdfast::uplink
