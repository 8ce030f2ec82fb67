#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/http/message.h"
#include "firmware/ports/stream.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "platform/net/network_thread.h"

namespace holdfast::conformance {

/// One connection of a client that sends every message back, until the server closes it. It ends by
/// itself when the server says nothing for a minute.
class EchoLine final : public ports::StreamHandler, ports::Timeout {
public:
    EchoLine(boost::asio::io_context& io, std::unique_ptr<ports::Stream> stream,
             websocket::ClientOffer offer, ports::Entropy& entropy, bool echoes);

    struct Outcome {
        std::string last_text = {};  ///< that the server sent
        std::string failure =
            {};  ///< why there was no WebSocket, or no clean end; "" if all went well
    };
    /// Called once; returns when the connection is over.
    boost::asio::awaitable<Outcome> run();

private:
    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;
    void expired() override;

    void shake_hands(std::span<std::byte>& bytes);
    void receive(std::span<std::byte> bytes);
    void answer(const websocket::Event& event, Bytes& out);
    void fail(std::string why);
    void schedule();
    void leave();

    net::NetworkThread& thread_;
    boost::asio::steady_timer over_;
    std::unique_ptr<ports::Stream> stream_;
    ports::Entropy& entropy_;
    websocket::DeflateContexts contexts_;
    websocket::ClientHandshake handshake_;
    http::ResponseReader reader_;
    std::optional<websocket::Connection> connection_;
    Outcome outcome_;
    bool echoes_;
    bool heard_ = false;
    bool leaving_ = false;
    bool ended_ = false;
};

}  // namespace holdfast::conformance
