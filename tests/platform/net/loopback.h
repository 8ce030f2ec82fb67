#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CppUTest/MemoryLeakWarningPlugin.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "firmware/ports/stream.h"
#include "platform/net/connect.h"
#include "platform/net/listener.h"
#include "platform/net/tls.h"

namespace holdfast::net {

/// Off before main and for the whole process: Asio and the certificates keep memory for later,
/// which is no leak.
inline const bool kLeakDetectorOff = (MemoryLeakWarningPlugin::turnOffNewDeleteOverloads(), true);

/// An owner of a stream that keeps what it is told. `stream` may be reset in any of the hooks.
struct Peer final : StreamHandler {
    std::unique_ptr<Stream> stream;
    Bytes received;
    std::vector<std::size_t> pieces;  ///< sizes of what on_bytes was given
    bool keeps_bytes = true;
    std::size_t received_size = 0;
    int writable = 0;
    std::optional<Error> closed;
    std::function<void(std::span<std::byte>)> when_bytes;
    std::function<void()> when_writable;
    std::function<void()> when_closed;

    void on_bytes(std::span<std::byte> bytes) override {
        received_size += bytes.size();
        pieces.push_back(bytes.size());
        if (keeps_bytes) {
            append(received, bytes);
        }
        if (when_bytes) {
            when_bytes(bytes);
        }
    }
    void on_writable() override {
        ++writable;
        if (when_writable) {
            when_writable();
        }
    }
    void on_closed(const Error& error) override {
        closed = error;
        if (when_closed) {
            when_closed();
        }
    }
};

/// A listener and a client on one io_context, run by the test itself until something holds.
struct Loopback {
    boost::asio::io_context io;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Peer> server;  ///< the last connection that was accepted
    std::vector<std::unique_ptr<Peer>> earlier;
    std::vector<Error> failures;  ///< of handshakes at the listener
    std::unique_ptr<Peer> client;
    std::function<void(Peer&)> when_accepted;  ///< before it is started

    /// Runs events until `done`; false when that does not come within `limit`.
    bool until(const std::function<bool()>& done,
               std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!done()) {
            if (std::chrono::steady_clock::now() >= end) {
                return false;
            }
            io.restart();
            io.run_one_for(std::chrono::milliseconds(20));
        }
        return true;
    }
    /// Runs events for that time. What has come by then is met, also when this thread did not get
    /// to run meanwhile.
    void settle(std::chrono::milliseconds time) {
        until([] { return false; }, time);
        io.restart();
        for (int ready = 0; ready < 100 && io.poll_one() > 0; ++ready) {
        }
    }

    Result<void> listen(ListenOptions options = {}) {
        if (options.address.empty()) {
            options.address = "127.0.0.1:0";
        }
        auto opened = Listener::open(
            io, options,
            [this](std::unique_ptr<Stream> stream) {
                if (server) {
                    earlier.push_back(std::move(server));
                }
                server = std::make_unique<Peer>();
                server->stream = std::move(stream);
                if (when_accepted) {
                    when_accepted(*server);
                }
                if (server->stream) {
                    server->stream->start(*server);
                }
            },
            [this](const std::string&, const Error& error) { failures.push_back(error); });
        if (!opened) {
            return std::unexpected(opened.error());
        }
        listener = std::move(*opened);
        return {};
    }

    ConnectOptions to(const std::string& host = "127.0.0.1") {
        ConnectOptions options;
        options.host = host;
        options.port = listener ? listener->port() : std::uint16_t{1};
        return options;
    }

    Result<std::unique_ptr<Stream>> connect_stream(const ConnectOptions& options) {
        // Shared with the coroutine, which may still be under way when the test gives up.
        const auto result = std::make_shared<std::optional<Result<std::unique_ptr<Stream>>>>();
        const auto task = [](ConnectOptions wanted, auto out) -> boost::asio::awaitable<void> {
            *out = co_await holdfast::net::connect(std::move(wanted));
        };
        boost::asio::co_spawn(io, task(options, result), boost::asio::detached);
        if (!until([&] { return result->has_value(); }, std::chrono::seconds(20))) {
            return fail(ErrorCode::timeout, "the test waited in vain");
        }
        return std::move(**result);
    }

    /// Connects, and keeps the started stream as `client`.
    Result<void> connect(const ConnectOptions& options) {
        auto stream = connect_stream(options);
        if (!stream) {
            return std::unexpected(stream.error());
        }
        client = std::make_unique<Peer>();
        client->stream = std::move(*stream);
        client->stream->start(*client);
        return {};
    }

    /// Listener and connected client; plain, or with TLS on both sides.
    bool establish(ListenOptions options = {}, std::shared_ptr<TlsContext> client_tls = nullptr) {
        if (!listen(options)) {
            return false;
        }
        ConnectOptions wanted = to(client_tls ? "localhost" : "127.0.0.1");
        wanted.tls = std::move(client_tls);
        return connect(wanted).has_value() && until([this] { return server != nullptr; });
    }

    ~Loopback() {
        // Streams before the io_context they live on.
        client.reset();
        server.reset();
        earlier.clear();
        listener.reset();
    }
};

}  // namespace holdfast::net
