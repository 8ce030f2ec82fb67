#include "firmware/node/endpoint.h"

#include <algorithm>
#include <utility>

#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "firmware/node/session.h"

namespace holdfast::node {

namespace {

using websocket::CloseCode;
using websocket::Opcode;

line::HubEndOptions line_options(const Config& config) {
    line::HubEndOptions options;
    options.max_batch_bytes = std::min(options.max_batch_bytes, config.journal.max_size_bytes / 8);
    return options;
}

}  // namespace

Endpoint::Endpoint(Server& server, Carrier& carrier, std::string peer)
    : server_(server), carrier_(carrier), peer_(std::move(peer)) {}

bool Endpoint::take(Opcode opcode, ByteView message, Now now) {
    const std::optional<Close> refused = received(opcode, message, now);
    if (refused) {
        server_.log_turned_away(peer_ + ": " + refused->reason);
        carrier_.close(refused->code, refused->reason);
    }
    return !refused;
}

void Endpoint::answer() {
    if (!ended_ && say_due() && !ended_) {
        server_.waits(*this);
    }
}

void Endpoint::goodbye(const std::string& reason, Duration /*retry_after*/) {
    carrier_.close(CloseCode::going_away, reason);
}

void Endpoint::ended() {
    if (!std::exchange(ended_, true)) {
        server_.waits_no_more(*this);
        on_ended();
    }
}

// ---- A line

LineEndpoint::LineEndpoint(Server& server, Carrier& carrier, line::Admission admission,
                           bool by_token)
    : Endpoint(server, carrier, admission.address),
      line_(server.node().journal(), std::move(admission), line_options(server.node().config())),
      presence_(server.node().shared(), line_),
      by_token_(by_token) {
    server_.opened(*this);
}

std::optional<Endpoint::Close> LineEndpoint::received(Opcode opcode, ByteView message, Now now) {
    if (opcode != Opcode::binary) {
        return Close{CloseCode::unsupported_data, "a line carries binary messages"};
    }
    const bool was_greeted = line_.greeted();
    // A clock that was never set must not be told to devices as the time.
    now.wall = server_.node().wall(now);
    const Result<void> result = line_.received(message, now);
    presence_.follow(now.wall);
    if (!result) {
        const bool forbidden = result.error().code == ErrorCode::unauthorized;
        return Close{forbidden ? CloseCode::policy_violation : CloseCode::protocol_error,
                     result.error().message};
    }
    if (line_.greeted() && !was_greeted) {
        server_.greeted(*this);
    }
    return std::nullopt;
}

bool LineEndpoint::say_due() {
    line_.durable();
    while (const std::optional<Bytes> message = line_.next_message()) {
        carrier_.send(Opcode::binary, *message);
        if (ended_) {
            return false;
        }
    }
    if (line_.said_goodbye()) {
        carrier_.close(CloseCode::try_again_later, "");
        return false;
    }
    return line_.waits();
}

void LineEndpoint::goodbye(const std::string& reason, Duration retry_after) {
    line_.goodbye(reason, retry_after);
    answer();
}

void LineEndpoint::on_ended() {
    server_.left(*this);
}

// ---- A push connection

PushEndpoint::PushEndpoint(Server& server, Carrier& carrier, std::string peer, std::string source)
    : Endpoint(server, carrier, std::move(peer)),
      session_(server.node().shared(), std::move(source),
               {.text_size_bytes =
                    static_cast<std::size_t>(server.node().config().listen->max_message_bytes)}) {}

std::optional<Endpoint::Close> PushEndpoint::received(Opcode opcode, ByteView message, Now now) {
    if (opcode != Opcode::text) {
        return Close{CloseCode::unsupported_data, "readings are pushed as JSON text"};
    }
    say(session_.received(as_text(message), server_.node().stamp(now), now.monotonic));
    return std::nullopt;
}

bool PushEndpoint::say_due() {
    if (!std::exchange(greeted_, true)) {
        say(session_.greeting());
    }
    say(session_.durable());
    return !session_.idle();
}

void PushEndpoint::say(const std::optional<std::string>& answer) {
    if (answer) {
        carrier_.send(Opcode::text, as_bytes(*answer));
    }
}

// ---- A live feed

LiveEndpoint::LiveEndpoint(Server& server, Session& session, std::string device)
    : Endpoint(server, session, session.peer()), session_(session), device_(std::move(device)) {
    server_.node().live().add_listener();
    server_.listens(*this);
}

LiveEndpoint::~LiveEndpoint() {
    server_.node().live().remove_listener();
}

bool LiveEndpoint::takes_shared_deflate() const {
    return session_.takes_shared_deflate();
}

void LiveEndpoint::tell(const SharedBytes& frame) {
    session_.send_shared(frame);
}

void LiveEndpoint::on_ended() {
    server_.listens_no_more(*this);
}

std::optional<Endpoint::Close> LiveEndpoint::received(Opcode /*opcode*/, ByteView /*message*/,
                                                      Now /*now*/) {
    return Close{CloseCode::policy_violation, "nothing is to be sent on a live feed"};
}

}  // namespace holdfast::node
