#include "firmware/journal/cursor.h"

#include <array>
#include <charconv>

namespace holdfast::journal {

namespace {

Result<std::uint64_t> parse_number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return fail(ErrorCode::invalid, "a cursor like 1f0c-42 is expected");
    }
    return value;
}

}  // namespace

std::string to_text(const Cursor& cursor) {
    std::array<char, 16> hex{};
    const char* end = std::to_chars(hex.data(), hex.data() + hex.size(), cursor.generation, 16).ptr;
    std::string text(static_cast<const char*>(hex.data()), end);
    return text + '-' + std::to_string(cursor.position);
}

Result<Cursor> parse_cursor(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
        const auto position = parse_number(text, 10);
        return position ? Result<Cursor>(Cursor{0, *position}) : std::unexpected(position.error());
    }
    const auto generation = parse_number(text.substr(0, dash), 16);
    const auto position = parse_number(text.substr(dash + 1), 10);
    if (!generation || !position) {
        return std::unexpected(!generation ? generation.error() : position.error());
    }
    return Cursor{*generation, *position};
}

const char* to_string(Missed::Why why) {
    switch (why) {
        case Missed::Why::other_generation:
            return "other-generation";
        case Missed::Why::future:
            return "future";
        case Missed::Why::gone:
            return "gone";
    }
    return "unknown";
}

}  // namespace holdfast::journal
