#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/sockjs/transport.h"

namespace holdfast::sockjs {

enum class Endpoint : std::uint8_t { greeting, iframe, info, receive, xhr_send, jsonp_send };

/// What a request's target names.
struct Route {
    Endpoint endpoint;
    Transport transport = Transport::xhr;  ///< of `receive`
    std::string_view session = {};         ///< its name, percent-encoded as it came; views `target`
};

/// nullopt: no address of SockJS. `prefix` is "/echo", without a slash at its end. Names of servers
/// and sessions are not empty and hold no dots.
[[nodiscard]] std::optional<Route> route(std::string_view target, std::string_view prefix);
/// The target is the prefix itself or below it.
[[nodiscard]] bool is_below(std::string_view target, std::string_view prefix);
/// The value of a parameter in a query or a form, percent-encoded; nullopt: it is not there.
[[nodiscard]] std::optional<std::string_view> parameter(std::string_view query,
                                                        std::string_view name);
/// What follows the question mark.
[[nodiscard]] std::string_view query_of(std::string_view target);

}  // namespace holdfast::sockjs
