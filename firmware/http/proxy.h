#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

namespace holdfast::http {

/// A forward proxy, reached by plain HTTP.
struct Proxy {
    std::string host;  ///< without brackets
    std::uint16_t port = 0;
    std::string user, password;  ///< "" if absent

    /// "proxy.example:3128", without user and password: for logs.
    [[nodiscard]] std::string authority() const;
};

/// "http://user:secret@proxy.example:3128"; "proxy.example:3128" is accepted too, as in the
/// environment. The port is required, because there is no agreed default. Errors: invalid (says
/// what is wrong), unsupported (https://, socks5:// and others). Their messages continue a sentence
/// that begins with the name of the parsed value ("names no port; …") and never repeat a password.
[[nodiscard]] Result<Proxy> parse_proxy(std::string_view text);

/// Whether no_proxy lists `host`, so that it is reached without the proxy. The list is "*", or
/// names, domains (".example.com" and "example.com" both mean the domain and all below it),
/// addresses and networks ("10.0.0.0/8"), each with or without a port, separated by commas or
/// blanks. A malformed entry matches nothing, as with curl.
[[nodiscard]] bool bypasses_proxy(std::string_view no_proxy, std::string_view host,
                                  std::uint16_t port);

/// "localhost" and all below it, 127.0.0.0/8 and ::1: for a proxy these name the proxy's own
/// machine.
[[nodiscard]] bool is_loopback(std::string_view host);

/// Opens a tunnel through a proxy (RFC 9110, Section 9.3.6): the request, and the answer to it.
/// The result does not depend on how the bytes were split.
class ProxyTunnel {
public:
    /// All heads of the answer together, the interim ones (1xx) included.
    static constexpr std::size_t kHeadLimitBytes = 16u << 10;

    /// `host` and `port` of the far end; the host without brackets.
    ProxyTunnel(Proxy proxy, std::string host, std::uint16_t port, std::string user_agent);

    /// With Basic credentials (RFC 7617) if the proxy has a user.
    [[nodiscard]] std::string request() const;
    /// Consumes the proxy's answer from `bytes`. True: the tunnel is open, and the rest of `bytes`
    /// comes from the far end. False: not complete yet, `bytes` is empty. Errors, each naming the
    /// proxy and what it said: unauthorized (407: credentials missing or wrong), refused (403, 405
    /// and other 4xx: it does not let us through), not_found (502, 503, 504: it does not reach the
    /// hub), unsupported (any other status; a web page in place of a tunnel), invalid (no HTTP),
    /// too_large (over `kHeadLimitBytes`). After an error the connection is to be closed, and
    /// `next` must not be called again.
    [[nodiscard]] Result<bool> next(ByteView& bytes);

private:
    [[nodiscard]] Result<bool> judge() const;
    [[nodiscard]] Error no_http() const;

    Proxy proxy_;
    std::string host_;
    std::uint16_t port_;
    std::string user_agent_;
    std::string head_;            ///< of the answer that is under way; never more than the limit
    std::size_t head_bytes_ = 0;  ///< of all heads so far
    std::size_t line_begin_ = 0;  ///< of the line under way, in `head_`
};

}  // namespace holdfast::http
