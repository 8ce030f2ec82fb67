#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::uplink {

/// What carries the messages of a line.
enum class Transport : std::uint8_t {
    websocket,
    xhr_streaming,  ///< SockJS, one long response
    xhr,            ///< SockJS, one response after the other: long polling
};

/// How a line reaches the hub: the route and the transport.
struct Path {
    bool proxied = false;  ///< through the forward proxy, with CONNECT
    Transport transport = Transport::websocket;

    friend bool operator==(const Path&, const Path&) = default;
};

/// "direct", "direct+xhr_streaming", "direct+xhr", "proxy", "proxy+xhr_streaming", "proxy+xhr".
[[nodiscard]] std::string name(Path path);
[[nodiscard]] std::optional<Path> path_from_name(std::string_view text);

}  // namespace holdfast::uplink
