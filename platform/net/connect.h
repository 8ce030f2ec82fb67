#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "platform/net/stream.h"
#include "platform/net/tls.h"

namespace holdfast::net {

struct ConnectOptions {
    std::string host;
    std::uint16_t port = 0;
    std::shared_ptr<TlsContext> tls;  ///< null: plain
    Duration resolve_timeout = std::chrono::seconds(10);
    Duration connect_timeout = std::chrono::seconds(10);
    Duration tls_timeout = std::chrono::seconds(10);
    /// RFC 8305: the next address is tried when the one before has not answered for so long.
    Duration attempt_delay = std::chrono::milliseconds(250);
    StreamOptions stream;
};

/// Resolves, connects (IPv6 and IPv4 in turn, RFC 8305, "happy eyeballs"), and shakes hands over TLS with SNI, host name and chain verified.
/// Errors: not_found (no such host), refused, timeout (which step), untrusted (which of: expired, not yet valid, self-signed or unknown issuer, wrong name),
/// io. Cancelling the coroutine releases everything.
[[nodiscard]] boost::asio::awaitable<Result<std::unique_ptr<Stream>>> connect(ConnectOptions options);

}  // namespace holdfast::net
