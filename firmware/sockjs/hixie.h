#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/http/message.h"
#include "firmware/websocket/connection.h"

namespace holdfast::sockjs {

/// The server's end of hixie-76 (hybi-00), the WebSocket of browsers of 2010, which SockJS 0.3.3
/// still lists. Text only. Its functions are those of `websocket::Connection`, as far as possible.
class HixieConnection {
public:
    /// nullopt: the request is not one of hixie-76.
    [[nodiscard]] static std::optional<HixieConnection> open(const http::Request& request,
                                                             std::size_t message_limit_bytes);
    /// The answer to the request's head, to be sent at once. Then the client sends 8 bytes, and
    /// `next` answers them. Some proxies hold those 8 bytes back until they have seen the head of
    /// the answer.
    [[nodiscard]] static http::Response response(const http::Request& request, bool tls);

    /// As websocket::Connection::next: text, close or error.
    [[nodiscard]] std::optional<websocket::Event> next(std::span<std::byte>& bytes, Bytes& out);
    /// The handshake is done: nothing may be sent before.
    [[nodiscard]] bool ready() const { return state_ != State::nonce; }
    bool send_text(std::string_view message, Bytes& out);
    void close(websocket::CloseCode code, std::string_view reason, Bytes& out);

private:
    enum class State : std::uint8_t { nonce, between, text, closing, ended };

    HixieConnection(std::uint32_t first, std::uint32_t second, std::size_t limit)
        : message_limit_(limit), numbers_{first, second} {}
    [[nodiscard]] std::optional<websocket::Event> take(std::byte byte, Bytes& out);
    [[nodiscard]] websocket::Event fail(std::uint16_t code, std::string_view reason);

    std::size_t message_limit_;
    std::array<std::uint32_t, 2> numbers_;
    State state_ = State::nonce;
    Bytes pending_;  ///< the nonce or the message, as far as it has arrived
    bool close_sent_ = false;
};

}  // namespace holdfast::sockjs
