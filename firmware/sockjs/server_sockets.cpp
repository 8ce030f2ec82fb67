// WebSockets of both kinds: with SockJS's frames, and raw.
#include "firmware/http/syntax.h"
#include "firmware/sockjs/frames.h"
#include "firmware/sockjs/pages.h"
#include "firmware/sockjs/server.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::sockjs {
namespace {

/// Browsers of 2011 use versions 7 and 8. Their frames are those of RFC 6455; their Origin header
/// has another name.
http::Request as_version_13(http::Request request) {
    const std::string_view version = http::trim(request.header("Sec-WebSocket-Version"));
    if (version != "7" && version != "8") {
        return request;
    }
    for (auto& [name, value] : request.headers) {
        if (http::equal_without_case(name, "Sec-WebSocket-Version")) {
            value = "13";
        } else if (http::equal_without_case(name, "Sec-WebSocket-Origin")) {
            name = "Origin";
        }
    }
    return request;
}

/// What may be in a close frame; other codes would break it.
std::uint16_t sendable(std::uint16_t code) {
    return websocket::is_sendable(code) ? code : 1000;
}

}  // namespace

void Server::request_socket(ExchangeId id, Transport transport, const http::Request& original,
                            Instant now) {
    if (!websocket::wants_websocket(original)) {
        refuse(id, 400, "Can \"Upgrade\" only to \"WebSocket\".\n", original);
        return;
    }
    if (!original.has_token("Connection", "Upgrade")) {
        refuse(id, 400, "\"Connection\" must be \"Upgrade\".\n", original);
        return;
    }
    const http::Request request = as_version_13(original);
    if (!origin_allowed(request)) {
        refuse(id, 403, "Pages of this origin are not allowed here.\n", original);
        return;
    }
    if (sessions_.size() >= limits_.sessions) {
        refuse(id, 503, "Too many sessions.\n", original);
        return;
    }
    if (options_.hixie76) {
        if (auto hixie = HixieConnection::open(request, limits_.payload_bytes)) {
            begin_socket(id, transport, HixieConnection::response(request, options_.tls),
                         *std::move(hixie), now);
            return;
        }
    }
    websocket::ServerPolicy policy;
    policy.allowed_origins = {"*"};  // checked before
    websocket::ServerAnswer answer = websocket::answer(request, policy);
    if (!answer.accepted) {
        http::Request last = original;
        last.keep_alive = false;
        respond(id, std::move(answer.response), last);
        return;
    }
    begin_socket(id, transport, answer.response,
                 websocket::Connection(websocket::Role::server, {limits_.payload_bytes}, nullptr),
                 now);
}

void Server::begin_socket(ExchangeId id, Transport transport, const http::Response& response,
                          Socket socket, Instant now) {
    append(output(id, Output::Then::socket), to_wire(response));
    Session& session = open({}, transport, id);
    Exchange exchange;
    exchange.transport = transport;
    exchange.session = session.id;
    exchange.socket = std::make_unique<Socket>(std::move(socket));
    exchanges_.insert_or_assign(id, std::move(exchange));
    attach(session, id, now);
}

void Server::receive(ExchangeId id, std::span<std::byte> bytes, Instant now) {
    static_cast<void>(now);
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end() || !found->second.socket) {
        return;  // it was ended, and the peer does not know it yet
    }
    Exchange& exchange = found->second;
    exchange.unheard = false;
    Session* const session = find(*exchange.session);
    Bytes out;
    bool alive = true;
    while (alive) {
        const std::optional<websocket::Event> event =
            std::visit([&](auto& socket) { return socket.next(bytes, out); }, *exchange.socket);
        if (!event) {
            break;
        }
        alive = socket_event(exchange, *session, *event, out);
        if (!alive) {
            using Kind = websocket::Event::Kind;
            const bool theirs = event->kind == Kind::close || event->kind == Kind::error;
            const std::uint16_t code = theirs ? event->code : 1002;
            const std::string reason(theirs ? event->reason : "Broken framing.");
            append(output(id), out);
            end_socket(id, *session, code, reason, true);
            return;
        }
    }
    if (!out.empty()) {
        append(output(id), out);
        mark(*session);  // these bytes may have ended the handshake
    }
}

/// False: it is over.
bool Server::socket_event(Exchange& exchange, Session& session, const websocket::Event& event,
                          Bytes& out) {
    using Kind = websocket::Event::Kind;
    const auto broken = [&] {
        std::visit(
            [&](auto& socket) {
                socket.close(websocket::CloseCode::protocol_error, "Broken framing.", out);
            },
            *exchange.socket);
        return false;
    };
    switch (event.kind) {
        case Kind::ping:
        case Kind::pong:
            return true;
        case Kind::close:
        case Kind::error:
            return false;
        case Kind::binary:
            return broken();
        case Kind::text:
            break;
    }
    std::vector<std::string> messages;
    if (session.raw) {
        messages.emplace_back(as_text(event.payload));
    } else if (!event.payload.empty()) {
        auto payload = read_payload(as_text(event.payload), limits_.messages_per_payload);
        if (!payload) {
            return broken();
        }
        messages = std::move(payload->messages);
    }
    if (!session.closing) {
        for (std::string& message : messages) {
            events_.push_back(
                {.kind = Event::Kind::message, .session = session.id, .text = std::move(message)});
        }
    }
    return true;
}

/// Clients do not answer SockJS's heartbeats, but browsers answer pings by themselves.
void Server::beat(Exchange& exchange, Bytes& out) const {
    if (auto* const socket = std::get_if<websocket::Connection>(exchange.socket.get())) {
        if (exchange.transport == Transport::websocket) {
            socket->send_text("h", out);
        }
        socket->send_ping({}, out);
        return;
    }
    auto& hixie = std::get<HixieConnection>(*exchange.socket);
    exchange.unheard = !hixie.ready();  // after the handshake hixie-76 has nothing to answer with
    if (exchange.transport == Transport::websocket) {
        hixie.send_text("h", out);
    }
}

/// `tell`: the application does not know of the end yet. Otherwise the application has closed the
/// session, and the client is told.
void Server::end_socket(ExchangeId id, Session& session, std::uint16_t code,
                        std::string_view reason, bool tell) {
    Exchange& exchange = exchanges_.at(id);
    Bytes& out = output(id, Output::Then::end);
    if (!tell) {
        const bool raw = session.raw;
        std::visit(
            [&](auto& socket) {
                if (!raw) {
                    static_cast<void>(socket.send_text(close_frame(code, reason), out));
                }
                socket.close(static_cast<websocket::CloseCode>(raw ? sendable(code) : 1000),
                             raw ? reason : "Normal closure", out);
            },
            *exchange.socket);
    } else if (!session.closing) {
        events_.push_back({.kind = Event::Kind::closed,
                           .session = session.id,
                           .text = std::string(reason),
                           .code = code});
    }
    exchanges_.erase(id);
    erase(session);
}

}  // namespace holdfast::sockjs
