#include "firmware/sockjs/json_strings.h"

#include <charconv>
#include <memory>

namespace holdfast::sockjs {
namespace {

constexpr char32_t kReplacement = 0xfffd;

void append_utf8(std::string& out, char32_t character) {
    const auto append = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (character < 0x80) {
        append(character);
    } else if (character < 0x800) {
        append(0xc0 | character >> 6u);
        append(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        append(0xe0 | character >> 12u);
        append(0x80 | (character >> 6u & 0x3f));
        append(0x80 | (character & 0x3f));
    } else {
        append(0xf0 | character >> 18u);
        append(0x80 | (character >> 12u & 0x3f));
        append(0x80 | (character >> 6u & 0x3f));
        append(0x80 | (character & 0x3f));
    }
}

constexpr bool is_high(unsigned unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}
constexpr bool is_low(unsigned unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

}  // namespace

void JsonCursor::skip_blanks() {
    const std::size_t size = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(size == std::string_view::npos ? rest_.size() : size);
}

bool JsonCursor::take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) {
        return false;
    }
    rest_.remove_prefix(1);
    return true;
}

bool JsonCursor::at_end() {
    skip_blanks();
    return rest_.empty();
}

std::optional<std::string> JsonCursor::string() {
    if (!take('"')) {
        return std::nullopt;
    }
    std::string out;
    while (true) {
        std::size_t plain = 0;
        while (plain < rest_.size() && rest_[plain] != '"' && rest_[plain] != '\\' &&
               static_cast<unsigned char>(rest_[plain]) >= 0x20) {
            ++plain;
        }
        out.append(rest_.substr(0, plain));
        rest_.remove_prefix(plain);
        if (rest_.starts_with('"')) {
            rest_.remove_prefix(1);
            return out;
        }
        if (!rest_.starts_with('\\') || !escaped(out)) {
            return std::nullopt;
        }
    }
}

bool JsonCursor::escaped(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (rest_.size() < 2) {
        return false;
    }
    const char name = rest_[1];
    rest_.remove_prefix(2);
    if (name == 'u') {
        return unicode(out);
    }
    const std::size_t which = kNames.find(name);
    if (which == std::string_view::npos) {
        return false;
    }
    out.push_back(kMeanings[which]);
    return true;
}

bool JsonCursor::unicode(std::string& out) {
    const std::optional<unsigned> unit = hex4();
    if (!unit) {
        return false;
    }
    if (is_high(*unit) && rest_.starts_with("\\u")) {
        const std::string_view before = rest_;
        rest_.remove_prefix(2);
        const std::optional<unsigned> low = hex4();
        if (!low) {
            return false;
        }
        if (is_low(*low)) {
            append_utf8(out, 0x10000 + ((*unit - 0xd800) << 10u) + (*low - 0xdc00));
            return true;
        }
        rest_ = before;
    }
    append_utf8(out, is_high(*unit) || is_low(*unit) ? kReplacement : char32_t{*unit});
    return true;
}

std::optional<unsigned> JsonCursor::hex4() {
    unsigned value = 0;
    if (rest_.size() < 4) {
        return std::nullopt;
    }
    const std::string_view digits = rest_.substr(0, 4);
    const char* const after = std::to_address(digits.end());
    const auto [end, error] = std::from_chars(std::to_address(digits.begin()), after, value, 16);
    if (error != std::errc() || end != after) {
        return std::nullopt;
    }
    rest_.remove_prefix(4);
    return value;
}

std::optional<unsigned> JsonCursor::number() {
    skip_blanks();
    unsigned value = 0;
    const char* const begin = rest_.data();
    const auto [end, error] = std::from_chars(begin, begin + rest_.size(), value);
    const auto size = static_cast<std::size_t>(end - begin);
    if (error != std::errc() || size > 4) {
        return std::nullopt;
    }
    rest_.remove_prefix(size);
    return value;
}

}  // namespace holdfast::sockjs
