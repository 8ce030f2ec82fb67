#include "firmware/websocket/deflate_small.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "firmware/base/check.h"

namespace holdfast::websocket {
namespace {

constexpr std::size_t kShortestMatch = 3;
constexpr std::size_t kLongestMatch = 258;

/// Bits as they go into the stream: the first of them is the lowest.
struct Code {
    std::uint32_t bits;
    std::uint32_t count;
};

/// A Huffman code is written from its highest bit on (RFC 1951, Section 3.1.1).
constexpr Code huffman(std::uint32_t code, std::uint32_t count) {
    std::uint32_t bits = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        bits |= (code >> i & 1u) << (count - 1 - i);
    }
    return {bits, count};
}

/// RFC 1951, Section 3.2.6.
constexpr Code fixed_code(std::uint32_t symbol) {
    return symbol < 144   ? huffman(0x30 + symbol, 8)
           : symbol < 256 ? huffman(0x190 + symbol - 144, 9)
           : symbol < 280 ? huffman(symbol - 256, 7)
                          : huffman(0xc0 + symbol - 280, 8);
}

constexpr auto kLiterals = [] {
    std::array<Code, 256> codes{};
    for (std::uint32_t i = 0; i < codes.size(); ++i) {
        codes[i] = fixed_code(i);
    }
    return codes;
}();

/// By length - 3, with the extra bits (RFC 1951, Section 3.2.5).
constexpr auto kLengths = [] {
    std::array<Code, kLongestMatch - kShortestMatch + 1> codes{};
    std::uint32_t length = 0;
    for (std::uint32_t symbol = 257; symbol < 285; ++symbol) {
        const std::uint32_t extra = symbol < 265 ? 0 : (symbol - 261) / 4;
        for (std::uint32_t i = 0; i < 1u << extra && length < codes.size(); ++i) {
            const Code code = fixed_code(symbol);
            codes[length++] = {code.bits | i << code.count, code.count + extra};
        }
    }
    codes.back() = fixed_code(285);
    return codes;
}();

constexpr auto kDistanceSymbols = [] {
    std::array<std::uint32_t, 30> codes{};
    for (std::uint32_t i = 0; i < codes.size(); ++i) {
        codes[i] = huffman(i, 5).bits;
    }
    return codes;
}();

constexpr Code distance_code(std::uint32_t distance) {
    const std::uint32_t above = distance - 1;
    if (above < 4) {
        return {kDistanceSymbols[above], 5};
    }
    const auto extra = static_cast<std::uint32_t>(std::bit_width(above)) - 2;
    const std::uint32_t symbol = 2 * extra + (above >> extra);
    return {kDistanceSymbols[symbol] | (above & ((1u << extra) - 1)) << 5u, 5 + extra};
}

/// Gathers bits and writes them by bytes; up to eight bytes behind the end are overwritten.
class BitWriter {
public:
    explicit BitWriter(std::byte* out) : at_(out) {}

    /// At most 57 bits between two flushes.
    void put(Code code) {
        bits_ |= std::uint64_t{code.bits} << count_;
        count_ += code.count;
    }
    void flush() {
        std::uint64_t word = bits_;
        if constexpr (std::endian::native == std::endian::big) {
            word = __builtin_bswap64(word);
        }
        std::memcpy(at_, &word, sizeof(word));
        at_ += count_ / 8;
        bits_ >>= count_ & ~7u;
        count_ &= 7u;
    }
    /// Fills the last byte with zeros. Returns the end.
    std::byte* finish() {
        count_ = (count_ + 7u) & ~7u;
        flush();
        return at_;
    }

private:
    std::byte* at_;
    std::uint64_t bits_ = 0;
    std::uint32_t count_ = 0;
};

std::uint32_t three_bytes(const std::byte* at) {
    return std::to_integer<std::uint32_t>(at[0]) | std::to_integer<std::uint32_t>(at[1]) << 8u |
           std::to_integer<std::uint32_t>(at[2]) << 16u;
}

std::size_t match_length(const std::byte* earlier, const std::byte* at, const std::byte* end) {
    const std::byte* const begin = at;
    end = std::min(end, at + kLongestMatch);
    if constexpr (std::endian::native == std::endian::little) {
        for (; end - at >= 8; at += 8, earlier += 8) {
            std::uint64_t a = 0;
            std::uint64_t b = 0;
            std::memcpy(&a, earlier, 8);
            std::memcpy(&b, at, 8);
            if (a != b) {
                return static_cast<std::size_t>(at - begin) +
                       static_cast<std::size_t>(std::countr_zero(a ^ b)) / 8;
            }
        }
    }
    while (at != end && *at == *earlier) {
        ++at;
        ++earlier;
    }
    return static_cast<std::size_t>(at - begin);
}

}  // namespace

std::size_t SmallCompressor::compress(ByteView message, std::size_t window_bytes,
                                      std::span<std::byte> out) {
    HOLDFAST_CHECK(message.size() <= kMostBytes && out.size() >= room_bytes(message.size()));
    if (base_ > UINT32_MAX - kMostBytes) {
        last_seen_.fill(0);
        base_ = 1;
    }
    const std::byte* const begin = message.data();
    const std::byte* const end = begin + message.size();
    BitWriter writer(out.data());
    writer.put({0b010, 3});  // not the last block, fixed codes
    const std::byte* at = begin;
    while (static_cast<std::size_t>(end - at) >= kShortestMatch) {
        const std::uint32_t position = base_ + static_cast<std::uint32_t>(at - begin);
        const std::uint32_t next = three_bytes(at);
        std::uint32_t& seen = last_seen_[next * 0x9e3779b1u >> (32 - kHashBits)];
        const std::uint32_t distance = position - seen;
        const bool same_message = seen >= base_;
        seen = position;
        if (same_message && distance <= window_bytes && three_bytes(at - distance) == next) {
            const std::size_t length = match_length(at - distance, at, end);
            writer.put(kLengths[length - kShortestMatch]);
            writer.put(distance_code(distance));
            at += length;
        } else {
            writer.put(kLiterals[std::to_integer<std::size_t>(*at)]);
            ++at;
        }
        writer.flush();
    }
    for (; at != end; ++at) {
        writer.put(kLiterals[std::to_integer<std::size_t>(*at)]);
        writer.flush();
    }
    base_ += static_cast<std::uint32_t>(message.size());
    writer.put(fixed_code(256));  // end of block
    writer.put({0, 3});           // an empty stored block, whose other bytes are not sent
    return static_cast<std::size_t>(writer.finish() - out.data());
}

}  // namespace holdfast::websocket
