#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "firmware/app/config.h"
#include "firmware/http/message.h"
#include "firmware/uplink/uplink.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "platform/net/stream.h"
#include "platform/net/tls.h"

namespace holdfast::app {

class Node;

/// Gives the uplink engine its sockets: connects when it is time, shakes hands, carries messages,
/// tells it what happened.
class UplinkDriver {
public:
    /// Errors: invalid or not_found (certificates, token file).
    [[nodiscard]] static Result<std::unique_ptr<UplinkDriver>> make(Node& node,
                                                                    const Config::Uplink& config);
    ~UplinkDriver();

    /// Does what is due; part of the node's turn. Returns when it wants to be called again at the
    /// latest.
    [[nodiscard]] Instant turn(Now now);
    /// Closes the line with 1001; no further tries.
    void stop();
    /// No line is up, and the last farewell has been said.
    [[nodiscard]] bool silent() const { return !link_ && !farewell_; }

    [[nodiscard]] const uplink::Uplink& engine() const { return engine_; }
    [[nodiscard]] const std::string& url() const { return config_.url; }

private:
    UplinkDriver(Node& node, const Config::Uplink& config, http::Url url);

    /// `alive` comes as an argument, for the coroutine may begin when the driver is gone.
    [[nodiscard]] boost::asio::awaitable<void> connect(std::shared_ptr<bool> alive);
    /// One connection. When it has ended for the engine, it stays for a moment to say farewell, and
    /// is not listened to any more.
    struct Link final : net::StreamHandler {
        UplinkDriver& driver;
        std::unique_ptr<net::Stream> stream;
        bool ended = false;

        explicit Link(UplinkDriver& owner, std::unique_ptr<net::Stream> made)
            : driver(owner), stream(std::move(made)) {}
        void on_bytes(std::span<std::byte> bytes) override;
        void on_writable() override;
        void on_closed(const Error& error) override;
    };

    void received(std::span<std::byte> bytes);
    void upgraded(const http::Response& response);
    void receive(std::span<std::byte> bytes, Now now);
    void send_due(Now now);
    void read_due(Now now);
    /// Ends the present line, in order if it still works.
    void end_line(const Error& error, websocket::CloseCode code);
    void log_failure(const Error& error);

    Node& node_;
    Config::Uplink config_;
    http::Url url_;
    std::shared_ptr<net::TlsContext> tls_;
    uplink::Uplink engine_;
    std::shared_ptr<bool> alive_;  ///< false when this object is gone: a connecting coroutine may
                                   ///< outlive it by an event

    std::unique_ptr<Link> link_;
    std::unique_ptr<Link> farewell_;
    std::optional<http::ResponseReader> head_;
    std::optional<websocket::ClientHandshake> handshake_;
    websocket::DeflateContexts deflate_contexts_;
    std::optional<websocket::Connection> socket_;
    Instant upgrade_due_ = kNever;
    Instant message_due_ = kNever;  ///< when the one that is unfinished must be whole
    bool writable_ = true;
    bool draining_ = false;  ///< rows of the store were read, and not all are acknowledged yet
    bool stopped_ = false;
    std::string logged_;  ///< the last failure that was logged in full
    std::uint64_t tries_ = 0;
};

}  // namespace holdfast::app
