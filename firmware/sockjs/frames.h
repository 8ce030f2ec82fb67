#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/error.h"

namespace holdfast::sockjs {

/// What is inside a SockJS line, in both directions: JSON strings, and the frames of the server.

/// Appends `text`, which is UTF-8, as a JSON string. Escapes what JSON requires, and the characters
/// that some browsers and proxies damage (the protocol's "JSON Unicode Encoding"): U+200C-200F,
/// U+2028-202F, U+2060-206F, U+FFF0-FFFF, and all above U+FFFF as a surrogate pair.
void append_quoted(std::string& out, std::string_view text);
[[nodiscard]] std::string quoted(std::string_view text);

/// The messages in what a client sent.
struct Payload {
    std::vector<std::string> messages;  ///< UTF-8
    bool is_array = false;              ///< `["a"]`, not `"a"`
};

enum class PayloadFault {
    empty,              ///< nothing there
    broken,             ///< not JSON, or not strings
    too_many_messages,  ///< more than allowed
};

/// A JSON string, or an array of them. A lone surrogate, which a browser may send and UTF-8 cannot
/// hold, becomes U+FFFD, as it would in a native WebSocket.
[[nodiscard]] std::expected<Payload, PayloadFault> read_payload(std::string_view text,
                                                                std::size_t max_messages);

/// `a["x","y"]` of messages that are quoted already.
[[nodiscard]] std::string messages_frame(std::span<const std::string> quoted_messages);
/// `c[3000,"Go away!"]`
[[nodiscard]] std::string close_frame(std::uint16_t code, std::string_view reason);

/// A frame of the server.
struct OpenFrame {};
struct HeartbeatFrame {};
struct MessagesFrame {
    std::vector<std::string> messages;
};
struct CloseFrame {
    std::uint16_t code;
    std::string reason;
};
using ServerFrame = std::variant<OpenFrame, HeartbeatFrame, MessagesFrame, CloseFrame>;

/// Parses one frame without its delimiter. The prelude (many `h`) counts as a heartbeat. Errors:
/// invalid (not a SockJS frame), too_large (more messages than allowed).
[[nodiscard]] Result<ServerFrame> read_server_frame(std::string_view frame,
                                                    std::size_t max_messages);

/// Not of SockJS's own protocol: the request that opens a session by xhr or xhr_streaming may carry
/// the session's first message, an Envelope as text, in the header `name`. A server that takes it
/// answers with the same header and the value `taken`. No name: there is no such header.
struct GreetingHeader {
    std::string name = {};
    std::string taken = {};
};

/// Bytes as a message's text, and back: base64, for reasons that README.md gives. Errors: invalid.
[[nodiscard]] std::string envelope_text(ByteView envelope);
[[nodiscard]] Result<Bytes> envelope_bytes(std::string_view text);

}  // namespace holdfast::sockjs
