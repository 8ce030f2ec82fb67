// Each way of masking that this machine can run, at any alignment and key offset, against one byte
// after the other.
#include "firmware/websocket/mask.h"

#include <vector>

#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    std::array<std::byte, 4> key{};
    for (std::byte& byte : key) {
        byte = std::byte{input.byte()};
    }
    const std::size_t offset = input.byte();
    const std::size_t misaligned = input.byte() % 64;
    const ByteView payload = input.rest();

    Bytes expected(payload.begin(), payload.end());
    bool ascii = true;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] ^= key[(offset + i) % 4];
        ascii = ascii && (expected[i] & std::byte{0x80}) == std::byte{};
    }

    // The payload ends where the memory does, so that the sanitizer sees a byte too many.
    const auto compare = [&](auto apply) {
        Bytes memory(misaligned + payload.size());
        std::copy(payload.begin(), payload.end(),
                  memory.begin() + static_cast<std::ptrdiff_t>(misaligned));
        const std::span<std::byte> bytes = std::span(memory).subspan(misaligned);
        HOLDFAST_CHECK(apply(bytes) == ascii);
        HOLDFAST_CHECK(std::ranges::equal(bytes, expected));
        HOLDFAST_CHECK(std::ranges::all_of(std::span(memory).first(misaligned),
                                           [](std::byte byte) { return byte == std::byte{}; }));
    };
    compare([&](std::span<std::byte> bytes) { return apply_mask(bytes, key, offset); });
    std::vector<masking::Function*> functions{masking::by_8, masking::by_16, masking::best};
#ifdef __x86_64__
    if (masking::has_avx2()) {
        functions.push_back(masking::by_32);
    }
#endif
    const masking::Key turned = masking::turned(std::bit_cast<masking::Key>(key), offset);
    for (masking::Function* function : functions) {
        if (payload.size() >= masking::kShort) {
            compare([&](std::span<std::byte> bytes) {
                return function(bytes.data(), bytes.size(), turned);
            });
        }
    }
    return 0;
}
