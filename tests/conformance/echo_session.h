#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include <boost/intrusive/list.hpp>

#include "firmware/http/message.h"
#include "firmware/ports/stream.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/deflate.h"
#include "platform/net/network_thread.h"

namespace holdfast::conformance {

struct EchoServer;

using SessionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// One connection: a request head, then messages that are sent back as they came. It owns itself
/// through the server's list, and is gone when its stream is.
class EchoSession final : public ports::StreamHandler, ports::Timeout, public SessionHook {
public:
    EchoSession(EchoServer& server, std::unique_ptr<ports::Stream> stream);
    void start();

private:
    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;
    void expired() override;

    void shake_hands(std::span<std::byte>& bytes);
    void upgrade(const http::Request& request);
    void refuse(int status, const std::string& why);
    void echo(std::span<std::byte> bytes);
    [[nodiscard]] Bytes& send_back(const websocket::Event& event, websocket::Connection& connection,
                                   Bytes& out);
    void flush();
    void hold_back_unless(bool taken);
    void end();

    EchoServer& server_;
    std::unique_ptr<ports::Stream> stream_;
    /// The reader until the upgrade.
    std::variant<http::RequestReader, websocket::Connection> protocol_;
    bool deflates_ = false;
    bool ending_ = false;
    bool finished_one_ = false;  ///< since the deadline was set
};

/// What all sessions of an echo server share; owns them.
struct EchoServer {
    explicit EchoServer(boost::asio::io_context& context)
        : thread(net::NetworkThread::of(context)) {}
    ~EchoServer();
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;

    void accept(std::unique_ptr<ports::Stream> stream);

    net::NetworkThread& thread;
    websocket::Limits limits;
    websocket::DeflatePolicy deflate;
    websocket::DeflateContexts contexts;
    Duration handshake_timeout = std::chrono::seconds(10);
    /// How long a message may remain unfinished while no other one is finished.
    Duration message_timeout = std::chrono::seconds(60);
    /// How long the peer is given to end its side after the close frames.
    Duration farewell = std::chrono::seconds(1);
    boost::intrusive::list<EchoSession, boost::intrusive::constant_time_size<false>> sessions;
};

}  // namespace holdfast::conformance
