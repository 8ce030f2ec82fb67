// Compiled for SSSE3: call these functions only on a machine with SSSE3.
#include <tmmintrin.h>

#include "firmware/websocket/utf8.h"
#include "firmware/websocket/utf8_lookup.h"

namespace holdfast::websocket::utf8 {
namespace {

struct Ssse3 {
    using Vector = std::uint8_t __attribute__((vector_size(16)));

    static Vector look_up(Vector table, Vector index) {
        return reinterpret_cast<Vector>(
            _mm_shuffle_epi8(reinterpret_cast<__m128i>(table), reinterpret_cast<__m128i>(index)));
    }
};

}  // namespace

bool by_16(const std::byte* bytes, std::size_t size) {
    return by_lookup<Ssse3>(reinterpret_cast<const std::uint8_t*>(bytes), size);
}

}  // namespace holdfast::websocket::utf8
