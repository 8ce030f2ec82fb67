#include "firmware/app/session.h"

#include <algorithm>
#include <utility>

#include "firmware/app/node.h"
#include "firmware/app/server.h"
#include "firmware/app/session_http.h"
#include "firmware/app/sockjs_service.h"
#include "firmware/base/text.h"
#include "firmware/line/messages.h"
#include "firmware/websocket/handshake.h"
#include "platform/system/log.h"

namespace holdfast::app {

namespace {

/// What may wait for a live reader before it counts as too slow.
constexpr std::size_t kLiveBacklogBytes = 1u << 20;
constexpr std::uint32_t kMostSilenceSeconds = 3600;

std::string bearer_token(const http::Request& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view value = request.header("Authorization");
    const bool bearer = value.size() > kScheme.size() && value.starts_with(kScheme);
    return bearer ? std::string(value.substr(kScheme.size())) : "";
}

}  // namespace

Session::Session(Server& server, std::unique_ptr<ports::Stream> stream)
    : server_(server), stream_(std::move(stream)), http_(std::make_unique<Http>()) {}

Session::~Session() = default;

void Session::start() {
    stream_->start(*this);
    schedule(server_.config().handshake_timeout);
}

void Session::schedule(Duration after) {
    net::NetworkThread::of(server_.node().io()).schedule(*this, after);
}

// ---- Receiving

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

/// A peer that asks and does not listen is not heard until it has taken its answers.
void Session::transmit(ByteView bytes) {
    taken(stream_->send(bytes));
}

/// What the stream said to what it was given.
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
    heard_at_ = system::monotonic_now();  // whoever takes its answers lives
    if (http_ && http_->exchange != 0) {
        server_.sockjs().go_on(http_->exchange);
    }
    answer_unread();
    send_due();
    server_.node().poke();
}

/// Receives, or not: a connection that ends always does, for its end is to be heard.
void Session::regulate() {
    const bool flooded = http_ && http_->flooded();
    const bool pause = !ending_ && (held_back_ || congested_ || flooded);
    if (pause != std::exchange(paused_, pause)) {
        pause ? stream_->pause() : stream_->resume();
    }
}

// ---- WebSocket

void Session::upgrade(const http::Request& request, const http::Target& target) {
    const bool is_line = target.path == "/v1/uplink";
    websocket::ServerPolicy policy;
    policy.allowed_origins = server_.config().allowed_origins;
    policy.deflate = server_.config().deflate;
    if (is_line) {
        policy.protocols = {"holdfast.v1"};
        policy.protocol_required = true;
    }
    websocket::ServerAnswer answered = websocket::answer(request, policy);
    if (!answered.accepted) {
        server_.log_turned_away(stream_->peer() + " asked for " + target.path + ": " +
                                std::to_string(answered.response.status) + " " +
                                answered.response.body);
        answered.response.keep_alive = false;
        respond(answered.response, false);
        return;
    }
    std::unique_ptr<Endpoint> endpoint = admit(request, target);
    if (!endpoint) {
        return;
    }
    // A Hello that came with the request saves its sender a round trip.
    const Result<Bytes> hello =
        is_line ? from_base64(request.header(line::kHelloHeader)) : Result<Bytes>(Bytes());
    const bool greets = hello && !hello->empty();
    if (greets) {
        answered.response.headers.emplace_back(line::kHelloHeader, line::kHelloTaken);
    }
    stream_->send(as_bytes(to_wire(answered.response)));
    leave_sockjs();
    http_.reset();
    endpoint_ = std::move(endpoint);
    if (endpoint_->listens_to()) {
        server_.listens(*this);
    }
    if (is_line) {
        server_.opened(*this);
    }
    websocket::Limits limits;
    limits.message_size_bytes = is_line ? kLineMessageBytes : server_.config().max_message_bytes;
    std::unique_ptr<websocket::Deflate> deflate;
    if (answered.deflate) {
        deflate =
            std::make_unique<websocket::Deflate>(server_.deflate_contexts(), *answered.deflate);
    }
    socket_.emplace(websocket::Role::server, limits, nullptr, std::move(deflate));
    heard_at_ = system::monotonic_now();
    schedule(server_.config().idle_timeout / 2);
    if (greets) {
        if (const auto refused = received(websocket::Opcode::binary, *hello, system::now())) {
            turn_away(*refused);
            return;
        }
    }
    answer_due();
}

Result<line::Admission> Session::admission(const http::Request& request) const {
    line::Admission admission;
    admission.address = stream_->peer();
    admission.device = stream_->peer_certificate_name();
    if (!admission.device.empty()) {
        return admission;
    }
    const std::string presented = bearer_token(request);
    if (presented.empty()) {
        return fail(ErrorCode::unauthorized, "no device token was presented");
    }
    const hub::Token* const token = server_.tokens().find(presented);
    if (token == nullptr) {
        return fail(ErrorCode::unauthorized,
                    "the device token is not known here: wrong or revoked");
    }
    admission.device = token->device;
    admission.relay = token->relay;
    return admission;
}

/// Who may come in, and as what; null after a refusal was sent.
std::unique_ptr<Endpoint> Session::admit(const http::Request& request, const http::Target& target) {
    Node& node = server_.node();
    if (target.path == "/v1/push") {
        return make_push(node, target.parameter("source").value_or(""));
    }
    if (target.path == "/v1/live") {
        return make_live(node, target.parameter("device").value_or(""));
    }
    if (target.path != "/v1/uplink") {
        refuse(404, "there is no WebSocket at " + target.path);
        return nullptr;
    }
    Result<line::Admission> admission = this->admission(request);
    if (!admission) {
        server_.log_turned_away(stream_->peer() + ": " + admission.error().message);
        refuse(401, admission.error().message);
        return nullptr;
    }
    return make_line(node, *std::move(admission));
}

void Session::receive_socket(std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    const Now now = system::now();
    heard_at_ = now.monotonic;
    pinged_ = false;
    bool begins = !socket_->in_message();
    Bytes out;
    std::optional<Endpoint::Close> refused;
    while (!refused && !ending_) {
        const std::optional<websocket::Event> event = socket_->next(bytes, out);
        if (!event) {
            break;
        }
        if (event->kind == Kind::text || event->kind == Kind::binary) {
            begins = true;
            refused = received(
                event->kind == Kind::text ? websocket::Opcode::text : websocket::Opcode::binary,
                event->payload, now);
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
    if (begins && socket_->in_message()) {
        message_began_ = now.monotonic;
        schedule(std::min(server_.config().message_timeout, server_.config().idle_timeout / 2));
    }
    if (begins || !out.empty()) {
        spoke_at_ = now.monotonic;
    } else if (socket_->in_message() && now.monotonic - spoke_at_ >= kSign) {
        spoke_at_ = now.monotonic;
        socket_->send_pong({}, out);
    }
    if (!out.empty()) {
        transmit(out);
    }
    if (refused) {
        turn_away(*refused);
        return;
    }
    answer_due();
    if (endpoint_->gives_readings() && server_.node().journal().room() == 0) {
        server_.hold_back();
        hold_back();  // it may have come after the others were held back
    }
}

void Session::turn_away(const Endpoint::Close& refused) {
    server_.log_turned_away(stream_->peer() + ": " + refused.reason);
    close(refused.code, refused.reason);
}

std::optional<Endpoint::Close> Session::received(websocket::Opcode opcode, ByteView message,
                                                 Now now) {
    const line::HubEnd* const line = endpoint_->line();
    const bool greeted = line != nullptr && line->greeted();
    std::optional<Endpoint::Close> refused = endpoint_->received(opcode, message, now);
    if (!refused && line != nullptr && line->greeted() && !greeted) {
        server_.greeted(*this);
    }
    return refused;
}

/// Says what the journal's state allows to say, and asks for the next commit if something waits for
/// it.
void Session::answer_due() {
    endpoint_->durable();
    send_due();
    if (!ending_ && endpoint_->waits()) {
        server_.waits(*this);
    }
}

void Session::send_due() {
    if (!socket_ || ending_) {
        return;
    }
    Bytes& out = stream_->cork();
    while (const std::optional<Endpoint::Message> message = endpoint_->next_message()) {
        if (message->opcode == websocket::Opcode::text) {
            socket_->send_text(as_text(message->payload), out);
        } else {
            socket_->send_binary(message->payload, out);
        }
    }
    taken(stream_->send_corked());
    if (endpoint_->line() != nullptr && endpoint_->line()->said_goodbye()) {
        close(websocket::CloseCode::try_again_later, "");
    }
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

void Session::journal_moved() {
    if (endpoint_ && !ending_) {
        answer_due();
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

// ---- The end

void Session::goodbye(const std::string& reason, Duration retry_after, bool superseded) {
    if (endpoint_ && endpoint_->line() != nullptr) {
        if (superseded) {
            endpoint_->line()->superseded();
        }
        endpoint_->line()->goodbye(reason, retry_after);
        send_due();
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

/// Sends what waits, then closes; whatever the peer still says is not heard.
void Session::end(Duration linger) {
    if (!std::exchange(ending_, true)) {
        regulate();
        net::NetworkThread::cancel(*this);
        stream_->shutdown(linger);
    }
}

void Session::on_closed(const Error&) {
    ending_ = true;
    net::NetworkThread::cancel(*this);
    leave_sockjs();
    server_.ended(*this);
    server_.node().poke();
}

/// A ping of four bytes on a line: for how many milliseconds it may be silent from now on.
void Session::announced(ByteView payload) {
    if (payload.size() != 4 || endpoint_->line() == nullptr) {
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

/// Silence after which the peer is asked whether it lives. An announcement adds to what is usual:
/// its beats have room to be late.
Duration Session::quiet_time() const {
    return std::chrono::seconds(silence_s_) + server_.config().idle_timeout / 2;
}

/// After the upgrade: it is time to look whether the peer lives, and finishes what it has begun.
void Session::expired() {
    if (!socket_) {
        http_expired();
        return;
    }
    const Config::Listen& config = server_.config();
    const Instant now = system::monotonic_now();
    if (paused_) {
        heard_at_ = message_began_ = now;  // it may well have sent; we do not look
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

}  // namespace holdfast::app
