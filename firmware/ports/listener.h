#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "firmware/base/error.h"
#include "firmware/ports/stream.h"

namespace holdfast::ports {

/// Takes what a listener accepts. Called on the network thread.
class Acceptor {
public:
    virtual ~Acceptor() = default;
    /// A connection that is ready (TLS handshake done), not yet started.
    virtual void accepted(std::unique_ptr<Stream> stream) = 0;
    /// A connection that did not become a stream (failed TLS handshake): the peer, and why; for the
    /// log.
    virtual void failed(const std::string& peer, const Error& error) = 0;
};

/// Accepts connections on one address until it is destroyed. Streams outlive it.
class Listener {
public:
    virtual ~Listener() = default;
    /// With the real port: "127.0.0.1:8080".
    [[nodiscard]] virtual std::string address() const = 0;
    /// Streams of this listener alive now, handshaking ones included.
    [[nodiscard]] virtual std::size_t connections() const = 0;
};

}  // namespace holdfast::ports
