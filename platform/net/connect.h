#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

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
    /// In place of the system's resolver; must not block.
    std::function<std::vector<boost::asio::ip::address>(const std::string& host)> resolve;
};

/// Resolves, connects (IPv6 and IPv4 in turn, RFC 8305, "happy eyeballs"), and shakes hands over
/// TLS with SNI, host name and chain verified. Errors: not_found (no such host), refused, timeout
/// (which step), untrusted (which of: expired, not yet valid, self-signed or unknown issuer, wrong
/// name), closed, io, and those of TLS (tls_errors.h). The sentence names host, port and step.
/// Cancelling the coroutine releases everything; it must run on the io_context's own thread.
///
/// A TLS 1.3 server looks at our certificate after our handshake is done: that it refuses it is
/// told by `on_closed`.
[[nodiscard]] boost::asio::awaitable<Result<std::unique_ptr<Stream>>> connect(
    ConnectOptions options);

}  // namespace holdfast::net
