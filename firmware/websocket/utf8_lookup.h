#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast::websocket::utf8 {

/// Checks a vector of bytes at once, by the method of Keiser and Lemire ("Validating UTF-8 In Less
/// Than One Instruction Per Byte", 2021): what may be wrong with two neighbours is found by three
/// tables of 16 entries, for the first one's upper and lower half and the second one's upper half.
/// An entry names, a bit each, the faults that this half allows; a fault that all three allow is
/// there.
///
/// `Machine` has a `Vector`, the compiler's of 16 or 32 `std::uint8_t`, and `look_up(table,
/// index)`, the one operation that compilers do not provide. Each file has a `Machine` type of its
/// own, so that the linker cannot use functions compiled for a better machine in another file.
namespace fault {
constexpr std::uint8_t kTooShort = 1u << 0u;   // a lead, and no continuation
constexpr std::uint8_t kTooLong = 1u << 1u;    // ASCII, and a continuation
constexpr std::uint8_t kOverlong3 = 1u << 2u;  // e0 80 to e0 9f
constexpr std::uint8_t kSurrogate = 1u << 3u;  // ed a0 to ed bf
constexpr std::uint8_t kOverlong2 = 1u << 4u;  // c0 or c1, and a continuation
constexpr std::uint8_t kTooLarge = 1u << 5u;   // f4 90 to f4 bf, f5 90 and above
constexpr std::uint8_t kOverlong4 = 1u << 6u;  // f0 80 to f0 8f; the bit is also f5 80 and above
constexpr std::uint8_t kTwoFollow = 1u << 7u;  // two continuations: right as third or fourth byte
/// The faults that do not depend on the lower half of the first byte.
constexpr std::uint8_t kAnyLow = kTooShort | kTooLong | kTwoFollow;
}  // namespace fault

using Table = std::array<std::uint8_t, 16>;

inline constexpr Table kFirstHigh = [] {
    using namespace fault;
    Table table{};
    for (std::size_t half = 0; half < 16; ++half) {
        table[half] = half < 0x8 ? kTooLong : half < 0xc ? kTwoFollow : kTooShort;
    }
    table[0xc] |= kOverlong2;
    table[0xe] |= kOverlong3 | kSurrogate;
    table[0xf] |= kTooLarge | kOverlong4;
    return table;
}();

inline constexpr Table kFirstLow = [] {
    using namespace fault;
    Table table{};
    for (std::size_t half = 0; half < 16; ++half) {
        table[half] = half < 4    ? kAnyLow
                      : half == 4 ? kAnyLow | kTooLarge
                                  : kAnyLow | kTooLarge | kOverlong4;
    }
    table[0x0] |= kOverlong2 | kOverlong3 | kOverlong4;
    table[0x1] |= kOverlong2;
    table[0xd] |= kSurrogate;
    return table;
}();

inline constexpr Table kSecondHigh = [] {
    using namespace fault;
    Table table{};
    for (std::size_t half = 0; half < 16; ++half) {
        const bool follows = half >= 0x8 && half < 0xc;
        table[half] = follows ? kTooLong | kTwoFollow | kOverlong2 : kTooShort;
    }
    table[0x8] |= kOverlong3 | kOverlong4;
    table[0x9] |= kOverlong3 | kTooLarge;
    table[0xa] |= kSurrogate | kTooLarge;
    table[0xb] |= kSurrogate | kTooLarge;
    return table;
}();

template <class Machine>
[[nodiscard]] inline typename Machine::Vector load(const void* bytes) {
    typename Machine::Vector vector;
    std::memcpy(&vector, bytes, sizeof vector);
    return vector;
}

template <class Machine>
[[nodiscard]] inline typename Machine::Vector broadcast(const Table& table) {
    typename Machine::Vector vector;
    for (std::size_t i = 0; i < sizeof vector; i += sizeof table) {
        std::memcpy(reinterpret_cast<std::uint8_t*>(&vector) + i, &table, sizeof table);
    }
    return vector;
}

/// Any bit of `bits` in any byte.
template <class Machine>
[[nodiscard]] inline bool has_any(const typename Machine::Vector& vector, std::uint8_t bits) {
    std::uint64_t words[sizeof vector / sizeof(std::uint64_t)];
    std::memcpy(words, &vector, sizeof words);
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) {
        any |= word;
    }
    return (any & bits * 0x0101010101010101u) != 0;
}

/// Not zero where something is wrong in the vector at `bytes`, as far as it can be seen from there
/// and the three bytes before, which are read.
template <class Machine>
[[nodiscard]] inline typename Machine::Vector faults(const std::uint8_t* bytes) {
    using Vector = typename Machine::Vector;
    const Vector second = load<Machine>(bytes);
    const Vector first = load<Machine>(bytes - 1);
    const Vector pair = Machine::look_up(broadcast<Machine>(kFirstHigh), first >> 4) &
                        Machine::look_up(broadcast<Machine>(kFirstLow), first & 0x0f) &
                        Machine::look_up(broadcast<Machine>(kSecondHigh), second >> 4);
    // Two continuations must be there behind a lead of three or four bytes, and nowhere else.
    const Vector third = static_cast<Vector>(load<Machine>(bytes - 2) >= 0xe0);
    const Vector fourth = static_cast<Vector>(load<Machine>(bytes - 3) >= 0xf0);
    return pair ^ ((third | fourth) & fault::kTwoFollow);
}

template <class Machine>
[[nodiscard]] bool by_lookup(const std::uint8_t* bytes, std::size_t size) {
    using Vector = typename Machine::Vector;
    constexpr std::size_t kStep = sizeof(Vector);
    // The first bytes, as if there were ASCII before and behind them.
    std::uint8_t front[4 + 2 * kStep]{};
    if (size == 0) {
        return true;  // `bytes` may be null
    }
    std::memcpy(front + 4, bytes, size < 2 * kStep ? size : 2 * kStep);
    Vector wrong = faults<Machine>(front + 4) | faults<Machine>(front + 4 + kStep);
    if (size <= 2 * kStep) {
        return !has_any<Machine>(wrong, 0xff);
    }
    std::size_t at = 2 * kStep;
    for (; size - at >= 4 * kStep; at += 4 * kStep) {
        const std::uint8_t* const block = bytes + at;
        const Vector all = load<Machine>(block - 3) | load<Machine>(block) |
                           load<Machine>(block + kStep) | load<Machine>(block + 2 * kStep) |
                           load<Machine>(block + 3 * kStep);
        if (has_any<Machine>(all, 0x80)) {
            wrong |= faults<Machine>(block) | faults<Machine>(block + kStep) |
                     faults<Machine>(block + 2 * kStep) | faults<Machine>(block + 3 * kStep);
        }
    }
    for (; size - at >= kStep; at += kStep) {
        wrong |= faults<Machine>(bytes + at);
    }
    wrong |= faults<Machine>(bytes + size - kStep);
    return !has_any<Machine>(wrong, 0xff);
}

}  // namespace holdfast::websocket::utf8
