// Compiled for AVX2: call these functions only on a machine with AVX2.
#include "firmware/websocket/mask_long.h"

namespace holdfast::websocket::masking {

using Word32 = std::uint64_t __attribute__((vector_size(32)));

bool by_32(std::byte* bytes, std::size_t size, Key key) {
    return long_payload<Word32>(bytes, size, key);
}

}  // namespace holdfast::websocket::masking
