#include <algorithm>
#include <utility>

#include "firmware/uplink/client_line.h"

/// The lower half of the client: where lines have their place, and which stream belongs to which.

namespace holdfast::uplink {

void Client::open_line(std::size_t place, Path path, Now now) {
    PassageOptions options;
    options.hub = options_.hub;
    options.path = path;
    options.user_agent = options_.uplink.software;
    options.deflate = options_.deflate;
    options.patience = place == kMain                ? ladder_.patience()
                       : place == kNext && is_race() ? ladder_.patience_beside()
                                                     : options_.ladder.patience_max;
    options.message_timeout = options_.message_timeout;
    options.silence = place >= kFirstSide ? kLongestSideLine : silence();
    auto line = std::make_unique<Line>();
    line->path = path;
    line->announced = options.silence;
    line->began_at = now.monotonic;
    line->passage = make_passage(std::move(options), entropy_, deflate_contexts_, now.monotonic);
    lines_[place] = std::move(line);
    take_orders(place, now);
}

void Client::drop_line(std::size_t place, websocket::CloseCode code, std::string_view reason,
                       Now now) {
    if (lines_[place]) {
        lines_[place]->passage->close(code, reason);
        take_orders(place, now);
        lines_[place].reset();
    }
}

/// `kPlaces`: the stream is of a line that is not there any more.
std::pair<std::size_t, Lane> Client::find(StreamId stream) const {
    for (std::size_t place = 0; place < kPlaces; ++place) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            if (stream != 0 && lines_[place] && lines_[place]->streams[lane] == stream) {
                return {place, static_cast<Lane>(lane)};
            }
        }
    }
    return {kPlaces, Lane::receive};
}

void Client::take_orders(std::size_t place, Now now) {
    Line& line = *lines_[place];
    while (std::optional<Passage::Order> order = line.passage->next_order(now.monotonic)) {
        StreamId& stream = line.streams[static_cast<std::size_t>(order->lane)];
        Action action;
        switch (order->kind) {
            case Passage::Order::Kind::open:
                if (stream != 0) {
                    actions_.push_back({.kind = Action::Kind::abort, .stream = stream});
                }
                stream = ++last_stream_;
                line.congested[static_cast<std::size_t>(order->lane)] = false;
                action.kind = Action::Kind::open;
                action.proxied = line.path.proxied;
                break;
            case Passage::Order::Kind::send:
                action.kind = Action::Kind::send;
                action.bytes = std::make_shared<const Bytes>(std::move(order->bytes));
                line.unsent_answers_bytes =
                    line.writable() ? 0 : line.unsent_answers_bytes + action.bytes->size();
                break;
            case Passage::Order::Kind::shut:
                action.kind = Action::Kind::shut;
                break;
            case Passage::Order::Kind::abort:
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
    const auto [place, lane] = find(stream);
    if (place != kPlaces) {
        lines_[place]->peer = std::move(peer);
        if (lane == Lane::receive) {
            lines_[place]->opened_at = std::min(lines_[place]->opened_at, now.monotonic);
        }
        if (place == kMain && lane == Lane::receive &&
            engine_.state() == Uplink::State::connecting) {
            lines_[place]->passage->greet(engine_.hello_ahead());
        }
        lines_[place]->passage->opened(lane, authorization, now.monotonic);
        drain(place, now);
    }
}

void Client::received(StreamId stream, std::span<std::byte> bytes, Now now) {
    const auto [place, lane] = find(stream);
    if (place == kPlaces) {
        return;
    }
    // That requests are answered does not tell whether messages come.
    if (place == kMain && lines_[place]->up() && lane == Lane::receive) {
        engine_.heard(now.monotonic);
    }
    lines_[place]->passage->received(lane, bytes, now.monotonic);
    drain(place, now);
}

void Client::failed(StreamId stream, const Error& error, Now now) {
    ended(stream, error, now);
}

void Client::ended(StreamId stream, const Error& error, Now now) {
    const auto [place, lane] = find(stream);
    if (place != kPlaces) {
        lines_[place]->streams[static_cast<std::size_t>(lane)] = 0;
        lines_[place]->congested[static_cast<std::size_t>(lane)] = false;
        lines_[place]->passage->ended(lane, error, now.monotonic);
        drain(place, now);
    }
}

void Client::congested(StreamId stream) {
    if (const auto [place, lane] = find(stream); place != kPlaces) {
        lines_[place]->congested[static_cast<std::size_t>(lane)] = true;
    }
}

void Client::writable(StreamId stream) {
    if (const auto [place, lane] = find(stream); place != kPlaces) {
        lines_[place]->congested[static_cast<std::size_t>(lane)] = false;
    }
}

/// Tells what happened on a line, until it is all told. The line may move to another place, or go,
/// while this is done.
void Client::drain(std::size_t place, Now now) {
    const Passage* const passage = lines_[place] ? lines_[place]->passage.get() : nullptr;
    while (passage != nullptr) {
        const auto at = std::ranges::find_if(
            lines_, [passage](const auto& line) { return line && line->passage.get() == passage; });
        if (at == lines_.end()) {
            return;
        }
        place = static_cast<std::size_t>(at - lines_.begin());
        const std::optional<Passage::Event> event =
            lines_[place]->passage->next_event(now.monotonic);
        if (!event) {
            take_orders(place, now);
            return;
        }
        happened(place, *event, now);
    }
}

/// Who asks for pongs and takes none would fill the memory.
void Client::leave_deaf_hub(std::size_t place, Now now) {
    constexpr std::size_t kMostAnswersBytes = 256u << 10;
    if (lines_[place] && lines_[place]->unsent_answers_bytes > kMostAnswersBytes) {
        lines_[place]->passage->abort();
        happened(place,
                 {.kind = Passage::Event::Kind::ended,
                  .error = {ErrorCode::too_large, "the hub asks, and does not take the answers"},
                  .end = {EndKind::ours, 0},
                  .trouble = Trouble::hub},
                 now);
    }
}

void Client::happened(std::size_t place, const Passage::Event& event, Now now) {
    Line& line = *lines_[place];
    if (event.kind == Passage::Event::Kind::up) {
        line.up_at = now.monotonic;
    }
    line.passes = line.passes || event.kind == Passage::Event::Kind::passes;
    if (event.kind == Passage::Event::Kind::ended) {
        take_orders(place, now);
    }
    if (place == kMain) {
        main_happened(event, now);
    } else if (place == kNext) {
        next_happened(event, now);
    } else {
        side_happened(place - kFirstSide, event, now);
    }
}

}  // namespace holdfast::uplink
