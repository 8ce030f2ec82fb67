#include "firmware/websocket/utf8.h"

#include <cstring>

#include "firmware/websocket/mask.h"

namespace holdfast::websocket {
namespace {

/// How many bytes at the end belong to an incomplete character, judged by its lead byte.
std::size_t unfinished_at_end(ByteView bytes) {
    for (std::size_t size = 1; size <= 3 && size <= bytes.size(); ++size) {
        const auto byte = std::to_integer<unsigned>(bytes[bytes.size() - size]);
        if (byte >= 0xc0) {
            const std::size_t announced = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
            return announced > size ? size : 0;
        }
        if (byte < 0x80) {
            return 0;
        }
    }
    return 0;
}

}  // namespace

bool Utf8Validator::feed(ByteView bytes) {
    while (missing_ != 0 && !bytes.empty()) {
        if (!take(bytes.front())) {
            return false;
        }
        bytes = bytes.subspan(1);
    }
    const std::size_t unfinished = unfinished_at_end(bytes);
    const ByteView whole = bytes.first(bytes.size() - unfinished);
    // Two unfinished characters in a row: the first can never become complete.
    if (unfinished_at_end(whole) != 0 || !utf8::best(whole.data(), whole.size())) {
        return false;
    }
    for (const std::byte byte : bytes.last(unfinished)) {
        if (!take(byte)) {
            return false;
        }
    }
    return true;
}

/// A byte of a character of several bytes.
bool Utf8Validator::take(std::byte byte) {
    const auto number = std::to_integer<unsigned>(byte);
    if (missing_ != 0) {
        if (number < low_ || number > high_) {
            return false;
        }
        --missing_;
        low_ = 0x80;
        high_ = 0xbf;
        return true;
    }
    if (number < 0xc2 || number > 0xf4) {
        return false;
    }
    missing_ = number < 0xe0 ? 1 : number < 0xf0 ? 2 : 3;
    low_ = number == 0xe0 ? 0xa0 : number == 0xf0 ? 0x90 : 0x80;
    high_ = number == 0xed ? 0x9f : number == 0xf4 ? 0x8f : 0xbf;
    return true;
}

namespace utf8 {
namespace {

bool is_ascii_word(const std::byte* bytes) {
    masking::Word16 word;
    std::memcpy(&word, bytes, sizeof word);
    return masking::is_ascii(word);
}

/// The size of the character, of two bytes or more, at the front; 0: there is none.
std::size_t character_size(const std::byte* bytes, std::size_t size) {
    const auto at = [bytes](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
    const auto follows = [&at](std::size_t i) { return (at(i) & 0xc0u) == 0x80; };
    const unsigned lead = at(0);
    if (lead < 0xe0) {
        return lead >= 0xc2 && size >= 2 && follows(1) ? 2 : 0;
    }
    // Section 4 of RFC 3629 in numbers: the lead and its next byte tell overlong forms, surrogates
    // and what is above U+10FFFF.
    if (lead < 0xf0) {
        if (size < 3 || !follows(1) || !follows(2)) {
            return 0;
        }
        const unsigned bits = (lead & 0x0fu) << 6u | (at(1) & 0x3fu);
        return bits >= 0x20 && bits >> 5u != 0x1b ? 3 : 0;
    }
    if (size < 4 || !follows(1) || !follows(2) || !follows(3)) {
        return 0;
    }
    const unsigned bits = (lead & 0x0fu) << 6u | (at(1) & 0x3fu);
    return bits >= 0x10 && bits <= 0x10f ? 4 : 0;
}

}  // namespace

bool by_character(const std::byte* bytes, std::size_t size) {
    std::size_t at = 0;
    while (at < size) {
        if (size - at >= sizeof(masking::Word16) && is_ascii_word(bytes + at)) {
            at += sizeof(masking::Word16);
            continue;
        }
        while (at < size && (bytes[at] & std::byte{0x80}) == std::byte{}) {
            ++at;
        }
        // After one character that is not ASCII, another is likely.
        while (at < size && (bytes[at] & std::byte{0x80}) != std::byte{}) {
            const std::size_t character = character_size(bytes + at, size - at);
            if (character == 0) {
                return false;
            }
            at += character;
        }
    }
    return true;
}

#ifdef __x86_64__

bool has_ssse3() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("ssse3") != 0;
}

namespace {

// False during static initialisation, which is valid too.
const bool kAvx2 = masking::has_avx2();
const bool kSsse3 = has_ssse3();

bool by_best_vector(const std::byte* bytes, std::size_t size) {
    return kAvx2 ? by_32(bytes, size) : kSsse3 ? by_16(bytes, size) : by_character(bytes, size);
}

}  // namespace

#elif defined(__aarch64__)

namespace {

bool by_best_vector(const std::byte* bytes, std::size_t size) {
    return by_16(bytes, size);
}

}  // namespace

#else

namespace {

bool by_best_vector(const std::byte* bytes, std::size_t size) {
    return by_character(bytes, size);
}

}  // namespace

#endif

bool best(const std::byte* bytes, std::size_t size) {
    // A vector's first step costs as much as 100 bytes of ASCII, or ten other characters.
    std::size_t ascii = 0;
    while (ascii < 128 && size - ascii >= sizeof(masking::Word16) && is_ascii_word(bytes + ascii)) {
        ascii += sizeof(masking::Word16);
    }
    const std::size_t rest = size - ascii;
    return rest < 32 ? by_character(bytes + ascii, rest) : by_best_vector(bytes + ascii, rest);
}

}  // namespace utf8
}  // namespace holdfast::websocket
