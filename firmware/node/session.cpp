// A session as a WebSocket, and what holds at all times: back-pressure and the end.
#include "firmware/node/session.h"

#include <algorithm>
#include <utility>

#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "firmware/node/session_http.h"
#include "firmware/node/sockjs_service.h"

namespace holdfast::node {

namespace {

/// What may wait for a live reader before it counts as too slow.
constexpr std::size_t kLiveBacklogBytes = 1u << 20;
constexpr std::uint32_t kMostSilenceSeconds = 3600;

}  // namespace

Session::Session(Server& server, std::unique_ptr<ports::Stream> stream)
    : server_(server), stream_(std::move(stream)), http_(std::make_unique<Http>()) {}

Session::~Session() = default;

void Session::start() {
    stream_->start(*this);
    schedule(server_.config().handshake_timeout);
}

void Session::schedule(Duration after) {
    server_.node().ports().loop.schedule(*this, after);
}

void Session::on_bytes(std::span<std::byte> bytes) {
    if (!socket_) {
        receive_http(bytes);
    }
    if (socket_ && !ending_) {
        receive_socket(bytes);
    }
    server_.node().poke();
}

// ---- Back-pressure

/// A peer that does not take its answers is not read from.
void Session::transmit(ByteView bytes) {
    taken(stream_->send(bytes));
}

/// What the stream answered to what it was given.
void Session::taken(bool more) {
    if (!more) {
        congested_ = true;
        if (http_ && http_->exchange != 0) {
            server_.sockjs().hold(http_->exchange);
        }
        regulate();
    }
}

void Session::on_writable() {
    congested_ = false;
    heard_at_ = server_.node().now().monotonic;  // a peer that takes its answers is alive
    if (http_ && http_->exchange != 0) {
        server_.sockjs().go_on(http_->exchange);
    }
    answer_unread();
    if (endpoint_ && !ending_) {
        endpoint_->answer();
    }
    server_.node().poke();
}

/// Receives, or not. A connection that ends always receives, for its end is to be noticed.
void Session::regulate() {
    const bool flooded = http_ && http_->flooded();
    const bool pause = !ending_ && (held_back_ || congested_ || flooded);
    if (pause != std::exchange(paused_, pause)) {
        pause ? stream_->pause() : stream_->resume();
    }
}

void Session::hold_back() {
    const bool gives = endpoint_ ? endpoint_->gives_readings() : http_ && http_->socket;
    if (gives && !ending_) {
        held_back_ = true;
        regulate();
    }
}

void Session::go_on() {
    held_back_ = false;
    regulate();
}

// ---- WebSocket

void Session::receive_socket(std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    const Now now = server_.node().now();
    heard_at_ = now.monotonic;
    pinged_ = false;
    bool heard = !socket_->in_message();
    Bytes out;
    while (!ending_) {
        const std::optional<websocket::Event> event = socket_->next(bytes, out);
        if (!event) {
            break;
        }
        if (event->kind == Kind::text || event->kind == Kind::binary) {
            heard = true;
            if (!out.empty()) {
                transmit(std::exchange(out, {}));  // nothing may follow a close frame
            }
            const bool is_text = event->kind == Kind::text;
            if (!endpoint_->take(is_text ? websocket::Opcode::text : websocket::Opcode::binary,
                                 event->payload, now)) {
                return;
            }
        } else if (event->kind == Kind::ping) {
            announced(event->payload);
        } else if (event->kind == Kind::close || event->kind == Kind::error) {
            if (event->kind == Kind::error) {
                server_.log_turned_away(stream_->peer() + " broke the WebSocket protocol: " +
                                        std::string(event->reason));
            }
            stream_->send(out);
            end(kFarewell);
            return;
        }
    }
    if (ending_) {
        return;
    }
    answer_signs(heard, out, now);
    endpoint_->answer();
    if (endpoint_->gives_readings() && server_.node().journal().room() == 0) {
        server_.hold_back();
        hold_back();  // this session may have come after the others were held back
    }
}

/// Sends the pongs in `out`, and a sign of life while a message is still arriving. `heard`: a
/// message ended in this event, or none was under way.
void Session::answer_signs(bool heard, Bytes& out, Now now) {
    if (heard && socket_->in_message()) {
        message_began_ = now.monotonic;
        schedule(std::min(server_.config().message_timeout, server_.config().idle_timeout / 2));
    }
    if (heard || !out.empty()) {
        spoke_at_ = now.monotonic;
    } else if (socket_->in_message() && now.monotonic - spoke_at_ >= kSign) {
        spoke_at_ = now.monotonic;
        socket_->send_pong({}, out);
    }
    if (!out.empty()) {
        transmit(out);
    }
}

void Session::send(websocket::Opcode opcode, ByteView message) {
    if (!socket_ || ending_) {
        return;
    }
    Bytes& out = stream_->cork();
    if (opcode == websocket::Opcode::text) {
        socket_->send_text(as_text(message), out);
    } else {
        socket_->send_binary(message, out);
    }
    taken(stream_->send_corked());
}

void Session::send_shared(const SharedBytes& frame) {
    if (!socket_ || ending_ || socket_->close_sent()) {
        return;
    }
    if (stream_->unsent_bytes() > kLiveBacklogBytes) {
        close(websocket::CloseCode::try_again_later,
              "too slow: what waits for this reader exceeds 1 MiB");
        return;
    }
    stream_->send(frame);
}

/// A ping of four bytes on a line: for how many milliseconds the line may be silent from now on.
void Session::announced(ByteView payload) {
    if (payload.size() != 4 || dynamic_cast<LineEndpoint*>(endpoint_.get()) == nullptr) {
        return;
    }
    std::uint32_t milliseconds = 0;
    for (const std::byte byte : payload) {
        milliseconds = milliseconds << 8 | std::to_integer<std::uint32_t>(byte);
    }
    const std::uint32_t seconds = milliseconds / 1000 + (milliseconds % 1000 != 0 ? 1 : 0);
    const auto silence = static_cast<std::uint16_t>(std::min(seconds, kMostSilenceSeconds));
    if (silence != std::exchange(silence_s_, silence)) {
        schedule(quiet_time());
    }
}

/// Silence after which the peer is asked whether it is alive. An announced silence is added to what
/// is usual, so that the peer's beats may be late.
Duration Session::quiet_time() const {
    return std::chrono::seconds(silence_s_) + server_.config().idle_timeout / 2;
}

/// After the upgrade: looks whether the peer is alive, and finishes the message it has begun.
void Session::expired() {
    if (!socket_) {
        http_expired();
        return;
    }
    const Config::Listen& config = server_.config();
    const Instant now = server_.node().now().monotonic;
    if (paused_) {
        heard_at_ = message_began_ = now;  // the peer may have sent; nothing is read
    }
    if (socket_->in_message() && now - message_began_ >= config.message_timeout) {
        server_.log_turned_away(stream_->peer() + " did not finish a message in time");
        close(websocket::CloseCode::policy_violation, "the message was not finished in time");
        return;
    }
    const Duration quiet = quiet_time();
    const Duration dead = quiet + config.idle_timeout / 2;
    if (now - heard_at_ >= dead) {
        server_.log_turned_away(stream_->peer() + " has been silent for too long");
        stream_->abort();
        on_closed({ErrorCode::timeout, ""});
        return;
    }
    if (now - heard_at_ >= quiet && !std::exchange(pinged_, true)) {
        socket_->release_compressor();
        Bytes out;
        socket_->send_ping({}, out);
        stream_->send(out);
    }
    Instant due = heard_at_ + (pinged_ ? dead : quiet);
    if (socket_->in_message()) {
        due = std::min(due, message_began_ + config.message_timeout);
    }
    schedule(due - now);
}

// ---- The end

void Session::goodbye(const std::string& reason, Duration retry_after) {
    if (endpoint_) {
        endpoint_->goodbye(reason, retry_after);
    } else {
        close(websocket::CloseCode::going_away, reason);
    }
}

void Session::close(websocket::CloseCode code, const std::string& reason) {
    if (ending_) {
        return;
    }
    if (socket_) {
        Bytes out;
        socket_->close(code, reason, out);
        stream_->send(out);
    }
    end(kFarewell);
}

/// Sends what waits, then closes. What the peer still says is dropped.
void Session::end(Duration linger) {
    if (!std::exchange(ending_, true)) {
        regulate();
        cancel();
        stream_->shutdown(linger);
    }
}

void Session::on_closed(const Error& /*error*/) {
    ending_ = true;
    cancel();
    leave_sockjs();
    if (endpoint_) {
        endpoint_->ended();
    }
    server_.ended(*this);
    server_.node().poke();
}

}  // namespace holdfast::node
