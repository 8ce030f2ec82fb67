#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::sockjs {

/// How frames reach a client.
enum class Transport : std::uint8_t {
    websocket,      ///< one frame a message
    raw_websocket,  ///< no frames: the application's messages as they are
    xhr,            ///< one frame a response
    jsonp,          ///< one frame a response, in a script
    xhr_streaming,  ///< many frames a response, until it has become long
    eventsource,
    htmlfile,
};

[[nodiscard]] constexpr bool is_socket(Transport transport) {
    return transport == Transport::websocket || transport == Transport::raw_websocket;
}
[[nodiscard]] constexpr bool is_polling(Transport transport) {
    return transport == Transport::xhr || transport == Transport::jsonp;
}
/// Their requests name a function of the page, in the parameter `c`.
[[nodiscard]] constexpr bool needs_callback(Transport transport) {
    return transport == Transport::jsonp || transport == Transport::htmlfile;
}
/// Scripts of other origins may use these transports: the answers get CORS headers.
[[nodiscard]] constexpr bool is_shared(Transport transport) {
    return !needs_callback(transport);
}

[[nodiscard]] std::string_view content_type(Transport transport);
/// The beginning of a streaming response: padding, because browsers hold the first bytes back.
[[nodiscard]] std::string prelude(Transport transport, std::string_view callback);
/// A frame as it stands in the response.
[[nodiscard]] std::string wrapped(Transport transport, std::string frame,
                                  std::string_view callback);

}  // namespace holdfast::sockjs
