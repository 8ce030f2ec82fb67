#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/error.h"
#include "firmware/http/message.h"
#include "firmware/ports/entropy.h"
#include "firmware/websocket/deflate.h"

namespace holdfast::websocket {

/// The opening handshake, RFC 6455, Section 4, on heads that the module http has parsed.

struct ClientOffer {
    std::string host = {};                    ///< the Host header
    std::string target = {};                  ///< path and query
    std::vector<std::string> protocols = {};  ///< in order of preference
    DeflatePolicy deflate = {};               ///< offered if enabled
    std::vector<std::pair<std::string, std::string>> headers =
        {};  ///< further ones: Authorization, User-Agent
};

/// One opening handshake from the client's side.
class ClientHandshake {
public:
    /// Draws the key (16 bytes, Section 4.1).
    ClientHandshake(ClientOffer offer, ports::Entropy& entropy);

    /// The request's bytes.
    [[nodiscard]] std::string request() const;

    struct Agreed {
        std::string protocol;                     ///< "" if none was chosen
        std::optional<DeflateAgreement> deflate;  ///< nullopt: the server does without
    };
    /// Errors: unauthorized (401), refused (403), unsupported (any other status than 101; the
    /// message names it, and the server's words if they are text and do not repeat our request,
    /// which may hold a token), invalid (101, but Upgrade, Connection, Accept, protocol or
    /// extension is not what Section 4.1 demands).
    [[nodiscard]] Result<Agreed> check(const http::Response& response) const;

private:
    ClientOffer offer_;
    std::string key_;
};

struct ServerPolicy {
    std::vector<std::string> protocols =
        {};  ///< supported here, in the server's order of preference; empty: none
    bool protocol_required = false;  ///< refuse (400) a client that offers none of them
    std::vector<std::string> allowed_origins =
        {};  ///< "*" allows all; a request without Origin is no browser and passes
    bool allow_same_origin = true;  ///< Origin equals the Host header
    DeflatePolicy deflate = {};
};

struct ServerAnswer {
    bool accepted = false;
    http::Response response;                  ///< 101, or the refusal: 400, 403, 405, 426
    std::string protocol;                     ///< chosen; "" for none
    std::optional<DeflateAgreement> deflate;  ///< what the response says; nullopt: not compressed
};

/// Sections 4.2.1 and 4.2.2. A wrong version gets 426 with `Sec-WebSocket-Version: 13`.
[[nodiscard]] ServerAnswer answer(const http::Request& request, const ServerPolicy& policy);

/// Whether the request asks for a WebSocket at all (Upgrade: websocket), rightly or wrongly.
[[nodiscard]] bool wants_websocket(const http::Request& request);

/// base64(SHA-1(key + GUID)), Section 4.2.2.
[[nodiscard]] std::string accept_key(std::string_view key);

}  // namespace holdfast::websocket
