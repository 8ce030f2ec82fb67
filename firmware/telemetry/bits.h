#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"

namespace holdfast::telemetry {

/// Signed numbers near zero as small unsigned ones: 0, -1, 1, -2 … become 0, 1, 2, 3 …
[[nodiscard]] constexpr std::uint64_t zigzag(std::uint64_t number) {
    return number << 1u ^ (std::uint64_t{0} - (number >> 63u));
}
[[nodiscard]] constexpr std::uint64_t unzigzag(std::uint64_t code) {
    return code >> 1u ^ (std::uint64_t{0} - (code & 1u));
}

[[nodiscard]] constexpr std::uint64_t low_bits(std::uint64_t number, unsigned bits) {
    return bits >= 64 ? number : number & ((std::uint64_t{1} << bits) - 1);
}

/// A number of 8 bytes in the order of the format, the least significant byte first.
inline void append_fixed64(Bytes& out, std::uint64_t number) {
    if constexpr (std::endian::native == std::endian::big) {
        number = __builtin_bswap64(number);
    }
    const std::size_t size = out.size();
    out.resize(size + 8);
    std::memcpy(out.data() + size, &number, 8);
}

[[nodiscard]] inline std::uint64_t load_fixed64(const std::byte* from) {
    std::uint64_t number = 0;
    std::memcpy(&number, from, 8);
    return std::endian::native == std::endian::big ? __builtin_bswap64(number) : number;
}

void append_varint(Bytes& out, std::uint64_t number);

/// Bits, least significant first, at the end of `out`. `finish` fills the last byte with zeros.
class BitWriter {
public:
    explicit BitWriter(Bytes& out) : out_(out) {}

    /// `number` has no bit set above `bits`, which is 0 to 64.
    void put(std::uint64_t number, unsigned bits) {
        held_ |= number << used_;
        if (used_ + bits < 64) {
            used_ += bits;
            return;
        }
        append_fixed64(out_, held_);
        const unsigned written = 64 - used_;
        held_ = written < 64 ? number >> written : 0;
        used_ = bits - written;
    }

    void finish() {
        for (; used_ > 0; used_ -= used_ < 8 ? used_ : 8) {
            out_.push_back(static_cast<std::byte>(held_ & 0xFFu));
            held_ >>= 8u;
        }
    }

private:
    Bytes& out_;
    std::uint64_t held_ = 0;
    /// Bits in `held_`, always below 64.
    unsigned used_ = 0;
};

/// Reads encoded bytes. The first error is kept, and everything read after it is zero. So a decoder
/// checks once for each loop that depends on the numbers read, not after each number.
class Source {
public:
    explicit Source(ByteView bytes) : bytes_(bytes) {}

    [[nodiscard]] bool ok() const { return problem_.empty(); }
    [[nodiscard]] const std::string& problem() const { return problem_; }
    /// Always false, to be returned by a decoder that found something wrong.
    bool fail(std::string_view problem);

    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
    [[nodiscard]] ByteView rest() const { return bytes_.subspan(at_); }
    void skip(std::size_t size) { at_ += size; }

    [[nodiscard]] unsigned byte();
    [[nodiscard]] std::uint64_t fixed64();
    /// Fails also where a shorter form would have said the same.
    [[nodiscard]] std::uint64_t varint();
    /// A view of the next `size` bytes.
    [[nodiscard]] ByteView take(std::uint64_t size);

private:
    ByteView bytes_;
    std::size_t at_ = 0;
    std::string problem_;
};

/// Reads what BitWriter wrote. After the end there are zeros; the caller asks `overrun` once for
/// each block.
class BitReader {
public:
    explicit BitReader(ByteView bytes) : bytes_(bytes) {}

    /// At least the next 57 bits; the bits above them must not be used.
    [[nodiscard]] std::uint64_t peek() const {
        const auto at = static_cast<std::size_t>(position_ >> 3u);
        const unsigned shift = position_ & 7u;
        return at + 8 <= bytes_.size() ? load_fixed64(bytes_.data() + at) >> shift
                                       : peek_near_end(at) >> shift;
    }
    void skip(unsigned bits) { position_ += bits; }

    [[nodiscard]] std::uint64_t get(unsigned bits) {
        if (bits <= 57) {
            const std::uint64_t number = low_bits(peek(), bits);
            skip(bits);
            return number;
        }
        const std::uint64_t low = get(32);
        return low | get(bits - 32) << 32u;
    }

    [[nodiscard]] bool overrun() const { return position_ > std::uint64_t{8} * bytes_.size(); }
    /// The bytes read, including one that was read in part. Valid only if `overrun` is false.
    [[nodiscard]] std::size_t used_bytes() const {
        return static_cast<std::size_t>((position_ + 7) >> 3u);
    }
    /// The bits that fill the last byte are zero, as they should be.
    [[nodiscard]] bool padding_is_zero() const {
        const unsigned used = position_ & 7u;
        return used == 0 || std::to_integer<unsigned>(bytes_[used_bytes() - 1]) >> used == 0;
    }

private:
    [[nodiscard]] std::uint64_t peek_near_end(std::size_t at) const;

    ByteView bytes_;
    std::uint64_t position_ = 0;
};

}  // namespace holdfast::telemetry
