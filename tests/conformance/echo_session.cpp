#include "tests/conformance/echo_session.h"

#include <utility>

#include "firmware/websocket/handshake.h"

namespace holdfast::conformance {
namespace {

/// From here on it costs less to write a payload by itself than to copy it behind the others.
constexpr std::size_t kInPlaceBytes = 8u << 10;

}  // namespace

EchoServer::~EchoServer() {
    sessions.clear_and_dispose([](EchoSession* session) { delete session; });
}

void EchoServer::accept(std::unique_ptr<ports::Stream> stream) {
    auto session = std::make_unique<EchoSession>(*this, std::move(stream));
    sessions.push_back(*session);
    session.release()->start();
}

EchoSession::EchoSession(EchoServer& server, std::unique_ptr<ports::Stream> stream)
    : server_(server), stream_(std::move(stream)) {}

void EchoSession::start() {
    stream_->start(*this);
    server_.thread.schedule(*this, server_.handshake_timeout);
}

void EchoSession::on_bytes(std::span<std::byte> bytes) {
    if (std::holds_alternative<http::RequestReader>(protocol_)) {
        shake_hands(bytes);
    }
    if (!bytes.empty() && !ending_) {
        echo(bytes);
    }
}

void EchoSession::shake_hands(std::span<std::byte>& bytes) {
    ByteView unread = bytes;
    const Result<std::optional<http::Request>> request =
        std::get<http::RequestReader>(protocol_).next(unread);
    bytes = bytes.last(unread.size());
    if (!request) {
        const bool large = request.error().code == ErrorCode::too_large;
        const bool head = request.error().message.find("head") != std::string::npos;
        refuse(large ? (head ? 431 : 413) : 400, request.error().message);
    } else if (*request) {
        upgrade(**request);
    }
}

void EchoSession::upgrade(const http::Request& request) {
    websocket::ServerPolicy policy;
    policy.allowed_origins = {"*"};
    policy.deflate = server_.deflate;
    const websocket::ServerAnswer answer = websocket::answer(request, policy);
    stream_->send(as_bytes(to_wire(answer.response)));
    if (!answer.accepted) {
        end();
        return;
    }
    net::NetworkThread::cancel(*this);
    deflates_ = answer.deflate.has_value();
    protocol_.emplace<websocket::Connection>(
        websocket::Role::server, server_.limits, nullptr,
        answer.deflate ? std::make_unique<websocket::Deflate>(server_.contexts, *answer.deflate)
                       : nullptr);
}

void EchoSession::refuse(int status, const std::string& why) {
    http::Response response;
    response.status = status;
    response.keep_alive = false;
    response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    response.body = why + "\n";
    stream_->send(as_bytes(to_wire(response)));
    end();
}

void EchoSession::echo(std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    auto& connection = std::get<websocket::Connection>(protocol_);
    Bytes* out = &stream_->cork();
    while (const auto event = connection.next(bytes, *out)) {
        if (event->kind == Kind::text || event->kind == Kind::binary) {
            finished_one_ = true;
            out = &send_back(*event, connection, *out);
        } else if (event->kind == Kind::close || event->kind == Kind::error) {
            flush();
            end();
            return;
        }
    }
    flush();
    if (connection.in_message() && !scheduled()) {
        finished_one_ = false;
        server_.thread.schedule(*this, server_.message_timeout);
    }
}

/// Returns the block to which what follows is to be appended.
Bytes& EchoSession::send_back(const websocket::Event& event, websocket::Connection& connection,
                              Bytes& out) {
    const bool is_text = event.kind == websocket::Event::Kind::text;
    if (!deflates_ && event.payload.size() >= kInPlaceBytes) {
        const auto opcode = is_text ? websocket::Opcode::text : websocket::Opcode::binary;
        if (connection.begin_message(opcode, event.payload.size(), out)) {
            stream_->send_corked();
            hold_back_unless(stream_->send_in_place(event.payload));
        }
        return stream_->cork();
    }
    if (is_text) {
        connection.send_text(as_text(event.payload), out);
    } else {
        connection.send_binary(event.payload, out);
    }
    return out;
}

void EchoSession::flush() {
    hold_back_unless(stream_->send_corked());
}

/// A peer that does not take its answers is not heard until it does.
void EchoSession::hold_back_unless(bool taken) {
    if (!taken) {
        stream_->pause();
    }
}

void EchoSession::on_writable() {
    stream_->resume();
}

void EchoSession::end() {
    ending_ = true;
    net::NetworkThread::cancel(*this);
    stream_->resume();  // the peer's end is to be heard
    stream_->shutdown(server_.farewell);
}

void EchoSession::on_closed(const Error&) {
    delete this;
}

/// A handshake or a message is not done in time.
void EchoSession::expired() {
    if (auto* connection = std::get_if<websocket::Connection>(&protocol_)) {
        if (!connection->in_message()) {
            return;
        }
        if (std::exchange(finished_one_, false)) {
            server_.thread.schedule(*this, server_.message_timeout);
            return;
        }
        connection->close(websocket::CloseCode::policy_violation,
                          "the message was not finished in time", stream_->cork());
        flush();
        end();
    } else {
        refuse(408, "the request was not finished in time");
    }
}

}  // namespace holdfast::conformance
