#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/base/bytes.h"

namespace holdfast::websocket {

/// Raw deflate for messages of up to `kMostBytes`, each by itself, in one block with the fixed
/// Huffman codes (RFC 1951, Section 3.2.6).
///
/// Why not zlib: for a small message it spends most of its time on clearing tables and building
/// codes, which rarely make the message smaller. Measured with sensors' JSON beside zlib's level 1,
/// in nanoseconds and bytes: 45 against 1,570 for 20 bytes (nothing can be gained there); 310
/// against 4,200 for 256 bytes, 126 against 125 bytes out; 640 against 7,440 for 1 KiB, 243 against
/// 210; 1,070 against 9,400 for 2 KiB, 391 against 318.
class SmallCompressor {
public:
    static constexpr std::size_t kMostBytes = 2048;

    /// The first position makes no difference to the output; tests use it to reach the last one.
    explicit SmallCompressor(std::uint32_t first_position = 1) : base_(first_position) {}

    /// Room that `compress` needs for a message of this size, whatever is in it.
    [[nodiscard]] static constexpr std::size_t room_bytes(std::size_t size_bytes) {
        // Nine bits a byte at worst, the ends of the blocks, and a word that is written whole.
        return size_bytes + size_bytes / 8 + 16;
    }

    /// Writes the compressed form of `message`, without the last four bytes of its flush (RFC 7692,
    /// Section 7.2.1), to `out`, which has `room_bytes`. Returns its size, which may be larger than
    /// the message's. No distance exceeds `window_bytes`.
    [[nodiscard]] std::size_t compress(ByteView message, std::size_t window_bytes,
                                       std::span<std::byte> out);

private:
    static constexpr unsigned kHashBits = 10;

    /// The last position of three bytes with this hash. Positions go on from message to message, so
    /// that nothing has to be cleared: a position before `base_` belongs to an earlier message.
    std::array<std::uint32_t, std::size_t{1} << kHashBits> last_seen_{};
    std::uint32_t base_;
};

}  // namespace holdfast::websocket
