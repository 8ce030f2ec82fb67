#include "tests/conformance/echo_line.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::conformance {
namespace {

constexpr Duration kSilence = std::chrono::seconds(60);
/// It is the server that ends the TCP connection (RFC 6455, Section 7.1.1); it is given so long.
constexpr Duration kFarewell = std::chrono::seconds(2);
constexpr std::uint64_t kMessageLimitBytes = 256u << 20;

}  // namespace

EchoLine::EchoLine(boost::asio::io_context& io, std::unique_ptr<ports::Stream> stream,
                   websocket::ClientOffer offer, ports::Entropy& entropy, bool echoes)
    : thread_(net::NetworkThread::of(io)),
      over_(io, boost::asio::steady_timer::time_point::max()),
      stream_(std::move(stream)),
      entropy_(entropy),
      handshake_(std::move(offer), entropy),
      echoes_(echoes) {}

boost::asio::awaitable<EchoLine::Outcome> EchoLine::run() {
    stream_->start(*this);
    stream_->send(as_bytes(handshake_.request()));
    schedule();
    while (!ended_) {
        co_await over_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    co_return std::move(outcome_);
}

void EchoLine::on_bytes(std::span<std::byte> bytes) {
    heard_ = true;
    if (!connection_) {
        shake_hands(bytes);
    }
    if (connection_ && !leaving_) {
        receive(bytes);
    }
}

void EchoLine::shake_hands(std::span<std::byte>& bytes) {
    ByteView unread = bytes;
    const Result<std::optional<http::Response>> response = reader_.next(unread);
    bytes = bytes.last(unread.size());
    if (!response) {
        fail(response.error().message);
        return;
    }
    if (!*response) {
        return;
    }
    const Result<websocket::ClientHandshake::Agreed> agreed = handshake_.check(**response);
    if (!agreed) {
        fail(agreed.error().message);
        return;
    }
    connection_.emplace(websocket::Role::client, websocket::Limits{kMessageLimitBytes}, &entropy_,
                        agreed->deflate
                            ? std::make_unique<websocket::Deflate>(contexts_, *agreed->deflate)
                            : nullptr);
}

void EchoLine::receive(std::span<std::byte> bytes) {
    Bytes out;
    while (const std::optional<websocket::Event> event = connection_->next(bytes, out)) {
        answer(*event, out);
    }
    if (!out.empty() && !stream_->send(out)) {
        stream_->pause();
    }
    if (connection_->closed()) {
        leave();
    }
}

void EchoLine::answer(const websocket::Event& event, Bytes& out) {
    using Kind = websocket::Event::Kind;
    switch (event.kind) {
        case Kind::text:
            outcome_.last_text = as_text(event.payload).substr(0, 100);
            if (echoes_) {
                connection_->send_text(as_text(event.payload), out);
            }
            break;
        case Kind::binary:
            if (echoes_) {
                connection_->send_binary(event.payload, out);
            }
            break;
        case Kind::error:
            outcome_.failure = event.reason;
            break;
        case Kind::ping:
        case Kind::pong:
        case Kind::close:
            break;
    }
}

void EchoLine::on_writable() {
    stream_->resume();
}

void EchoLine::fail(std::string why) {
    outcome_.failure = std::move(why);
    leaving_ = true;
    stream_->shutdown({});
}

/// Both have said all: the server's end of the connection is waited for.
void EchoLine::leave() {
    leaving_ = true;
    stream_->resume();
    thread_.schedule(*this, kFarewell);
}

void EchoLine::schedule() {
    heard_ = false;
    thread_.schedule(*this, kSilence);
}

void EchoLine::expired() {
    if (leaving_) {
        stream_->shutdown({});
    } else if (heard_) {
        schedule();
    } else {
        stream_->abort();
        on_closed({ErrorCode::timeout, "the server was silent for too long"});
    }
}

void EchoLine::on_closed(const Error& error) {
    if (!leaving_) {
        outcome_.failure = error.message;
    }
    net::NetworkThread::cancel(*this);
    ended_ = true;
    over_.cancel();
}

}  // namespace holdfast::conformance
