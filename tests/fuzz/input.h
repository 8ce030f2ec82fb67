#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/check.h"

/// What libFuzzer calls with each input: 0 keeps an input that reached something new, -1 never.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace holdfast::fuzz {

/// The bytes that steer a target, taken from the front. When they are used up everything is zero,
/// so each input means something, and one that is cut off means nearly the same.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(as_bytes({to_chars(data), size})) {}
    explicit Input(ByteView bytes) : rest_(bytes) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    [[nodiscard]] ByteView rest() const { return rest_; }

    [[nodiscard]] std::uint8_t byte() {
        return empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(take(1)[0]);
    }
    /// The least significant byte first.
    [[nodiscard]] std::uint64_t number(unsigned bytes) {
        std::uint64_t number = 0;
        for (unsigned i = 0; i < bytes; ++i) {
            number |= std::uint64_t{byte()} << (8 * i);
        }
        return number;
    }
    [[nodiscard]] std::size_t below(std::size_t end) {
        return static_cast<std::size_t>(number(end <= 0x100 ? 1 : 3) % end);
    }
    /// As many as there are, at most.
    [[nodiscard]] ByteView take(std::size_t size) {
        const ByteView taken = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

private:
    static const char* to_chars(const std::uint8_t* data) {
        return reinterpret_cast<const char*>(data);
    }
    ByteView rest_;
};

/// Calls `piece` with all of `bytes`, cut at places that `cuts` names: mostly a few bytes at a
/// time. Each piece lies in memory of its own, so that a view that is kept too long, or a byte read
/// past its end, is found by the sanitizer.
template <class Piece>
void in_pieces(ByteView bytes, Input& cuts, Piece piece) {
    do {
        const std::size_t code = cuts.byte();
        const std::size_t size =
            code == 0 ? bytes.size() : std::min(bytes.size(), code < 0xf0 ? code : code * 64);
        Bytes copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        piece(std::span<std::byte>(copy));
        bytes = bytes.subspan(size);
    } while (!bytes.empty());
}

/// A message as a peer might send it: any bytes, or what `built` makes of a kind, which comes
/// further; sometimes with one byte of it wrong.
template <class Built>
Bytes message(Input& input, Built built) {
    const unsigned kind = input.byte();
    if (kind % 4 == 0) {
        const ByteView bytes = input.take(input.byte());
        return {bytes.begin(), bytes.end()};
    }
    Bytes message = built(kind / 4);
    if (kind % 4 == 1 && !message.empty()) {
        message[input.below(message.size())] = std::byte{input.byte()};
    }
    return message;
}

}  // namespace holdfast::fuzz
