#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "firmware/app/carrier.h"
#include "firmware/app/endpoint.h"
#include "firmware/http/message.h"
#include "firmware/ports/stream.h"
#include "firmware/sockjs/server.h"
#include "firmware/websocket/connection.h"
#include "platform/net/network_thread.h"

namespace holdfast::app {

class Server;

/// One connection of the listener: HTTP requests one after the other, until one of them turns it
/// into a WebSocket.
class Session final : public ports::StreamHandler, public Carrier, ports::Timeout {
public:
    Session(Server& server, std::unique_ptr<ports::Stream> stream);
    ~Session() override;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    [[nodiscard]] Endpoint* endpoint() override { return endpoint_.get(); }
    [[nodiscard]] bool by_token() const override {
        return stream_->peer_certificate_name().empty();
    }
    void journal_moved() override;
    /// Who sends the request, by certificate or token. Errors: unauthorized, the message says why.
    [[nodiscard]] Result<line::Admission> admission(const http::Request& request) const;
    [[nodiscard]] std::string peer() const { return stream_->peer(); }
    /// Answers the request under way, and ends.
    void refuse(int status, const std::string& why);
    /// What the SockJS service has for this connection.
    void carry(const sockjs::Output& output);
    void hold_back();
    void go_on();
    /// A frame made once for all listeners, compressed for those that take it. A reader that is
    /// too slow is dropped.
    void send_shared(const SharedBytes& frame);
    [[nodiscard]] bool takes_shared_deflate() const {
        return socket_ && socket_->takes_shared_deflate();
    }
    void goodbye(const std::string& reason, Duration retry_after, bool superseded) override;
    /// Close frame, farewell, end.
    void close(websocket::CloseCode code, const std::string& reason) override;

private:
    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;
    void expired() override;

    void receive_http(std::span<std::byte>& bytes);
    [[nodiscard]] std::optional<Endpoint::Close> received(websocket::Opcode opcode,
                                                          ByteView message, Now now);
    void turn_away(const Endpoint::Close& refused);
    void receive_socket(std::span<std::byte> bytes);
    void handle(const http::Request& request);
    void allow_body(const http::Request& head);
    [[nodiscard]] sockjs::ExchangeId exchange();
    void leave_sockjs();
    void respond(const http::Response& response, bool head_only);
    void answered(bool keep_alive);
    void upgrade(const http::Request& request, const http::Target& target);
    [[nodiscard]] std::unique_ptr<Endpoint> admit(const http::Request& request,
                                                  const http::Target& target);
    void answer_due();
    void send_due();
    void transmit(ByteView bytes);
    void taken(bool more);
    void answer_unread();
    void regulate();
    void end(Duration linger);
    void schedule(Duration after);
    void http_expired();
    void announced(ByteView payload);
    [[nodiscard]] Duration quiet_time() const;

    static constexpr Duration kFarewell = std::chrono::seconds(1);
    /// A message that takes longer to come is met with a Pong that often, by SockJS with a
    /// heartbeat: the peer's own ping stands behind it, and boxes on the way may count only what we
    /// say.
    static constexpr Duration kSign = std::chrono::seconds(4);

    /// What only HTTP needs.
    struct Http;

    Server& server_;
    std::unique_ptr<ports::Stream> stream_;
    std::unique_ptr<Http> http_;  ///< until the upgrade
    std::unique_ptr<Endpoint> endpoint_;
    std::optional<websocket::Connection> socket_;
    Instant heard_at_{};
    Instant message_began_{};      ///< the one that is unfinished
    Instant spoke_at_{};           ///< to the peer, or when that message began
    std::uint16_t silence_s_ = 0;  ///< how long the peer has said that it may be silent
    bool pinged_ = false;          ///< since it was heard
    bool held_back_ = false;       ///< there is no room for readings
    bool congested_ = false;       ///< the peer does not take its answers
    bool paused_ = false;
    bool ending_ = false;
};

}  // namespace holdfast::app
