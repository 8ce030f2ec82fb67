#include "firmware/uplink/sockjs_passage.h"

#include <utility>

#include "firmware/line/messages.h"
#include "firmware/sockjs/frames.h"

namespace holdfast::uplink {
namespace {

/// The hub hears nothing of a request before it has all of it. On a line of 2 KB/s this much still
/// arrives before the heartbeat takes the line for dead.
constexpr std::size_t kRequestBytes = 16u << 10;

sockjs::Client::Lane to_sockjs(Lane which) {
    return which == Lane::receive ? sockjs::Client::Lane::receive : sockjs::Client::Lane::send;
}

Lane from_sockjs(sockjs::Client::Lane which) {
    return which == sockjs::Client::Lane::receive ? Lane::receive : Lane::send;
}

LineEnd end_of(const sockjs::Client::Event& event) {
    return event.close_code != 0 ? LineEnd{EndKind::closed, event.close_code}
                                 : end_of_stream(event.error);
}

}  // namespace

SockJsPassage::SockJsPassage(PassageOptions options, ports::Entropy& entropy, Instant now)
    : options_(std::move(options)), entropy_(entropy), began_at_(now) {
    // Both at once: what is sent first need not wait for a second connection.
    ask_for(Lane::receive);
    ask_for(Lane::send);
}

// ---- Streams

void SockJsPassage::ask_for(Lane which) {
    lane(which).asked = true;
    lane(which).is_open = lane(which).used = false;
    orders_.push_back({Order::Kind::open, which});
}

std::optional<Passage::Order> SockJsPassage::next_order(Instant now) {
    while (client_ && !over_) {
        const std::optional<sockjs::Client::Request> request = client_->next_request(now);
        if (!request) {
            break;
        }
        serve(*request);
    }
    if (orders_.empty()) {
        return std::nullopt;
    }
    Order order = std::move(orders_.front());
    orders_.pop_front();
    return order;
}

void SockJsPassage::serve(const sockjs::Client::Request& request) {
    const Lane which = from_sockjs(request.lane);
    const ByteView bytes = as_bytes(request.bytes);
    // A stream that carried nothing yet is as fresh as a new one. One that has may be open still,
    // though the hub ends it, or may have said what nobody asked for.
    if (lane(which).is_open && !(request.fresh && lane(which).used)) {
        lane(which).used = true;
        orders_.push_back({Order::Kind::send, which, Bytes(bytes.begin(), bytes.end())});
        return;
    }
    lane(which).waiting.assign(bytes.begin(), bytes.end());
    if (!lane(which).asked) {
        ask_for(which);
    }
}

void SockJsPassage::opened(Lane which, const std::string& authorization, Instant now) {
    if (over_) {
        return;
    }
    LaneState& state = lane(which);
    state.asked = false;
    state.is_open = true;
    if (!state.waiting.empty()) {
        state.used = true;
        orders_.push_back({Order::Kind::send, which, std::exchange(state.waiting, {})});
    }
    // The session begins on the receiving lane, and Hello is known when that is there.
    if (client_ || which != Lane::receive) {
        return;
    }
    sockjs::ClientOptions options;
    options.authority = options_.hub.authority();
    options.prefix = "/sockjs";
    options.streaming = options_.path.transport == Transport::xhr_streaming;
    options.open_timeout = options_.patience + 3 * (now - began_at_);
    options.headers.emplace_back("User-Agent", options_.user_agent);
    if (!authorization.empty()) {
        options.headers.emplace_back("Authorization", authorization);
    }
    const std::string hello = sockjs::envelope_text(std::exchange(hello_, {}));
    const bool goes_ahead = hello.size() <= line::kLongestHelloHeader;
    if (goes_ahead) {
        options.greeting = hello;
        options.greeting_header = {line::kHelloHeader, line::kHelloTaken};
    }
    sockjs::ClientLimits limits;
    limits.request_bytes = kRequestBytes;
    client_.emplace(std::move(options), limits, entropy_, now);
    if (!goes_ahead) {
        static_cast<void>(client_->send(hello));
    }
}

void SockJsPassage::received(Lane which, std::span<std::byte> bytes, Instant now) {
    if (client_ && !over_) {
        client_->receive(to_sockjs(which), bytes, now);
    }
}

void SockJsPassage::ended(Lane which, const Error& error, Instant now) {
    if (over_) {
        return;
    }
    const bool asked = std::exchange(lane(which).asked, false);
    lane(which).is_open = false;
    lane(which).waiting.clear();
    if (client_) {
        client_->disconnected(to_sockjs(which), now, error);
    } else if (asked && which == Lane::receive) {
        no_route_ = error;
    }
}

// ---- What happened

std::optional<Passage::Event> SockJsPassage::next_event(Instant) {
    if (over_) {
        return std::nullopt;
    }
    if (no_route_) {
        over_ = true;
        end_streams(Order::Kind::abort);
        return Event{Event::Kind::ended, {}, *no_route_, {EndKind::finished, 0}, Trouble::route};
    }
    if (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        return event;
    }
    while (client_) {
        const std::optional<sockjs::Client::Event> event = client_->next_event();
        if (!event) {
            break;
        }
        if (std::optional<Event> told = translate(*event)) {
            return told;
        }
    }
    return std::nullopt;
}

std::optional<Passage::Event> SockJsPassage::translate(const sockjs::Client::Event& event) {
    using Kind = sockjs::Client::Event::Kind;
    if (event.kind == Kind::opened) {
        events_.push_back({Event::Kind::passes});
        return Event{Event::Kind::up};
    }
    if (event.kind == Kind::message) {
        Result<Bytes> envelope = sockjs::envelope_bytes(event.text);
        if (envelope) {
            proven_ = true;
            payload_ = *std::move(envelope);
            return Event{Event::Kind::message, payload_};
        }
        over_ = true;
        end_streams(Order::Kind::abort);
        return Event{Event::Kind::ended,
                     {},
                     std::move(envelope).error().context(
                         "what came as a message in " +
                         client_->answer_to(sockjs::Client::Lane::receive) + " is no Envelope"),
                     {EndKind::ours, 0},
                     proven_ ? Trouble::hub : Trouble::passage};
    }
    over_ = true;
    end_streams(Order::Kind::abort);
    const bool by_hub = event.close_code != 0 || event.wants_bearer;
    return Event{Event::Kind::ended,
                 {},
                 {event.close_code != 0 ? ErrorCode::closed : event.error, event.text},
                 end_of(event),
                 by_hub ? Trouble::hub : Trouble::passage};
}

// ---- What to do

void SockJsPassage::send(ByteView head, ByteView body, websocket::Compression) {
    if (over_ || !client_) {
        return;
    }
    Bytes envelope(head.begin(), head.end());
    append(envelope, body);
    // It refuses what is beyond its limit; the window of the line is far below.
    static_cast<void>(client_->send(sockjs::envelope_text(envelope)));
}

void SockJsPassage::ping(std::optional<Duration>) {
    send({}, {}, websocket::Compression::off);
}

void SockJsPassage::close(websocket::CloseCode, std::string_view) {
    if (!std::exchange(over_, true)) {
        end_streams(Order::Kind::shut);
    }
}

void SockJsPassage::abort() {
    if (!std::exchange(over_, true)) {
        end_streams(Order::Kind::abort);
    }
}

void SockJsPassage::end_streams(Order::Kind kind) {
    if (client_) {
        client_->close();
    }
    for (const Lane which : {Lane::receive, Lane::send}) {
        if (lane(which).is_open || lane(which).asked) {
            orders_.push_back({lane(which).is_open ? kind : Order::Kind::abort, which});
        }
        lane(which) = {};
    }
}

Instant SockJsPassage::deadline() const {
    return client_ && !over_ ? client_->deadline() : kNever;
}

void SockJsPassage::tick(Instant now) {
    if (client_ && !over_) {
        client_->tick(now);
    }
}

void SockJsPassage::give_up(Instant) {
    if (client_ && !client_->is_open() && !over_) {
        client_->tick(kNever);
    }
}

}  // namespace holdfast::uplink
