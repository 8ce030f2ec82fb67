#include <array>

#include "firmware/base/text.h"

namespace holdfast {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

constexpr std::array<signed char, 256> base64_values() {
    std::array<signed char, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < kBase64Digits.size(); ++i) {
        values[static_cast<unsigned char>(kBase64Digits[i])] = static_cast<signed char>(i);
    }
    return values;
}

constexpr auto kBase64Values = base64_values();

}  // namespace

std::string to_hex(ByteView bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const std::byte byte : bytes) {
        out.push_back(kHexDigits[std::to_integer<unsigned>(byte) >> 4u]);
        out.push_back(kHexDigits[std::to_integer<unsigned>(byte) & 15u]);
    }
    return out;
}

Result<Bytes> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) {
        return fail(ErrorCode::invalid, "hexadecimal text has an odd number of digits");
    }
    Bytes out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return fail(ErrorCode::invalid, "not a hexadecimal digit at position " +
                                                std::to_string(i + (high < 0 ? 0 : 1)));
        }
        out.push_back(static_cast<std::byte>(high * 16 + low));
    }
    return out;
}

std::string to_base64(ByteView bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t present = bytes.size() - i < 3 ? bytes.size() - i : 3;
        unsigned group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8u | (j < present ? std::to_integer<unsigned>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out.push_back(j <= present ? kBase64Digits[group >> (18u - 6u * j) & 63u] : '=');
        }
    }
    return out;
}

Result<Bytes> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return fail(ErrorCode::invalid, "base64 text's length is not a multiple of four");
    }
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    Bytes out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t present = i + 4 == text.size() ? 4 - padding : 4;
        unsigned group = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const int value =
                j < present ? kBase64Values[static_cast<unsigned char>(text[i + j])] : 0;
            if (value < 0) {
                return fail(ErrorCode::invalid,
                            "not a base64 digit at position " + std::to_string(i + j));
            }
            group = group << 6u | static_cast<unsigned>(value);
        }
        // Bits that no byte uses must be zero, so that each text has one meaning and each meaning
        // one text.
        if ((present == 2 && (group & 0xFFFFu) != 0) || (present == 3 && (group & 0xFFu) != 0)) {
            return fail(ErrorCode::invalid, "base64 text ends in stray bits");
        }
        for (std::size_t j = 0; j + 1 < present; ++j) {
            out.push_back(static_cast<std::byte>(group >> (16u - 8u * j) & 0xFFu));
        }
    }
    return out;
}

}  // namespace holdfast
