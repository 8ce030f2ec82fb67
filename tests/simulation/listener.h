#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "firmware/http/message.h"
#include "firmware/hub/presence.h"
#include "firmware/hub/tokens.h"
#include "firmware/sockjs/server.h"
#include "firmware/websocket/connection.h"
#include "tests/simulation/setting.h"

namespace holdfast::simulation {

/// What a listener needs of its node.
class ListenerOwner {
public:
    virtual ~ListenerOwner() = default;
    [[nodiscard]] virtual const std::string& id() const = 0;
    [[nodiscard]] virtual Now now() const = 0;
    /// The wall clock as it is told to others.
    [[nodiscard]] virtual WallTime wall() const = 0;
    [[nodiscard]] virtual hub::Shared shared() = 0;
    virtual void poke() = 0;
};

/// The hub's side over the virtual network: what firmware/app's server and session do with sockets.
class Listener final : public simulated::Handler {
public:
    Listener(Setting& setting, ListenerOwner& owner, const hub::TokenTable& tokens);
    ~Listener() override;

    /// Something has become durable.
    void journal_moved();
    /// Says Goodbye to a device.
    void send_away(const std::string& device, const std::string& reason, Duration retry_after);
    /// What is due; returns when it is to be called again.
    [[nodiscard]] Instant turn();

    void received(simulated::SocketId socket, std::span<std::byte> bytes) override;
    void writable(simulated::SocketId socket) override;
    void ended(simulated::SocketId socket, const Error& error) override;

private:
    /// A line, over a WebSocket or a SockJS session.
    struct Carrier {
        std::unique_ptr<line::HubEnd> line;
        std::unique_ptr<hub::Presence> presence;
        std::uint64_t id = 0;
        simulated::SocketId socket = 0;  ///< 0: over SockJS
        sockjs::SessionId session = 0;
        bool greeted = false;
    };
    using CarrierPtr = std::shared_ptr<Carrier>;
    /// As in firmware/app/session.h.
    static constexpr Duration kSign = std::chrono::seconds(4);

    struct Connection {
        http::RequestReader reader;
        Bytes unread;  ///< while a request is being answered
        bool answering = false;
        std::unique_ptr<websocket::Connection> socket;
        CarrierPtr carrier;
        Instant heard_at{};
        Instant spoke_at{};
        sockjs::SessionId brings_to = 0;  ///< by a request that is under way
        Duration announced{};             ///< how silent it may become
        std::uint64_t sent_bytes = 0;
        bool pinged = false;
        bool paused = false;
    };

    void receive_http(simulated::SocketId id, Connection& connection, Bytes bytes);
    void handle(simulated::SocketId id, Connection& connection, const http::Request& request);
    void upgrade(simulated::SocketId id, Connection& connection, const http::Request& request);
    void respond(simulated::SocketId id, const http::Response& response);
    void receive_socket(simulated::SocketId id, std::span<std::byte> bytes);
    [[nodiscard]] std::optional<line::Admission> admit(const http::Request& request,
                                                       simulated::SocketId from) const;
    [[nodiscard]] CarrierPtr make_carrier(line::Admission admission);
    void say_goodbye(const CarrierPtr& carrier, const std::string& reason, Duration retry_after);
    /// False: the line refused it, and its end has begun.
    [[nodiscard]] bool message(const CarrierPtr& carrier, ByteView payload);
    void send_due(const CarrierPtr& carrier);
    void close(const CarrierPtr& carrier, websocket::CloseCode code, const std::string& why);
    void forget(const CarrierPtr& carrier);
    void drain_sockjs();
    void transmit(simulated::SocketId id, ByteView bytes);
    void check_idle(simulated::SocketId id, Instant now);
    void regulate();

    Setting& setting_;
    ListenerOwner& owner_;
    const hub::TokenTable& tokens_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::map<simulated::SocketId, Connection> connections_;
    std::map<sockjs::SessionId, CarrierPtr> sessions_;
    std::map<simulated::SocketId, line::Admission> admitted_;  ///< of requests under way
    std::map<std::string, CarrierPtr> newest_;                 ///< by device
    std::map<std::uint64_t, CarrierPtr> carriers_;
    std::uint64_t last_carrier_ = 0;
    std::optional<sockjs::Server> sockjs_;
    bool held_back_ = false;
    Instant check_at_ = kNever;
};

/// An answer that ends its connection.
[[nodiscard]] http::Response plain_response(int status, const std::string& body);

}  // namespace holdfast::simulation
