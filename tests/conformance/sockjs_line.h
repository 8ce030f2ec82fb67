#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/http/message.h"
#include "firmware/ports/stream.h"
#include "firmware/sockjs/server.h"

namespace holdfast::conformance {

class SockjsServer;

/// One connection of the listener: HTTP requests one after the other, until one of them turns it
/// into a WebSocket.
class SockjsLine final : public ports::StreamHandler {
public:
    SockjsLine(SockjsServer& server, std::unique_ptr<ports::Stream> stream,
               sockjs::ExchangeId exchange);
    void start();
    /// What the engine has for this connection.
    void write(const sockjs::Output& output);

private:
    enum class State { reading, answering, socket, ending };

    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;

    void take(std::span<std::byte> bytes);
    void handle(const http::Request& request);
    void refuse(int status, std::string why);
    void end();

    SockjsServer& server_;
    std::unique_ptr<ports::Stream> stream_;
    sockjs::ExchangeId exchange_;
    sockjs::Server* service_ = nullptr;  ///< that the request under way, or the socket, belongs to
    State state_ = State::reading;
    http::RequestReader reader_;
    Bytes unread_;  ///< came while a request is being answered
};

/// The services that the protocol's public test suite expects, and the connections to them.
class SockjsServer {
public:
    SockjsServer(boost::asio::io_context& io, ports::Entropy& entropy);

    void accept(std::unique_ptr<ports::Stream> stream);

    // ---- For its lines

    /// nullptr: there is no such service.
    [[nodiscard]] sockjs::Server* service(std::string_view target);
    /// Does what the engines want done now.
    void turn();
    /// The line's connection is over: destroys it.
    void ended(sockjs::ExchangeId exchange);

private:
    struct Service {
        std::unique_ptr<sockjs::Server> engine;
        bool closes = false;  ///< greets, and says goodbye
    };
    void add(sockjs::ServerOptions options, bool closes, ports::Entropy& entropy);
    [[nodiscard]] bool drain(Service& service);
    static void answer(const Service& service, const sockjs::Event& event);
    void schedule();

    boost::asio::steady_timer timer_;
    std::vector<Service> services_;
    std::map<sockjs::ExchangeId, std::unique_ptr<SockjsLine>> lines_;
    sockjs::ExchangeId last_exchange_ = 0;
};

}  // namespace holdfast::conformance
