#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/http/proxy.h"
#include "firmware/ports/stream.h"
#include "platform/net/tls.h"

namespace holdfast::net {

using ports::Stream;
using ports::StreamHandler;
using ports::StreamOptions;

struct ConnectOptions {
    std::string host;
    std::uint16_t port = 0;
    std::shared_ptr<TlsContext> tls;  ///< null: plain
    /// The way to host and port is a tunnel through it (CONNECT). Only the proxy's name is looked
    /// up here; it looks up `host` itself. TLS goes through the tunnel, with `host`'s name.
    std::optional<http::Proxy> proxy;
    std::string user_agent = "holdfast";  ///< told to the proxy
    Duration resolve_timeout = std::chrono::seconds(10);
    Duration connect_timeout = std::chrono::seconds(10);
    /// From CONNECT to the end of the proxy's answer, which may take its own connecting.
    Duration proxy_timeout = std::chrono::seconds(10);
    Duration tls_timeout = std::chrono::seconds(10);
    /// RFC 8305: the next address is tried when the one before has not answered for so long.
    Duration attempt_delay = std::chrono::milliseconds(250);
    StreamOptions stream;
    /// In place of the system's resolver; must not block.
    std::function<std::vector<boost::asio::ip::address>(const std::string& host)> resolve;
};

/// Resolves, connects (IPv6 and IPv4 in turn, RFC 8305, "happy eyeballs"), and shakes hands over
/// TLS with SNI, host name and chain verified. Errors: not_found (no such host), refused, timeout
/// (which step), untrusted (which of: expired, not yet valid, self-signed or unknown issuer, wrong
/// name), closed, io, those of TLS (tls_errors.h), and of the proxy's answer (http::ProxyTunnel).
/// The sentence names host, port and step, and whether it was the proxy that failed.
/// Cancelling the coroutine releases everything; it must run on the io_context's own thread.
///
/// A TLS 1.3 server looks at our certificate after our handshake is done: that it refuses it is
/// told by `on_closed`.
[[nodiscard]] boost::asio::awaitable<Result<std::unique_ptr<Stream>>> connect(
    ConnectOptions options);

}  // namespace holdfast::net
