#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "firmware/base/text.h"
#include "firmware/telemetry/json.h"

namespace holdfast::telemetry {
namespace {

/// The size of the character at the front of `bytes`, or 0 if there is no whole one.
std::size_t character_size(ByteView bytes) {
    for (std::size_t length = 1; length <= 4 && length <= bytes.size(); ++length) {
        if (is_utf8(bytes.first(length))) {
            return length;
        }
    }
    return 0;
}

void append_escaped(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (code >= 0x20) {
            out.push_back(c);
        } else if (c == '\n') {
            out.append("\\n");
        } else if (c == '\t') {
            out.append("\\t");
        } else {
            out.append("\\u00").push_back(kHex[code >> 4u]);
            out.push_back(kHex[code & 15u]);
        }
    }
}

void append_double(std::string& out, double number) {
    if (!std::isfinite(number)) {
        out.append("{\"double\":\"");
        out.append(std::isnan(number) ? "NaN"
                   : number < 0       ? "-Infinity"
                                      : "Infinity")
            .append("\"}");
        return;
    }
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
    out.append(text);
    // Without a point or an exponent it would come back as an integer.
    if (text.find_first_of(".e") == std::string_view::npos) {
        out.append(".0");
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    ByteView rest = as_bytes(text);
    if (is_utf8(rest)) {
        append_escaped(out, text);
    } else {
        // The string may hold any bytes, but JSON must be UTF-8.
        while (!rest.empty()) {
            const std::size_t size = character_size(rest);
            if (size == 0) {
                out.append("\uFFFD");
            } else {
                append_escaped(out, as_text(rest.first(size)));
            }
            rest = rest.subspan(std::max<std::size_t>(size, 1));
        }
    }
    out.push_back('"');
}

void append_json(std::string& out, const Value& value) {
    if (const auto* number = std::get_if<double>(&value)) {
        append_double(out, *number);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        out.append(std::to_string(*integer));
    } else if (const auto* truth = std::get_if<bool>(&value)) {
        out.append(*truth ? "true" : "false");
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        append_json_string(out, *text);
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
        out.append("{\"base64\":\"").append(to_base64(*bytes)).append("\"}");
    }
}

}  // namespace holdfast::telemetry
