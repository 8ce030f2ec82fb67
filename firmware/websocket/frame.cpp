#include "firmware/websocket/frame.h"

#include <cstring>

namespace holdfast::websocket {
namespace {

void put_big_endian(std::byte* out, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)) & 0xffu);
    }
}

}  // namespace

std::size_t write_head(std::span<std::byte, kMaxHeadSize> out, const FrameHead& head,
                       const std::optional<std::array<std::byte, 4>>& mask) {
    out[0] = static_cast<std::byte>((head.fin ? 0x80u : 0u) | (head.rsv1 ? 0x40u : 0u) |
                                    static_cast<unsigned>(head.opcode));
    const unsigned mask_bit = mask ? 0x80u : 0u;
    std::size_t size = 2;
    if (head.payload_size_bytes < 126) {
        out[1] = static_cast<std::byte>(mask_bit | head.payload_size_bytes);
    } else if (head.payload_size_bytes <= 0xffff) {
        out[1] = static_cast<std::byte>(mask_bit | 126u);
        put_big_endian(&out[2], head.payload_size_bytes, 2);
        size += 2;
    } else {
        out[1] = static_cast<std::byte>(mask_bit | 127u);
        put_big_endian(&out[2], head.payload_size_bytes, 8);
        size += 8;
    }
    if (mask) {
        std::memcpy(&out[size], mask->data(), mask->size());
        size += mask->size();
    }
    return size;
}

}  // namespace holdfast::websocket
