#include "tests/simulation/listener.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "firmware/sockjs/frames.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;
using simulated::SocketId;

constexpr Duration kIdleTimeout = 60s;
constexpr Duration kRetryAfterSuperseded = 30s;
constexpr std::size_t kLineMessageBytes = 9u << 20;
constexpr http::Limits kRequestLimits{.head_size_bytes = 16u << 10, .body_size_bytes = 4u << 20};

http::Response plain(int status, const std::string& body) {
    http::Response response;
    response.status = status;
    response.keep_alive = false;
    response.headers.emplace_back("Content-Type", "text/plain");
    response.body = body;
    return response;
}

Duration announced_by(ByteView payload) {
    std::uint32_t milliseconds = 0;
    for (const std::byte byte : payload) {
        milliseconds = milliseconds << 8 | std::to_integer<std::uint32_t>(byte);
    }
    return std::min<Duration>(std::chrono::milliseconds(milliseconds), 1h);
}

}  // namespace

Listener::Listener(Setting& setting, ListenerOwner& owner, const hub::TokenTable& tokens)
    : setting_(setting), owner_(owner), tokens_(tokens) {
    sockjs::ServerOptions options;
    options.prefix = "/sockjs";
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
    append(connection.unread, bytes);
    while (!connection.answering && !connection.unread.empty()) {
        Bytes all = std::exchange(connection.unread, {});
        ByteView rest = all;
        Result<std::optional<http::Request>> request = connection.reader.next(rest);
        if (!request) {
            respond(id, plain(400, request.error().message));
            return;
        }
        connection.unread.assign(rest.begin(), rest.end());
        if (!*request) {
            return;
        }
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
            const std::optional<hub::Admission> admission = admit(request, id);
            if (!admission) {
                respond(id, plain(401, "the device token is not known here\n"));
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
    respond(id, plain(404, "there is nothing here\n"));
}

std::optional<hub::Admission> Listener::admit(const http::Request& request, SocketId from) const {
    const std::string_view value = request.header("Authorization");
    const hub::Token* token =
        value.starts_with("Bearer ") ? tokens_.find(value.substr(7)) : nullptr;
    if (token == nullptr) {
        return std::nullopt;
    }
    return hub::Admission{token->device, token->relay, "socket " + std::to_string(from)};
}

void Listener::upgrade(SocketId id, Connection& connection, const http::Request& request) {
    websocket::ServerPolicy policy;
    policy.protocols = {"holdfast.v1"};
    policy.protocol_required = true;
    const websocket::ServerAnswer answered = websocket::answer(request, policy);
    const std::optional<hub::Admission> admission = admit(request, id);
    if (!answered.accepted || !admission) {
        respond(id, answered.accepted ? plain(401, "the device token is not known here\n")
                                      : answered.response);
        return;
    }
    transmit(id, as_bytes(to_wire(answered.response)));
    websocket::Limits limits;
    limits.message_size_bytes = kLineMessageBytes;
    connection.socket =
        std::make_unique<websocket::Connection>(websocket::Role::server, limits, nullptr);
    connection.carrier = make_carrier(*admission);
    connection.carrier->socket = id;
}

void Listener::respond(SocketId id, const http::Response& response) {
    transmit(id, as_bytes(to_wire(response)));
    connections_.erase(id);
    setting_.network.shut(id);
}

void Listener::transmit(SocketId id, ByteView bytes) {
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

// ---- Lines

Listener::CarrierPtr Listener::make_carrier(hub::Admission admission) {
    auto carrier = std::make_shared<Carrier>();
    carrier->id = ++last_carrier_;
    carrier->line =
        std::make_unique<hub::Line>(owner_.shared(), std::move(admission), hub::LineOptions{});
    return carriers_[carrier->id] = carrier;
}

void Listener::receive_socket(SocketId id, std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    Connection& connection = connections_.at(id);
    const CarrierPtr carrier = connection.carrier;
    Bytes out;
    while (const std::optional<websocket::Event> event = connection.socket->next(bytes, out)) {
        if (event->kind == Kind::binary) {
            if (!message(carrier, event->payload)) {
                return;
            }
        } else if (event->kind == Kind::ping && event->payload.size() == 4) {
            connection.announced = announced_by(event->payload);
        } else if (event->kind == Kind::close || event->kind == Kind::error) {
            if (event->kind == Kind::error) {
                setting_.violated("protocol", "a device broke the WebSocket protocol: " +
                                                  std::string(event->reason));
            }
            transmit(id, out);
            forget(carrier);
            connections_.erase(id);
            setting_.network.shut(id);
            return;
        }
    }
    transmit(id, out);
    send_due(carrier);
}

bool Listener::message(const CarrierPtr& carrier, ByteView payload) {
    const Result<void> result =
        carrier->line->received(payload, {owner_.now().monotonic, owner_.wall()});
    if (!result) {
        setting_.violated("protocol", owner_.id() + " refuses " +
                                          carrier->line->admission().device + ": " +
                                          result.error().message);
        close(carrier, websocket::CloseCode::protocol_error, result.error().message);
        return false;
    }
    if (carrier->line->greeted() && !std::exchange(carrier->greeted, true)) {
        const std::string device = carrier->line->admission().device;
        const CarrierPtr older = std::exchange(newest_[device], carrier);
        setting_.say(owner_.id(), device + " is here");
        if (older) {
            older->line->superseded();
            older->line->goodbye("a newer line has come", kRetryAfterSuperseded);
            send_due(older);
        }
    }
    return true;
}

void Listener::send_due(const CarrierPtr& carrier) {
    if (!carriers_.contains(carrier->id)) {
        return;
    }
    Bytes out;
    carrier->line->durable();
    while (const std::optional<Bytes> message = carrier->line->next_message()) {
        if (carrier->socket != 0) {
            connections_.at(carrier->socket).socket->send_binary(*message, out);
        } else if (!sockjs_->send(carrier->session, sockjs::envelope_text(*message))) {
            close(carrier, websocket::CloseCode::try_again_later, "too slow");
            return;
        }
    }
    if (carrier->socket != 0) {
        transmit(carrier->socket, out);
    }
    if (carrier->line->said_goodbye()) {
        close(carrier, websocket::CloseCode::try_again_later, "");
    }
}

void Listener::close(const CarrierPtr& carrier, websocket::CloseCode code, const std::string& why) {
    forget(carrier);
    if (carrier->socket != 0) {
        Bytes out;
        connections_.at(carrier->socket).socket->close(code, why, out);
        transmit(carrier->socket, out);
        connections_.erase(carrier->socket);
        setting_.network.shut(carrier->socket);
    } else {
        sockjs_->close(carrier->session, static_cast<std::uint16_t>(code), why);
    }
}

void Listener::forget(const CarrierPtr& carrier) {
    const auto found = newest_.find(carrier->line->admission().device);
    if (found != newest_.end() && found->second == carrier) {
        newest_.erase(found);
    }
    sessions_.erase(carrier->session);
    carriers_.erase(carrier->id);
}

void Listener::journal_moved() {
    std::vector<CarrierPtr> waiting;
    for (const auto& [id, carrier] : carriers_) {
        waiting.push_back(carrier);
    }
    for (const CarrierPtr& carrier : waiting) {
        send_due(carrier);
    }
    regulate();
    drain_sockjs();
}

void Listener::send_away(const std::string& device, const std::string& reason,
                         Duration retry_after) {
    const auto found = newest_.find(device);
    if (found != newest_.end()) {
        const CarrierPtr carrier = found->second;
        carrier->line->goodbye(reason, retry_after);
        send_due(carrier);
        drain_sockjs();
    }
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
