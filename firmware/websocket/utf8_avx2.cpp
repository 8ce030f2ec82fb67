// Compiled for AVX2: call these functions only on a machine with AVX2.
#include <immintrin.h>

#include "firmware/websocket/utf8.h"
#include "firmware/websocket/utf8_lookup.h"

namespace holdfast::websocket::utf8 {
namespace {

struct Avx2 {
    using Vector = std::uint8_t __attribute__((vector_size(32)));

    static Vector look_up(Vector table, Vector index) {
        return reinterpret_cast<Vector>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(table),
                                                            reinterpret_cast<__m256i>(index)));
    }
};

}  // namespace

bool by_32(const std::byte* bytes, std::size_t size) {
    return by_lookup<Avx2>(reinterpret_cast<const std::uint8_t*>(bytes), size);
}

}  // namespace holdfast::websocket::utf8
