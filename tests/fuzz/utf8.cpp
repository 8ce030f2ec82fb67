// The validator, given text in pieces, against a reader of one character after the other, which
// knows RFC 3629 and no tables: it objects at the end of the same piece, never later.
#include "firmware/websocket/utf8.h"

#include <array>

#include "firmware/base/text.h"
#include "tests/fuzz/input.h"

using namespace holdfast;

namespace {

bool is_scalar(std::uint32_t character) {
    return character <= 0x10ffff && (character < 0xd800 || character > 0xdfff);
}

enum class Verdict { good, unfinished, hopeless };

/// Whether any character of `length` bytes that is written in its shortest form begins with
/// `bytes`: tried at both ends of what the missing bytes leave open.
bool can_begin(ByteView bytes, std::size_t length) {
    constexpr std::array<std::uint32_t, 5> kFirst{0, 0, 0x80, 0x800, 0x10000};
    constexpr std::array<std::uint32_t, 5> kLead{0, 0x7f, 0x1f, 0x0f, 0x07};
    std::uint32_t least = std::to_integer<std::uint32_t>(bytes[0]) & kLead.at(length);
    std::uint32_t most = least;
    for (std::size_t i = 1; i < length; ++i) {
        const bool known = i < bytes.size();
        if (known && (bytes[i] & std::byte{0xc0}) != std::byte{0x80}) {
            return false;
        }
        const std::uint32_t bits = known ? std::to_integer<std::uint32_t>(bytes[i]) & 0x3f : 0;
        least = least << 6 | bits;
        most = most << 6 | (known ? bits : 0x3f);
    }
    least = std::max(least, kFirst.at(length));
    // The surrogates are the only hole, and wider than any range that ends inside it and is open.
    return least <= most && (is_scalar(least) || is_scalar(most));
}

Verdict read(ByteView text) {
    while (!text.empty()) {
        const auto lead = std::to_integer<unsigned>(text[0]);
        const std::size_t length = lead < 0x80   ? 1
                                   : lead < 0xc0 ? 0
                                   : lead < 0xe0 ? 2
                                   : lead < 0xf0 ? 3
                                   : lead < 0xf8 ? 4
                                                 : 0;
        if (length == 0 || !can_begin(text.first(std::min(length, text.size())), length)) {
            return Verdict::hopeless;
        }
        if (length > text.size()) {
            return Verdict::unfinished;
        }
        text = text.subspan(length);
    }
    return Verdict::good;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    fuzz::Input cuts(input.take(input.byte() % 16));
    const ByteView text = input.rest();

    websocket::Utf8Validator validator;
    std::size_t given = 0;
    bool going_on = true;
    fuzz::in_pieces(text, cuts, [&](ByteView piece) {
        if (!going_on) {
            return;
        }
        given += piece.size();
        const Verdict verdict = read(text.first(given));
        going_on = validator.feed(piece);
        HOLDFAST_CHECK(going_on == (verdict != Verdict::hopeless));
        HOLDFAST_CHECK(!going_on || validator.complete() == (verdict == Verdict::good));
    });
    HOLDFAST_CHECK(is_utf8(text) == (read(text) == Verdict::good));
    return 0;
}
