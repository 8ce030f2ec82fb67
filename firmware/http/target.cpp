#include <algorithm>

#include "firmware/http/message.h"
#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Splits at `separator`; "" has no parts.
std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            break;
        }
        text.remove_prefix(end + 1);
        if (text.empty()) {
            parts.emplace_back();
        }
    }
    return parts;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return std::nullopt;
        }
        out.push_back(c);
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const bool unreserved = (to_lower(c) >= 'a' && to_lower(c) <= 'z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                                c == '~';
        if (unreserved) {
            out.push_back(c);
        } else {
            const auto value = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(kDigits[value >> 4u]);
            out.push_back(kDigits[value & 15u]);
        }
    }
    return out;
}

std::optional<std::string> Target::parameter(std::string_view name) const {
    const auto found = std::ranges::find(
        query, name, [](const auto& pair) { return std::string_view(pair.first); });
    return found == query.end() ? std::nullopt : std::optional(found->second);
}

Result<Target> parse_target(std::string_view target) {
    const auto wrong = [] {
        return fail(ErrorCode::invalid, "the target's percent-encoding is wrong or holds a NUL");
    };
    if (!target.starts_with('/')) {
        return fail(ErrorCode::invalid, "the target does not begin with a slash");
    }
    Target result;
    const std::size_t question = target.find('?');
    const std::string_view path = target.substr(0, question);
    for (const std::string_view part : split(path.substr(1), '/')) {
        auto segment = percent_decode(part);
        if (!segment) {
            return wrong();
        }
        result.path.append("/").append(*segment);
        result.segments.push_back(std::move(*segment));
    }
    if (result.path.empty()) {
        result.path = "/";
    }
    if (question == std::string_view::npos) {
        return result;
    }
    for (const std::string_view pair : split(target.substr(question + 1), '&')) {
        if (pair.empty()) {
            continue;
        }
        const std::size_t equals = std::min(pair.find('='), pair.size());
        auto name = percent_decode(pair.substr(0, equals), true);
        auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
        if (!name || !value) {
            return wrong();
        }
        result.query.emplace_back(std::move(*name), std::move(*value));
    }
    return result;
}

}  // namespace holdfast::http
