#pragma once

#include "firmware/websocket/mask.h"

namespace holdfast::websocket::masking {

/// Masks at least one word's size, a word a step. The unaligned ends are read first and written
/// last, and the steps between are aligned: no step crosses a cache line, and nothing is left over.
///
/// It calls only templates of this `Word`. So a file compiled for a better machine defines no
/// function that the linker could use for another file.
template <class Word>
[[nodiscard]] bool long_payload(std::byte* bytes, std::size_t size, Key key) {
    std::byte* const end = bytes + size;
    Word front;
    Word back;
    std::memcpy(&front, bytes, sizeof(Word));
    std::memcpy(&back, end - sizeof(Word), sizeof(Word));

    const std::size_t skipped =
        sizeof(Word) - reinterpret_cast<std::uintptr_t>(bytes) % sizeof(Word);
    std::byte* at = bytes + skipped;
    const Word middle_key = repeated<Word>(turned(key, skipped));
    Word seen{};
    const auto step = [&seen, middle_key](std::byte* place) {
        Word word;
        std::memcpy(&word, place, sizeof word);
        word ^= middle_key;
        seen |= word;
        std::memcpy(place, &word, sizeof word);
    };
    for (; static_cast<std::size_t>(end - at) >= 4 * sizeof(Word); at += 4 * sizeof(Word)) {
        step(at);
        step(at + sizeof(Word));
        step(at + 2 * sizeof(Word));
        step(at + 3 * sizeof(Word));
    }
    for (; static_cast<std::size_t>(end - at) >= sizeof(Word); at += sizeof(Word)) {
        step(at);
    }

    front ^= repeated<Word>(key);
    back ^= repeated<Word>(turned(key, size));
    std::memcpy(bytes, &front, sizeof(Word));
    std::memcpy(end - sizeof(Word), &back, sizeof(Word));
    return is_ascii<Word>(seen | front | back);
}

}  // namespace holdfast::websocket::masking
