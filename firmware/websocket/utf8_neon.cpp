// 64-bit ARM always has the NEON that this needs.
#include <arm_neon.h>

#include "firmware/websocket/utf8.h"
#include "firmware/websocket/utf8_lookup.h"

namespace holdfast::websocket::utf8 {
namespace {

struct Neon {
    using Vector = uint8x16_t;

    static Vector look_up(Vector table, Vector index) { return vqtbl1q_u8(table, index); }
};

}  // namespace

bool by_16(const std::byte* bytes, std::size_t size) {
    return by_lookup<Neon>(reinterpret_cast<const std::uint8_t*>(bytes), size);
}

}  // namespace holdfast::websocket::utf8
