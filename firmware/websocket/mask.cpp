#include "firmware/websocket/mask.h"

#include "firmware/websocket/mask_long.h"

namespace holdfast::websocket::masking {

bool by_8(std::byte* bytes, std::size_t size, Key key) {
    return long_payload<std::uint64_t>(bytes, size, key);
}

bool by_16(std::byte* bytes, std::size_t size, Key key) {
    return long_payload<Word16>(bytes, size, key);
}

#ifdef __x86_64__

bool has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
}

namespace {
const bool kAvx2 = has_avx2();  // false during static initialisation, which is valid too
}

bool best(std::byte* bytes, std::size_t size, Key key) {
    return kAvx2 ? by_32(bytes, size, key) : by_16(bytes, size, key);
}

#elif defined(__ARM_NEON)

bool best(std::byte* bytes, std::size_t size, Key key) {
    return by_16(bytes, size, key);
}

#else

bool best(std::byte* bytes, std::size_t size, Key key) {
    return by_8(bytes, size, key);
}

#endif

}  // namespace holdfast::websocket::masking
