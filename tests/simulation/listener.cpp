#include "tests/simulation/listener.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "firmware/line/messages.h"
#include "firmware/sockjs/frames.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;
using simulated::SocketId;

constexpr Duration kIdleTimeout = 60s;
constexpr http::Limits kRequestLimits{
    .head_size_bytes = 16u << 10, .body_size_bytes = 4u << 20, .stops_before_body = true};

}  // namespace

http::Response plain_response(int status, const std::string& body) {
    http::Response response;
    response.status = status;
    response.keep_alive = false;
    response.headers.emplace_back("Content-Type", "text/plain");
    response.body = body;
    return response;
}

Listener::Listener(Setting& setting, ListenerOwner& owner, const hub::TokenTable& tokens)
    : setting_(setting), owner_(owner), tokens_(tokens) {
    sockjs::ServerOptions options;
    options.prefix = "/sockjs";
    options.greeting_header = {line::kHelloHeader, line::kHelloTaken};
    sockjs_.emplace(options,
                    sockjs::ServerLimits{.queue_bytes = 4u << 20, .payload_bytes = 4u << 20},
                    setting.random);
    setting_.network.listen(owner.id(),
                            [this, alive = alive_](SocketId socket, const std::string&) {
                                if (!*alive) {
                                    return static_cast<simulated::Handler*>(nullptr);
                                }
                                auto& connection = connections_[socket];
                                connection.reader = http::RequestReader(kRequestLimits);
                                connection.heard_at = owner_.now().monotonic;
                                check_at_ = std::min(check_at_, connection.heard_at);
                                owner_.poke();
                                return static_cast<simulated::Handler*>(this);
                            });
}

Listener::~Listener() {
    *alive_ = false;
}

// ---- HTTP

void Listener::received(SocketId socket, std::span<std::byte> bytes) {
    const auto found = connections_.find(socket);
    if (found == connections_.end()) {
        return;
    }
    found->second.heard_at = owner_.now().monotonic;
    found->second.pinged = false;
    if (found->second.socket) {
        receive_socket(socket, bytes);
    } else {
        receive_http(socket, found->second, Bytes(bytes.begin(), bytes.end()));
    }
    drain_sockjs();
    owner_.poke();
}

void Listener::receive_http(SocketId id, Connection& connection, Bytes bytes) {
    const Instant now = owner_.now().monotonic;
    if (connection.brings_to != 0 && now - connection.spoke_at >= kSign) {
        connection.spoke_at = now;
        sockjs_->arriving(connection.brings_to, now);
    }
    append(connection.unread, bytes);
    while (!connection.answering &&
           (!connection.unread.empty() || connection.reader.head() != nullptr)) {
        Bytes all = std::exchange(connection.unread, {});
        ByteView rest = all;
        Result<std::optional<http::Request>> request = connection.reader.next(rest);
        if (!request) {
            respond(id, plain_response(400, request.error().message));
            return;
        }
        connection.unread.assign(rest.begin(), rest.end());
        if (const http::Request* const head = connection.reader.head()) {
            const bool brings = sockjs_->brings_messages(*head);
            connection.brings_to = brings ? sockjs_->session_of(*head).value_or(0) : 0;
            connection.spoke_at = now;
            continue;
        }
        if (!*request) {
            return;
        }
        connection.brings_to = 0;
        handle(id, connection, **request);
        const auto again = connections_.find(id);
        if (again == connections_.end()) {
            return;
        }
        if (connection.socket) {
            Bytes early = std::exchange(connection.unread, {});
            receive_socket(id, early);
            return;
        }
    }
}

void Listener::handle(SocketId id, Connection& connection, const http::Request& request) {
    if (setting_.traces()) {
        setting_.say(owner_.id(), request.method + " " + request.target);
    }
    if (sockjs_->serves(request.target)) {
        if (sockjs_->opens_session(request)) {
            const std::optional<line::Admission> admission = admit(request, id);
            if (!admission) {
                respond(id, plain_response(401, "the device token is not known here\n"));
                return;
            }
            admitted_[id] = *admission;
        }
        connection.answering = true;
        sockjs_->request(id, request, owner_.now());
        return;
    }
    if (websocket::wants_websocket(request) && request.target == "/v1/uplink") {
        upgrade(id, connection, request);
        return;
    }
    respond(id, plain_response(404, "there is nothing here\n"));
}

std::optional<line::Admission> Listener::admit(const http::Request& request, SocketId from) const {
    const std::string_view value = request.header("Authorization");
    const hub::Token* token =
        value.starts_with("Bearer ") ? tokens_.find(value.substr(7)) : nullptr;
    if (token == nullptr) {
        return std::nullopt;
    }
    return line::Admission{token->device, token->relay, "socket " + std::to_string(from)};
}

void Listener::respond(SocketId id, const http::Response& response) {
    transmit(id, as_bytes(to_wire(response)));
    connections_.erase(id);
    setting_.network.shut(id);
}

void Listener::transmit(SocketId id, ByteView bytes) {
    const auto known = connections_.find(id);
    if (known != connections_.end()) {
        known->second.sent_bytes += bytes.size();
    }
    if (!setting_.network.send(id, bytes)) {
        const auto found = connections_.find(id);
        if (found != connections_.end() && !found->second.socket) {
            sockjs_->hold(id);
        }
    }
}

void Listener::writable(SocketId socket) {
    const auto found = connections_.find(socket);
    if (found != connections_.end()) {
        found->second.heard_at = owner_.now().monotonic;
        if (!found->second.socket) {
            sockjs_->go_on(socket);
            drain_sockjs();
        }
        owner_.poke();
    }
}

void Listener::ended(SocketId socket, const Error&) {
    const auto found = connections_.find(socket);
    if (found == connections_.end()) {
        return;
    }
    if (found->second.carrier) {
        forget(found->second.carrier);
    }
    connections_.erase(found);
    admitted_.erase(socket);
    sockjs_->disconnected(socket, owner_.now().monotonic);
    setting_.network.shut(socket);
    drain_sockjs();
    owner_.poke();
}

// ---- SockJS

void Listener::drain_sockjs() {
    using EventKind = sockjs::Event::Kind;
    while (std::optional<sockjs::Event> event = sockjs_->next_event()) {
        if (event->kind == EventKind::opened) {
            const auto admission = admitted_.find(event->exchange);
            if (admission == admitted_.end()) {
                setting_.violated("protocol", "a session opened without admission");
                return;
            }
            const CarrierPtr carrier = make_carrier(admission->second);
            carrier->session = event->session;
            sessions_[event->session] = carrier;
            continue;
        }
        const auto found = sessions_.find(event->session);
        if (found == sessions_.end()) {
            continue;
        }
        const CarrierPtr carrier = found->second;
        if (event->kind == EventKind::closed) {
            forget(carrier);
        } else if (const Result<Bytes> bytes = sockjs::envelope_bytes(event->text); !bytes) {
            setting_.violated("protocol", "a SockJS message is no Envelope");
        } else if (message(carrier, *bytes)) {
            send_due(carrier);
        }
    }
    while (std::optional<sockjs::Output> output = sockjs_->next_output(owner_.now().monotonic)) {
        using Then = sockjs::Output::Then;
        const SocketId id = output->exchange;
        transmit(id, output->bytes);
        const auto found = connections_.find(id);
        if (found == connections_.end()) {
            continue;
        }
        if (output->then == Then::next_request) {
            found->second.answering = false;
            admitted_.erase(id);
            receive_http(id, found->second, {});
        } else if (output->then == Then::end) {
            connections_.erase(id);
            setting_.network.shut(id);
        }
    }
}

// ---- Time and room

/// Readings are not taken faster than they can be stored.
void Listener::regulate() {
    journal::Journal& journal = owner_.shared().journal;
    if (!held_back_ && journal.room() == 0) {
        held_back_ = true;
    } else if (!held_back_ || journal.room() <= journal.memory_used_bytes() / 3) {
        return;
    } else {
        held_back_ = false;
    }
    for (auto& [id, connection] : connections_) {
        connection.paused = held_back_;
        held_back_ ? setting_.network.pause(id) : setting_.network.resume(id);
    }
}

void Listener::check_idle(SocketId id, Instant now) {
    Connection& connection = connections_.at(id);
    if (connection.paused || connection.answering) {
        connection.heard_at = now;
    }
    const Duration quiet = connection.announced + kIdleTimeout / 2;
    const Duration silent = now - connection.heard_at;
    if (silent >= quiet + kIdleTimeout / 2) {
        if (connection.carrier) {
            forget(connection.carrier);
        }
        connections_.erase(id);
        setting_.network.abort(id);
    } else if (silent >= quiet && connection.socket && !std::exchange(connection.pinged, true)) {
        Bytes out;
        connection.socket->send_ping({}, out);
        transmit(id, out);
    }
}

Instant Listener::turn() {
    const Instant now = owner_.now().monotonic;
    regulate();
    sockjs_->tick(now);
    drain_sockjs();
    if (check_at_ <= now) {
        check_at_ = connections_.empty() ? kNever : now + 5s;
        std::vector<SocketId> ids;
        for (const auto& [id, connection] : connections_) {
            ids.push_back(id);
        }
        for (const SocketId id : ids) {
            check_idle(id, now);
        }
    }
    return std::min(check_at_, sockjs_->deadline());
}

}  // namespace holdfast::simulation
