#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::sockjs {

/// Reads JSON from left to right, as far as SockJS needs it: strings, small numbers, punctuation.
class JsonCursor {
public:
    explicit JsonCursor(std::string_view text) : rest_(text) {}

    /// Consumes `c` and the blanks before it. False: another character follows.
    [[nodiscard]] bool take(char c);
    /// Nothing but blanks is left.
    [[nodiscard]] bool at_end();
    /// nullopt: no string follows, or a malformed one.
    [[nodiscard]] std::optional<std::string> string();
    /// A decimal number without sign, of at most four digits.
    [[nodiscard]] std::optional<unsigned> number();

private:
    void skip_blanks();
    [[nodiscard]] bool escaped(std::string& out);
    [[nodiscard]] bool unicode(std::string& out);
    [[nodiscard]] std::optional<unsigned> hex4();

    std::string_view rest_;
};

}  // namespace holdfast::sockjs
