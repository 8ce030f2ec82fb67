#include "firmware/uplink/websocket_passage.h"

#include <algorithm>
#include <array>
#include <utility>

#include "firmware/base/text.h"
#include "firmware/line/messages.h"

namespace holdfast::uplink {
namespace {

constexpr const char* kProtocol = "holdfast.v1";

/// What came in place of 101, for the person who looks for the cause.
Error refusal(const http::Response& response, Error error) {
    const int status = response.status;
    const bool has_words = error.message.find(": ") != std::string::npos;
    if (status >= 400 && has_words) {
        return std::move(error).context("the answer to the WebSocket handshake");
    }
    if (status >= 300 && status < 400) {
        const std::string site = http::site_of(response.header("Location"));
        error.message += site.empty() ? "" : ", to " + site;
        error.message += ": a captive portal or a proxy answers in place of the hub";
    } else if (status == 200) {
        error.message += ": a captive portal, or a proxy that does not forward Upgrade, answers";
    } else if (status == 400 || status == 426) {
        error.message += ": a proxy on the way may not forward Upgrade";
    } else if (status == 502 || status == 503 || status == 504) {
        error.message += ": a proxy on the way does not reach the hub";
    }
    return std::move(error).context("the answer to the WebSocket handshake");
}

/// For messages. What was waited for depends on how long the connecting took; the same failure is
/// to be told by the same words each time, and so is logged once.
std::string in_words(Duration patience) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(patience);
    return format_duration(seconds == Duration{} ? patience : seconds);
}

/// Our hub says how it wants to be spoken to; a portal or a proxy does not say Bearer.
bool is_hub_itself(const http::Response& response) {
    return response.status == 401 && response.header("WWW-Authenticate").starts_with("Bearer");
}

}  // namespace

WebSocketPassage::WebSocketPassage(PassageOptions options, ports::Entropy& entropy,
                                   websocket::DeflateContexts& contexts, Instant now)
    : options_(std::move(options)),
      entropy_(entropy),
      contexts_(contexts),
      began_at_(now),
      patience_(options_.patience),
      // The beginning of a refusal's body is for the log.
      head_(http::Limits{.body_size_bytes = 512}) {
    orders_.push_back({Order::Kind::open});
}

// ---- The stream

std::optional<Passage::Order> WebSocketPassage::next_order(Instant) {
    if (orders_.empty() && !out_.empty()) {
        return Order{Order::Kind::send, Lane::receive, std::exchange(out_, {})};
    }
    if (orders_.empty()) {
        return std::nullopt;
    }
    Order order = std::move(orders_.front());
    orders_.pop_front();
    return order;
}

void WebSocketPassage::opened(Lane, const std::string& authorization, Instant now) {
    if (over()) {
        return;
    }
    connected_ = true;
    patience_ += 3 * (now - began_at_);
    sign_due_ = now + patience_;
    websocket::ClientOffer offer;
    offer.host = options_.hub.authority();
    offer.target = options_.hub.target == "/" ? "/v1/uplink" : options_.hub.target;
    offer.protocols = {kProtocol};
    offer.deflate = options_.deflate;
    offer.headers.emplace_back("User-Agent", options_.user_agent);
    if (!authorization.empty()) {
        offer.headers.emplace_back("Authorization", authorization);
    }
    const std::string hello = to_base64(hello_);
    if (!hello.empty() && hello.size() <= line::kLongestHelloHeader) {
        offer.headers.emplace_back(line::kHelloHeader, hello);
    }
    handshake_.emplace(std::move(offer), entropy_);
    append(out_, as_bytes(handshake_->request()));
}

void WebSocketPassage::received(Lane, std::span<std::byte> bytes, Instant now) {
    if (over()) {
        return;
    }
    unread_ = bytes;
    if (!socket_) {
        read_head(now);
    }
}

void WebSocketPassage::ended(Lane, const Error& error, Instant now) {
    if (over()) {
        return;
    }
    if (!connected_) {
        fail(error, Trouble::route, end_of_stream(error.code), true);
    } else if (const auto refused = unfinished_refusal()) {
        upgraded(*refused, now);
    } else if (!socket_) {
        fail(Error(error).context("in place of an answer to the WebSocket handshake"),
             Trouble::passage, end_of_stream(error.code), true);
    } else if (!passes_) {
        fail(Error(error).context("the WebSocket was up, but ended before anything passed"),
             Trouble::passage, end_of_stream(error.code), true);
    } else {
        fail(error, Trouble::passage, end_of_stream(error.code), true);
    }
}

// ---- The handshake

void WebSocketPassage::read_head(Instant now) {
    ByteView unread = unread_;
    const Result<std::optional<http::Response>> response = head_.next(unread);
    unread_ = unread_.last(unread.size());
    if (!response) {
        fail(Error(response.error()).context("the answer to the WebSocket handshake"),
             Trouble::passage, {EndKind::ours, 0}, true);
    } else if (*response) {
        upgraded(**response, now);
    }
}

/// The body of a refusal may never end; its head says enough.
std::optional<http::Response> WebSocketPassage::unfinished_refusal() const {
    return socket_ ? std::nullopt : head_.so_far();
}

void WebSocketPassage::upgraded(const http::Response& response, Instant now) {
    const Result<websocket::ClientHandshake::Agreed> agreed = handshake_->check(response);
    if (!agreed && response.status != 101) {
        fail(refusal(response, agreed.error()),
             is_hub_itself(response) ? Trouble::hub : Trouble::passage, {EndKind::ours, 0}, false);
        return;
    }
    if (!agreed || agreed->protocol != kProtocol) {
        fail(agreed ? Error{ErrorCode::unsupported, "the server does not speak holdfast.v1"}
                    : agreed.error(),
             Trouble::passage, {EndKind::ours, 0}, false);
        return;
    }
    handshake_.reset();
    head_ = http::ResponseReader();
    websocket::Limits limits;
    limits.message_size_bytes = options_.message_size_bytes;
    std::unique_ptr<websocket::Deflate> deflate;
    if (agreed->deflate) {
        deflate = std::make_unique<websocket::Deflate>(contexts_, *agreed->deflate);
    }
    socket_.emplace(websocket::Role::client, limits, &entropy_, std::move(deflate));
    events_.push_back({Event::Kind::up});
    sign_due_ = now + patience_;
    ping(options_.silence);
    if (!hello_.empty() && response.header(line::kHelloHeader) != line::kHelloTaken) {
        socket_->send_binary(hello_, out_);
    }
    hello_ = {};
}

// ---- Frames

std::optional<Passage::Event> WebSocketPassage::next_event(Instant now) {
    if (silent_) {
        return std::nullopt;
    }
    if (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        return event;
    }
    if (!end_ && socket_ && !unread_.empty()) {
        if (const std::optional<Event> event = next_frame(now)) {
            return event;
        }
    }
    if (end_) {
        silent_ = true;
        return *std::move(end_);
    }
    return std::nullopt;
}

std::optional<Passage::Event> WebSocketPassage::next_frame(Instant now) {
    using Kind = websocket::Event::Kind;
    while (const std::optional<websocket::Event> event = socket_->next(unread_, out_)) {
        std::optional<Event> told;
        if (!socket_->in_message()) {
            message_due_ = kNever;
        }
        if (event->kind == Kind::binary) {
            told = Event{Event::Kind::message, event->payload};
        } else if (event->kind == Kind::pong) {
            told = Event{Event::Kind::pong};
        } else if (event->kind == Kind::text) {
            socket_->close(websocket::CloseCode::unsupported_data, "a line carries binary messages",
                           out_);
            fail({ErrorCode::invalid, "the hub sent text on a line of binary messages"},
                 whose_fault(), {EndKind::ours, 0}, false);
            return std::nullopt;
        } else if (event->kind == Kind::close || event->kind == Kind::error) {
            const bool said = event->kind == Kind::close;
            const std::string who =
                said ? "the hub closed the line: " : "the hub broke the WebSocket protocol: ";
            fail({ErrorCode::closed,
                  who + std::to_string(event->code) + " " + std::string(event->reason)},
                 said ? Trouble::hub : whose_fault(),
                 said ? LineEnd{EndKind::closed, event->code} : LineEnd{EndKind::ours, 0}, false);
            return std::nullopt;
        }
        // Welcome may have come in one piece with 101; only what answers a frame of ours tells.
        if (told && told->kind == Event::Kind::pong && !std::exchange(passes_, true)) {
            sign_due_ = kNever;
            return Event{Event::Kind::passes};
        }
        if (told) {
            return told;
        }
    }
    // A hub that never ends what it has begun is heard all the time, and yet says nothing.
    message_due_ =
        socket_->in_message() ? std::min(message_due_, now + options_.message_timeout) : kNever;
    return std::nullopt;
}

void WebSocketPassage::send(ByteView head, ByteView body, websocket::Compression compression) {
    if (socket_ && !over()) {
        socket_->send_binary(head, body, out_, compression);
    }
}

void WebSocketPassage::ping(std::optional<Duration> silence) {
    if (!socket_ || over()) {
        return;
    }
    if (!silence) {
        socket_->send_ping({}, out_);
        return;
    }
    const std::int64_t ms = std::clamp<std::int64_t>(
        std::chrono::ceil<std::chrono::milliseconds>(*silence).count(), 0, UINT32_MAX);
    std::array<std::byte, 4> announced;
    for (std::size_t i = 0; i < announced.size(); ++i) {
        announced[i] = static_cast<std::byte>(ms >> (24 - 8 * i));
    }
    socket_->send_ping(announced, out_);
}

void WebSocketPassage::speak() {
    if (socket_ && !over()) {
        socket_->send_pong({}, out_);
    }
}

// ---- The end

/// What was said before is still sent, unless `at_once`: then nobody would hear it.
void WebSocketPassage::fail(const Error& error, Trouble trouble, LineEnd end, bool at_once) {
    end_ = Event{Event::Kind::ended, {}, error, end, trouble};
    sign_due_ = message_due_ = kNever;
    if (at_once) {
        out_.clear();
        orders_.clear();
    } else if (!out_.empty()) {
        orders_.push_back({Order::Kind::send, Lane::receive, std::exchange(out_, {})});
    }
    orders_.push_back({at_once ? Order::Kind::abort : Order::Kind::shut});
}

void WebSocketPassage::close(websocket::CloseCode code, std::string_view reason) {
    if (over()) {
        return;
    }
    if (socket_) {
        socket_->close(code, reason, out_);
    }
    fail({ErrorCode::closed, ""}, Trouble::hub, {EndKind::ours, 0}, !socket_);
    silent_ = true;
}

void WebSocketPassage::abort() {
    if (!over()) {
        fail({ErrorCode::closed, ""}, Trouble::hub, {EndKind::ours, 0}, true);
        silent_ = true;
    }
}

// ---- Time

Instant WebSocketPassage::deadline() const {
    return std::min(sign_due_, message_due_);
}

void WebSocketPassage::tick(Instant now) {
    if (const auto refused = unfinished_refusal(); refused && sign_due_ <= now) {
        upgraded(*refused, now);
    } else if (sign_due_ <= now) {
        const std::string within = " within " + in_words(patience_);
        fail({ErrorCode::timeout, socket_
                                      ? "the WebSocket is up, but nothing passes: no pong" + within
                                      : "no answer to the WebSocket handshake" + within},
             Trouble::passage, {EndKind::unanswered, 0}, true);
    } else if (message_due_ <= now) {
        fail({ErrorCode::timeout, "the hub did not finish a message in time"}, Trouble::hub,
             {EndKind::ours, 0}, false);
    }
}

void WebSocketPassage::give_up(Instant now) {
    if (sign_due_ != kNever) {
        patience_ -= sign_due_ - now;
        sign_due_ = now;
        tick(now);
    }
}

}  // namespace holdfast::uplink
