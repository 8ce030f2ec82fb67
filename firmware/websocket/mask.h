#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace holdfast::websocket {

/// Long payloads are masked by one of several functions, which all do the same. They are named here
/// for the tests.
namespace masking {

/// The key as a word whose first byte in memory is the key's first.
using Key = std::uint32_t;

/// The key as it applies `offset` bytes further on.
[[nodiscard, gnu::always_inline]] constexpr Key turned(Key key, std::size_t offset) {
    const std::size_t bits = offset % 4 * 8;
    const std::size_t others = (32 - bits) % 32;
    return std::endian::native == std::endian::little ? key >> bits | key << others
                                                      : key << bits | key >> others;
}

/// What `apply_mask` masks by itself.
inline constexpr std::size_t kShort = 32;

/// `size` is at least `kShort`. True: what was written is ASCII.
using Function = bool(std::byte* bytes, std::size_t size, Key key);

Function by_8;   ///< 8 bytes a step, on every machine
Function by_16;  ///< SSE2 or NEON; words where the compiler may use neither
#ifdef __x86_64__
Function by_32;  ///< AVX2: only where `has_avx2()`
[[nodiscard]] bool has_avx2();
#endif
Function best;  ///< what this machine does fastest

/// A vector of 16 bytes; the compiler chooses the machine's instructions for it.
using Word16 = std::uint64_t __attribute__((vector_size(16)));

template <class Word>
[[nodiscard]] inline Word repeated(std::uint32_t value) {
    if constexpr (sizeof(Word) == sizeof(std::uint32_t)) {
        return value;
    } else {
        return Word{} + (std::uint64_t{value} << 32u | value);
    }
}

template <class Word>
[[nodiscard]] inline bool is_ascii(const Word& word) {
    const Word high_bits = word & repeated<Word>(0x80808080u);
    if constexpr (sizeof(Word) <= sizeof(std::uint64_t)) {
        return high_bits == 0;
    } else {
        std::uint64_t any = 0;
        for (std::size_t i = 0; i < sizeof(Word) / sizeof any; ++i) {
            any |= high_bits[i];
        }
        return any == 0;
    }
}

/// The two ends of `size` bytes, which may overlap: both are read before either is written. `size`
/// is one to two words. Neither loops nor touches what is beyond.
template <class Word>
[[nodiscard]] inline bool both_ends(std::byte* bytes, std::size_t size, Key key) {
    Word front;
    Word back;
    std::byte* const at_back = bytes + size - sizeof(Word);
    std::memcpy(&front, bytes, sizeof(Word));
    std::memcpy(&back, at_back, sizeof(Word));
    front ^= repeated<Word>(key);
    back ^= repeated<Word>(turned(key, size));  // a word is a multiple of the key
    std::memcpy(bytes, &front, sizeof(Word));
    std::memcpy(at_back, &back, sizeof(Word));
    return is_ascii<Word>(front | back);
}

/// At most `kShort` bytes: what a sensor sends. Inlined where frames are read.
[[nodiscard]] inline bool short_payload(std::byte* bytes, std::size_t size, Key key) {
    if (size >= 16) {
        return both_ends<Word16>(bytes, size, key);
    }
    if (size >= 8) {
        return both_ends<std::uint64_t>(bytes, size, key);
    }
    if (size >= 4) {
        return both_ends<std::uint32_t>(bytes, size, key);
    }
    const auto key_bytes = std::bit_cast<std::array<std::byte, 4>>(key);
    std::byte seen{};
    for (std::size_t i = 0; i < size; ++i) {
        seen |= bytes[i] ^= key_bytes[i];
    }
    return (seen & std::byte{0x80}) == std::byte{};
}

}  // namespace masking

/// XORs with the key, beginning at key byte `offset` modulo 4 (RFC 6455, Section 5.3); in place.
/// True: the result is all ASCII, so a text needs no further check. This costs nothing.
inline bool apply_mask(std::span<std::byte> bytes, std::array<std::byte, 4> key,
                       std::size_t offset = 0) {
    const masking::Key word = masking::turned(std::bit_cast<masking::Key>(key), offset);
    return bytes.size() <= masking::kShort
               ? masking::short_payload(bytes.data(), bytes.size(), word)
               : masking::best(bytes.data(), bytes.size(), word);
}

}  // namespace holdfast::websocket
