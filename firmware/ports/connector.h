#pragma once

#include <functional>
#include <memory>
#include <string>

#include "firmware/base/error.h"
#include "firmware/ports/stream.h"

namespace holdfast::ports {

/// Opens streams to one hub, whose address, proxy and certificates it was made with.
class Connector {
public:
    /// Errors: not_found (no such host), refused, timeout, untrusted, closed, io, and those of the
    /// proxy's answer (http::ProxyTunnel). The sentence names host, port and step.
    using Done = std::move_only_function<void(Result<std::unique_ptr<Stream>>)>;

    /// A try under way. Destroying it gives the try up: `done` is not called any more.
    class Attempt {
    public:
        virtual ~Attempt() = default;
    };

    virtual ~Connector() = default;
    /// TCP, through the proxy's tunnel if `proxied`, and TLS where the hub's URL says so. `done` is
    /// called once, on the network thread, never before this returns; the stream is not yet started
    /// then. The attempt may be destroyed within `done`.
    [[nodiscard]] virtual std::unique_ptr<Attempt> connect(bool proxied, Done done) = 0;
    /// Names the network this machine is on (interface and gateway's hardware address); "" if it is
    /// on none. What was learned of one network does not hold on another.
    [[nodiscard]] virtual std::string network_name() = 0;
};

}  // namespace holdfast::ports
