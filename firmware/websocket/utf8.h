#pragma once

#include <cstddef>
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
    [[nodiscard]] bool take(std::byte byte);

    std::uint8_t missing_ = 0;  ///< bytes of the character that are still to come
    std::uint8_t low_ =
        0x80;  ///< the range of the next of them: only that of the second depends on the first
    std::uint8_t high_ = 0xbf;
};

/// Whole texts are checked by one of several functions, which all do the same. They are named here
/// for the tests.
namespace utf8 {

/// Strict UTF-8. The text must not end inside a character: after a byte of 0xc0 or above there must
/// be all the bytes that it announces.
using Function = bool(const std::byte* bytes, std::size_t size);

Function by_character;  ///< on every machine; ASCII by words
#ifdef __x86_64__
Function by_16;  ///< SSSE3: only where `has_ssse3()`
Function by_32;  ///< AVX2: only where `masking::has_avx2()`
[[nodiscard]] bool has_ssse3();
#elif defined(__aarch64__)
Function by_16;  ///< NEON
#endif
Function best;  ///< what this machine does fastest

}  // namespace utf8
}  // namespace holdfast::websocket
