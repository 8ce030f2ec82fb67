#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "firmware/http/message.h"
#include "firmware/node/endpoint.h"
#include "firmware/ports/stream.h"
#include "firmware/ports/timeout.h"
#include "firmware/sockjs/server.h"
#include "firmware/websocket/connection.h"

namespace holdfast::node {

class Server;

/// One connection of the listener: HTTP requests one after the other, until one of them turns it
/// into a WebSocket. Owned by the server, from `accepted` until its stream has ended.
class Session final : public ports::StreamHandler, public Carrier, ports::Timeout {
public:
    Session(Server& server, std::unique_ptr<ports::Stream> stream);
    ~Session() override;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    /// Null before the upgrade.
    [[nodiscard]] Endpoint* endpoint() { return endpoint_.get(); }
    [[nodiscard]] std::string peer() const { return stream_->peer(); }
    /// Who sends the request, by certificate or token. Errors: unauthorized, the message says why.
    [[nodiscard]] Result<line::Admission> admission(const http::Request& request) const;
    [[nodiscard]] bool by_token() const { return stream_->peer_certificate_name().empty(); }

    // ---- For the SockJS service
    /// Answers the request under way, and ends.
    void refuse(int status, const std::string& why);
    /// What the SockJS service has for this connection.
    void carry(const sockjs::Output& output);

    // ---- For the server
    /// Memory is full: what brings readings is not read from until `go_on`.
    void hold_back();
    void go_on();
    /// The node stops.
    void goodbye(const std::string& reason, Duration retry_after);

    // ---- Carrier
    void send(websocket::Opcode opcode, ByteView message) override;
    void close(websocket::CloseCode code, const std::string& reason) override;
    /// A frame made once for all live readers, compressed for those that take it. A reader that is
    /// too slow is closed.
    void send_shared(const SharedBytes& frame);
    [[nodiscard]] bool takes_shared_deflate() const {
        return socket_ && socket_->takes_shared_deflate();
    }

private:
    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;
    void expired() override;

    // session_http.cpp
    void receive_http(std::span<std::byte>& bytes);
    void handle(const http::Request& request);
    void allow_body(const http::Request& head);
    [[nodiscard]] sockjs::ExchangeId exchange();
    void leave_sockjs();
    void respond(const http::Response& response, bool head_only);
    void answered(bool keep_alive);
    void answer_unread();
    void http_expired();
    void upgrade(const http::Request& request, const http::Target& target);
    [[nodiscard]] std::unique_ptr<Endpoint> admit(const http::Request& request,
                                                  const http::Target& target);

    // session.cpp
    void receive_socket(std::span<std::byte> bytes);
    void answer_signs(bool heard, Bytes& out, Now now);
    void transmit(ByteView bytes);
    void taken(bool more);
    void regulate();
    void end(Duration linger);
    void schedule(Duration after);
    void announced(ByteView payload);
    [[nodiscard]] Duration quiet_time() const;

    static constexpr Duration kFarewell = std::chrono::seconds(1);
    /// While a message is still arriving, a Pong (by SockJS a heartbeat) is sent that often: the
    /// peer's ping is queued behind the message, and some middleboxes count only our traffic.
    static constexpr Duration kSign = std::chrono::seconds(4);

    /// What only HTTP needs.
    struct Http;
    friend class Server;

    Server& server_;
    std::list<std::unique_ptr<Session>>::iterator place_;  ///< in the server's list
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

}  // namespace holdfast::node
