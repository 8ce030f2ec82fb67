#pragma once

#include <cstdint>

#include "firmware/base/bytes.h"

namespace holdfast::websocket {

/// Strict UTF-8 (RFC 3629) over text that comes in pieces, which may be cut inside a character (RFC
/// 6455, Section 8.1).
class Utf8Validator {
public:
    /// False as soon as the bytes so far cannot become valid text, whatever follows: no overlong
    /// forms, no surrogates, nothing above U+10FFFF. Then the validator must not be used again.
    [[nodiscard]] bool feed(ByteView bytes);

    /// Not inside a character.
    [[nodiscard]] bool complete() const { return missing_ == 0; }

private:
    [[nodiscard]] bool begin(unsigned char lead);

    std::uint8_t missing_ = 0;  ///< bytes of the character that are still to come
    std::uint8_t low_ =
        0x80;  ///< the range of the next of them: only that of the second depends on the first
    std::uint8_t high_ = 0xbf;
};

}  // namespace holdfast::websocket
