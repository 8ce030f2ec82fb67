#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"
#include "firmware/http/message.h"

namespace holdfast::http {

/// A forward proxy that is spoken to in plain HTTP.
struct Proxy {
    std::string host;
    std::uint16_t port = 0;
    std::string user, password;  ///< "" if absent

    /// "proxy.example:3128", without the password: for logs.
    [[nodiscard]] std::string authority() const;
};

/// "http://user:secret@proxy.example:3128"; "proxy.example:3128" will do, as in the environment.
/// The port must be named, for there is no agreed default. Errors: invalid (says what is wrong),
/// unsupported (https://, socks5:// and the like).
[[nodiscard]] Result<Proxy> parse_proxy(std::string_view text);

/// Whether `host` is to be reached without the proxy by the list of no_proxy: "*", or names,
/// domains (".example.com" and "example.com" both mean the domain and all below it), addresses and
/// networks ("10.0.0.0/8"), each with a port or without, separated by commas or blanks.
[[nodiscard]] bool bypasses_proxy(std::string_view no_proxy, std::string_view host,
                                  std::uint16_t port);

/// Opens a tunnel through a proxy (RFC 9110, Section 9.3.6): the request, and the answer to it.
class ProxyTunnel {
public:
    /// `host` and `port` of the far end.
    ProxyTunnel(Proxy proxy, std::string host, std::uint16_t port, std::string user_agent);

    /// With Basic credentials (RFC 7617) if the proxy has a user.
    [[nodiscard]] std::string request() const;
    /// Takes the proxy's answer off `bytes`. True: the tunnel stands, and what is left in `bytes`
    /// comes from the far end. False: not complete yet. Errors, each naming the proxy and what it
    /// said: unauthorized (407: credentials missing or wrong), refused (403, 405 and other 4xx: it
    /// does not let us through), not_found (502, 503, 504: it does not reach the hub), unsupported
    /// (any other status), invalid (no HTTP), too_large (head over 16 KiB). After an error the
    /// connection is to be closed.
    [[nodiscard]] Result<bool> next(ByteView& bytes);

private:
    Proxy proxy_;
    std::string host_;
    std::uint16_t port_;
    std::string user_agent_;
    ResponseReader reader_;
};

}  // namespace holdfast::http
