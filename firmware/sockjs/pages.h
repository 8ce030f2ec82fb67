#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/base/clock.h"
#include "firmware/http/message.h"

namespace holdfast::sockjs {

/// The responses that need no session, and the headers that all kinds of them share.

[[nodiscard]] http::Response text_response(int status, std::string_view text);
/// Allow alone: neither type nor body.
[[nodiscard]] http::Response method_not_allowed(std::string_view allowed);
[[nodiscard]] http::Response greeting();

/// The page that loads the client's script within the server's origin. `script` is the address of
/// sockjs-client; the page and its ETag depend on nothing else.
[[nodiscard]] http::Response iframe(const http::Request& request, std::string_view script,
                                    WallTime now);

struct Info {
    bool websocket;
    bool cookie_needed;
    std::uint32_t entropy;  ///< a new one each time
};
[[nodiscard]] http::Response info(const Info& info);

/// The answer to OPTIONS; `methods` is "OPTIONS, POST".
[[nodiscard]] http::Response preflight(std::string_view methods, WallTime now);

/// Any origin may use the response, with its cookies.
void add_cors(http::Response& response, const http::Request& request);
void add_no_cache(http::Response& response);
/// For load balancers that choose a client's server by this cookie.
void add_cookie(http::Response& response, const http::Request& request);

/// "Sat, 21 Nov 2026 13:00:00 GMT"
[[nodiscard]] std::string http_date(WallTime time);

}  // namespace holdfast::sockjs
