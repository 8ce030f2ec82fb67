#include "firmware/sockjs/frames.h"

#include <algorithm>
#include <array>
#include <optional>

#include "firmware/base/text.h"
#include "firmware/sockjs/json_strings.h"

namespace holdfast::sockjs {
namespace {

void append_unit(std::string& out, char32_t unit) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += "\\u";
    for (unsigned shift = 16; shift > 0; shift -= 4) {
        out.push_back(kDigits[unit >> (shift - 4) & 0xfu]);
    }
}

void append_ascii(std::string& out, char c) {
    constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
    constexpr std::string_view kNames = "\"\\bfnrt";
    if (const std::size_t which = kShort.find(c); which != std::string_view::npos) {
        out.push_back('\\');
        out.push_back(kNames[which]);
    } else if (static_cast<unsigned char>(c) < 0x20) {
        append_unit(out, static_cast<unsigned char>(c));
    } else {
        out.push_back(c);
    }
}

constexpr bool is_mangled(char32_t character) {
    return (character >= 0x200c && character <= 0x200f) ||
           (character >= 0x2028 && character <= 0x202f) ||
           (character >= 0x2060 && character <= 0x206f) ||
           (character >= 0xfff0 && character <= 0xffff);
}

/// The bytes of the character that begins with `first`, in valid UTF-8.
constexpr std::size_t character_size(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

char32_t decoded(std::string_view character) {
    constexpr std::array<unsigned, 5> kFirstBits{0, 0x7f, 0x1f, 0x0f, 0x07};
    char32_t value = static_cast<unsigned char>(character[0]) & kFirstBits[character.size()];
    for (const char c : character.substr(1)) {
        value = value << 6u | (static_cast<unsigned char>(c) & 0x3fu);
    }
    return value;
}

std::optional<CloseFrame> read_close(std::string_view text) {
    JsonCursor json(text);
    if (!json.take('[')) {
        return std::nullopt;
    }
    const std::optional<unsigned> code = json.number();
    if (!code || !json.take(',')) {
        return std::nullopt;
    }
    std::optional<std::string> reason = json.string();
    if (!reason || !json.take(']') || !json.at_end()) {
        return std::nullopt;
    }
    return CloseFrame{static_cast<std::uint16_t>(*code), *std::move(reason)};
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
    out.push_back('"');
    while (!text.empty()) {
        const std::size_t size =
            std::min(text.size(), character_size(static_cast<unsigned char>(text[0])));
        const std::string_view character = text.substr(0, size);
        text.remove_prefix(size);
        const char32_t value = decoded(character);
        if (size == 1) {
            append_ascii(out, character[0]);
        } else if (value > 0xffff) {
            append_unit(out, 0xd800 + ((value - 0x10000) >> 10u));
            append_unit(out, 0xdc00 + ((value - 0x10000) & 0x3ffu));
        } else if (is_mangled(value)) {
            append_unit(out, value);
        } else {
            out.append(character);
        }
    }
    out.push_back('"');
}

std::string quoted(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    append_quoted(out, text);
    return out;
}

std::expected<Payload, PayloadFault> read_payload(std::string_view text, std::size_t max_messages) {
    JsonCursor json(text);
    if (json.at_end()) {
        return std::unexpected(PayloadFault::empty);
    }
    if (!is_utf8(as_bytes(text))) {
        return std::unexpected(PayloadFault::broken);
    }
    Payload payload;
    payload.is_array = json.take('[');
    if (payload.is_array && json.take(']')) {
        return json.at_end() ? std::expected<Payload, PayloadFault>(std::move(payload))
                             : std::unexpected(PayloadFault::broken);
    }
    do {
        std::optional<std::string> message = json.string();
        if (!message) {
            return std::unexpected(PayloadFault::broken);
        }
        if (payload.messages.size() >= max_messages) {
            return std::unexpected(PayloadFault::too_many_messages);
        }
        payload.messages.push_back(*std::move(message));
    } while (payload.is_array && json.take(','));
    if ((payload.is_array && !json.take(']')) || !json.at_end()) {
        return std::unexpected(PayloadFault::broken);
    }
    return payload;
}

std::string messages_frame(std::span<const std::string> quoted_messages) {
    std::size_t size = 3;
    for (const std::string& message : quoted_messages) {
        size += message.size() + 1;
    }
    std::string out;
    out.reserve(size);
    out += "a[";
    for (const std::string& message : quoted_messages) {
        out += message;
        out.push_back(',');
    }
    out.back() = ']';
    return out;
}

std::string close_frame(std::uint16_t code, std::string_view reason) {
    std::string out = "c[" + std::to_string(code) + ",";
    append_quoted(out, reason);
    out.push_back(']');
    return out;
}

Result<ServerFrame> read_server_frame(std::string_view frame, std::size_t max_messages) {
    const auto no_frame = [] {
        return fail(ErrorCode::invalid, "what came is no SockJS frame; a proxy may have answered");
    };
    if (frame.empty() || !is_utf8(as_bytes(frame))) {
        return no_frame();
    }
    const std::string_view rest = frame.substr(1);
    switch (frame[0]) {
        case 'o':
            return rest.empty() ? Result<ServerFrame>(OpenFrame{}) : no_frame();
        case 'h':
            return rest.find_first_not_of('h') == std::string_view::npos
                       ? Result<ServerFrame>(HeartbeatFrame{})
                       : no_frame();
        case 'c':
            if (std::optional<CloseFrame> close = read_close(rest)) {
                return *std::move(close);
            }
            return no_frame();
        case 'a':
        case 'm': {
            std::expected<Payload, PayloadFault> payload = read_payload(rest, max_messages);
            if (!payload && payload.error() == PayloadFault::too_many_messages) {
                return fail(ErrorCode::too_large, "a SockJS frame holds more than " +
                                                      std::to_string(max_messages) + " messages");
            }
            if (!payload || payload->is_array != (frame[0] == 'a')) {
                return no_frame();
            }
            return MessagesFrame{std::move(payload->messages)};
        }
        default:
            return no_frame();
    }
}

std::string envelope_text(ByteView envelope) {
    return to_base64(envelope);
}

Result<Bytes> envelope_bytes(std::string_view text) {
    return from_base64(text);
}

}  // namespace holdfast::sockjs
