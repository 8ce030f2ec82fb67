// Lines: from the handshake to the farewell.

#include <algorithm>
#include <utility>
#include <vector>

#include "firmware/base/text.h"
#include "firmware/line/messages.h"
#include "firmware/sockjs/frames.h"
#include "firmware/websocket/handshake.h"
#include "tests/simulation/listener.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;
using simulated::SocketId;

constexpr Duration kRetryAfterSuperseded = 30s;
constexpr std::size_t kLineMessageBytes = 9u << 20;

Duration announced_by(ByteView payload) {
    std::uint32_t milliseconds = 0;
    for (const std::byte byte : payload) {
        milliseconds = milliseconds << 8 | std::to_integer<std::uint32_t>(byte);
    }
    return std::min<Duration>(std::chrono::milliseconds(milliseconds), 1h);
}

}  // namespace

void Listener::upgrade(SocketId id, Connection& connection, const http::Request& request) {
    websocket::ServerPolicy policy;
    policy.protocols = {"holdfast.v1"};
    policy.protocol_required = true;
    websocket::ServerAnswer answered = websocket::answer(request, policy);
    const std::optional<line::Admission> admission = admit(request, id);
    if (!answered.accepted || !admission) {
        respond(id, answered.accepted ? plain_response(401, "the device token is not known here\n")
                                      : answered.response);
        return;
    }
    const Result<Bytes> hello = from_base64(request.header(line::kHelloHeader));
    const bool greets = hello && !hello->empty();
    if (greets) {
        answered.response.headers.emplace_back(line::kHelloHeader, line::kHelloTaken);
    }
    transmit(id, as_bytes(to_wire(answered.response)));
    websocket::Limits limits;
    limits.message_size_bytes = kLineMessageBytes;
    connection.socket =
        std::make_unique<websocket::Connection>(websocket::Role::server, limits, nullptr);
    const CarrierPtr carrier = connection.carrier = make_carrier(*admission);
    carrier->socket = id;
    if (greets && message(carrier, *hello)) {
        send_due(carrier);  // after which the connection may be no more
    }
}

Listener::CarrierPtr Listener::make_carrier(line::Admission admission) {
    auto carrier = std::make_shared<Carrier>();
    carrier->id = ++last_carrier_;
    carrier->line = std::make_unique<line::HubEnd>(owner_.shared().journal, std::move(admission),
                                                   line::HubEndOptions{});
    carrier->presence = std::make_unique<hub::Presence>(owner_.shared(), *carrier->line);
    return carriers_[carrier->id] = carrier;
}

void Listener::receive_socket(SocketId id, std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    Connection& connection = connections_.at(id);
    const CarrierPtr carrier = connection.carrier;
    const Instant now = owner_.now().monotonic;
    bool begins = !connection.socket->in_message();
    Bytes out;
    while (const std::optional<websocket::Event> event = connection.socket->next(bytes, out)) {
        begins = begins || event->kind == Kind::binary;
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
    if (begins || !out.empty()) {
        connection.spoke_at = now;
    } else if (connection.socket->in_message() && now - connection.spoke_at >= kSign) {
        connection.spoke_at = now;
        connection.socket->send_pong({}, out);
    }
    transmit(id, out);
    send_due(carrier);
}

bool Listener::message(const CarrierPtr& carrier, ByteView payload) {
    const Result<void> result =
        carrier->line->received(payload, {owner_.now().monotonic, owner_.wall()});
    carrier->presence->follow(owner_.wall());
    if (!result) {
        // A poll that reaches a restarted hub opens its session anew, and what the device sends
        // before it knows that comes without Hello.
        const bool reopened = carrier->socket == 0 && !carrier->greeted;
        if (!reopened) {
            setting_.violated("protocol", owner_.id() + " refuses " +
                                              carrier->line->admission().device + ": " +
                                              result.error().message);
        }
        close(carrier, websocket::CloseCode::protocol_error, result.error().message);
        return false;
    }
    if (carrier->line->greeted() && !std::exchange(carrier->greeted, true)) {
        const std::string device = carrier->line->admission().device;
        const CarrierPtr older = std::exchange(newest_[device], carrier);
        setting_.say(owner_.id(), device + " is here");
        if (older) {
            older->line->superseded();
            say_goodbye(older, "a newer line has come", kRetryAfterSuperseded);
        }
    }
    return true;
}

void Listener::say_goodbye(const CarrierPtr& carrier, const std::string& reason,
                           Duration retry_after) {
    const bool first = !carrier->line->said_goodbye();
    carrier->line->goodbye(reason, retry_after);
    const simulated::SocketId socket = carrier->socket;
    const auto connection = connections_.find(socket);
    if (first && connection != connections_.end()) {
        setting_.goodbyes[socket ^ 1] = {connection->second.sent_bytes, retry_after};
    }
    send_due(carrier);
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
        const auto said = setting_.goodbyes.find(carrier->socket ^ 1);
        if (said != setting_.goodbyes.end()) {
            said->second.bytes = connections_.at(carrier->socket).sent_bytes;
        }
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
        say_goodbye(carrier, reason, retry_after);
        drain_sockjs();
    }
}

}  // namespace holdfast::simulation
