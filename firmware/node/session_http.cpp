// A session while it is HTTP: the interface for people, and what SockJS is carried by.
#include "firmware/node/session_http.h"

#include <utility>

#include "firmware/api/routes.h"
#include "firmware/base/text.h"
#include "firmware/line/messages.h"
#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "firmware/node/sockjs_service.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::node {

namespace {

std::string bearer_token(const http::Request& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view value = request.header("Authorization");
    const bool bearer = value.size() > kScheme.size() && value.starts_with(kScheme);
    return bearer ? std::string(value.substr(kScheme.size())) : "";
}

}  // namespace

void Session::receive_http(std::span<std::byte>& bytes) {
    if (http_->sign_due != kNever && http_->sign_due <= server_.node().now().monotonic) {
        http_->sign_due = server_.node().now().monotonic + kSign;
        server_.sockjs().arriving(http_->exchange);
    }
    while ((!bytes.empty() || http_->reader.head() != nullptr) && !ending_) {
        if (http_->socket && !congested_) {
            server_.sockjs().receive(http_->exchange, std::exchange(bytes, {}));
            return;
        }
        if (http_->answering || congested_) {
            append(http_->unread, bytes);
            bytes = {};
            regulate();
            return;
        }
        ByteView unread = bytes;
        const Result<std::optional<http::Request>> request = http_->reader.next(unread);
        bytes = bytes.last(unread.size());
        if (!request) {
            const bool large = request.error().code == ErrorCode::too_large;
            const bool head = request.error().message.find("head") != std::string::npos;
            refuse(large ? (head ? 431 : 413) : 400, request.error().message);
            return;
        }
        if (*request) {
            http_->expects_continue = false;
            handle(**request);
        } else if (const http::Request* const head = http_->reader.head()) {
            allow_body(*head);
            http_->expects_continue =
                head->version >= 11 && head->has_token("Expect", "100-continue");
        } else if (std::exchange(http_->expects_continue, false)) {
            transmit(as_bytes(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")));
        }
        if (socket_) {
            return;  // what is left is not HTTP
        }
    }
}

/// A device's messages may be larger than any other request.
void Session::allow_body(const http::Request& head) {
    SockjsService& sockjs = server_.sockjs();
    if (!sockjs.serves(head.target)) {
        return;
    }
    if (const std::optional<std::size_t> size = sockjs.allow_body(exchange(), head)) {
        http_->reader.allow_body(*size);
        http_->sign_due = server_.node().now().monotonic + kSign;
        schedule(server_.config().message_timeout);
    }
}

/// The number by which the SockJS service knows this connection.
sockjs::ExchangeId Session::exchange() {
    if (http_->exchange == 0) {
        http_->exchange = server_.sockjs().begin(*this);
    }
    return http_->exchange;
}

void Session::leave_sockjs() {
    if (http_ && http_->exchange != 0) {
        server_.sockjs().ended(std::exchange(http_->exchange, 0));
    }
}

void Session::handle(const http::Request& request) {
    http_->sign_due = kNever;
    const Result<http::Target> target = http::parse_target(request.target);
    if (!target) {
        refuse(400, target.error().message);
        return;
    }
    if (server_.sockjs().serves(request.target)) {
        http_->answering = true;
        server_.sockjs().request(exchange(), request);
        return;
    }
    if (websocket::wants_websocket(request)) {
        upgrade(request, *target);
        return;
    }
    const bool head_only = request.method == "HEAD";
    const bool keep_alive = request.keep_alive;
    http_->answering = true;
    api::answer(server_.node(), request, *target,
                [this, alive = std::weak_ptr(http_->alive), head_only,
                 keep_alive](http::Response response) {
                    if (!alive.expired()) {
                        response.keep_alive = keep_alive;
                        respond(response, head_only);
                        server_.node().poke();
                    }
                });
}

// ---- The upgrade to a WebSocket

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
    websocket::Limits limits;
    limits.message_size_bytes = is_line ? kLineMessageBytes : server_.config().max_message_bytes;
    std::unique_ptr<websocket::Deflate> deflate;
    if (answered.deflate) {
        deflate =
            std::make_unique<websocket::Deflate>(server_.deflate_contexts(), *answered.deflate);
    }
    socket_.emplace(websocket::Role::server, limits, nullptr, std::move(deflate));
    const Now now = server_.node().now();
    heard_at_ = now.monotonic;
    schedule(server_.config().idle_timeout / 2);
    if (greets && !endpoint_->take(websocket::Opcode::binary, *hello, now)) {
        return;
    }
    endpoint_->answer();
}

Result<hub::Admission> Session::admission(const http::Request& request) const {
    hub::Admission admission;
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
    if (target.path == "/v1/push") {
        return std::make_unique<PushEndpoint>(server_, *this, peer(),
                                              target.parameter("source").value_or(""));
    }
    if (target.path == "/v1/live") {
        return std::make_unique<LiveEndpoint>(server_, *this,
                                              target.parameter("device").value_or(""));
    }
    if (target.path != "/v1/uplink") {
        refuse(404, "there is no WebSocket at " + target.path);
        return nullptr;
    }
    Result<hub::Admission> admission = this->admission(request);
    if (!admission) {
        server_.log_turned_away(stream_->peer() + ": " + admission.error().message);
        refuse(401, admission.error().message);
        return nullptr;
    }
    return std::make_unique<LineEndpoint>(server_, *this, *std::move(admission), by_token());
}

// ---- Answers

void Session::respond(const http::Response& response, bool head_only) {
    http_->answering = false;
    if (!ending_) {
        transmit(as_bytes(to_wire(response, head_only)));
        answered(response.keep_alive);
    }
}

void Session::answered(bool keep_alive) {
    http_->answering = false;
    if (!keep_alive) {
        end(server_.config().idle_timeout);  // the peer may need time for a large answer
        return;
    }
    http_->unsent_before = stream_->unsent_bytes();
    schedule(server_.config().idle_timeout);
    answer_unread();
}

void Session::carry(const sockjs::Output& output) {
    using Then = sockjs::Output::Then;
    if (ending_) {
        return;
    }
    if (!output.bytes.empty()) {
        transmit(output.bytes);
    }
    switch (output.then) {
        case Then::more:
            break;
        case Then::next_request:
            answered(true);
            break;
        case Then::socket:
            http_->socket = true;
            answer_unread();
            break;
        case Then::end:
            http_->socket ? end(kFarewell) : answered(false);
            break;
    }
}

/// What the client sent ahead, unless it does not take what it is given.
void Session::answer_unread() {
    if (http_ && !http_->unread.empty() && (!http_->answering || http_->socket) && !congested_ &&
        !ending_) {
        Bytes unread = std::exchange(http_->unread, {});
        std::span<std::byte> bytes(unread);
        receive_http(bytes);
        if (socket_ && !ending_) {
            receive_socket(bytes);
        }
    }
    regulate();
}

void Session::refuse(int status, const std::string& why) {
    http::Response response;
    response.status = status;
    response.keep_alive = false;
    if (status == 401) {
        response.headers.emplace_back("WWW-Authenticate", "Bearer");
    }
    response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    response.body = why + "\n";
    respond(response, false);
}

/// Before the upgrade: no request came in time, or none of its answer was taken.
void Session::http_expired() {
    // A large answer on a slow line may take longer, as long as it moves.
    const std::size_t unsent = stream_->unsent_bytes();
    const bool moves = unsent < std::exchange(http_->unsent_before, unsent);
    // A device that sends seldom must not find its connection closed just then: nobody could say
    // whether what it sent has arrived.
    const bool kept =
        http_->reader.idle() && http_->exchange != 0 && server_.sockjs().keeps(http_->exchange);
    if (http_->answering || http_->socket || moves || kept) {
        schedule(server_.config().idle_timeout);
    } else {
        end(kFarewell);  // what is in the kernel still arrives
    }
}

}  // namespace holdfast::node
