#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/ports/listener.h"
#include "platform/net/tls.h"

namespace holdfast::net {

using ports::Stream;
using ports::StreamHandler;
using ports::StreamOptions;

struct ListenOptions {
    std::string address;  ///< "127.0.0.1:8080", "[::]:8080", "0.0.0.0:0" (any free port)
    std::shared_ptr<TlsContext> tls;       ///< null: plain
    std::size_t max_connections = 10'000;  ///< beyond it, new ones wait in the kernel's backlog
    Duration tls_timeout = std::chrono::seconds(10);
    /// A connection ends (`timeout`) when its peer has acknowledged nothing of what was sent for so
    /// long (RFC 5482; accepted sockets have it from the listening one); 0: the kernel's 15 min.
    Duration unacknowledged_timeout{};
    StreamOptions stream;
    /// Several listeners, of several threads or processes of one user, on one address: the kernel
    /// deals the connections out among them (SO_REUSEPORT). That the port is taken by another
    /// program of the same kind goes unnoticed then.
    bool share_port = false;
};

/// Accepts connections on one address until destroyed. When file descriptors run out it waits and
/// goes on.
class Listener : public ports::Listener {
public:
    /// Called on the network thread with each stream that is ready (TLS handshake done), not yet
    /// started.
    using OnStream = std::function<void(std::unique_ptr<Stream>)>;
    /// A connection that did not become a stream (failed TLS handshake): the peer and why; for the
    /// log.
    using OnFailed = std::function<void(const std::string& peer, const Error& error)>;

    /// Errors: refused (port taken; says so, with the address), invalid (not an address), io.
    [[nodiscard]] static Result<std::unique_ptr<Listener>> open(boost::asio::io_context& io,
                                                                ListenOptions options,
                                                                OnStream on_stream,
                                                                OnFailed on_failed);
    [[nodiscard]] virtual std::uint16_t port() const = 0;
};

}  // namespace holdfast::net
