#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "firmware/base/error.h"
#include "platform/net/connect.h"
#include "platform/net/socket_stream.h"

namespace holdfast::net {

/// Has the proxy of `options`, to which `socket` is connected, open a tunnel to the host and port
/// of `options`. Not a byte is read that comes from the far end. Errors: those of
/// http::ProxyTunnel; timeout (no whole answer within proxy_timeout, however it dribbles), closed,
/// io. The sentence names the proxy. Then the socket is to be closed.
[[nodiscard]] boost::asio::awaitable<Result<void>> open_tunnel(boost::asio::io_context& io,
                                                               Socket& socket,
                                                               const ConnectOptions& options);

}  // namespace holdfast::net
