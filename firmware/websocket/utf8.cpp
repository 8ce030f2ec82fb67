#include "firmware/websocket/utf8.h"

#include <array>
#include <cstring>

namespace holdfast::websocket {
namespace {

/// How many bytes at the front are surely ASCII; the rest is looked at one by one.
std::size_t ascii_prefix(ByteView bytes) {
    constexpr std::uint64_t kHighBits = 0x8080808080808080u;
    std::size_t size = 0;
    for (; bytes.size() - size >= 32; size += 32) {
        std::array<std::uint64_t, 4> words;
        std::memcpy(words.data(), bytes.data() + size, 32);
        if (((words[0] | words[1] | words[2] | words[3]) & kHighBits) != 0) {
            break;
        }
    }
    for (; bytes.size() - size >= 8; size += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + size, 8);
        if ((word & kHighBits) != 0) {
            break;
        }
    }
    return size;
}

}  // namespace

bool Utf8Validator::begin(unsigned char lead) {
    if (lead < 0xc2 || lead > 0xf4) {
        return false;
    }
    missing_ = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    low_ = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    high_ = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return true;
}

bool Utf8Validator::feed(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto byte = std::to_integer<unsigned char>(bytes[at]);
        if (missing_ != 0) {
            if (byte < low_ || byte > high_) {
                return false;
            }
            --missing_;
            low_ = 0x80;
            high_ = 0xbf;
            ++at;
        } else if (byte >= 0x80) {
            if (!begin(byte)) {
                return false;
            }
            ++at;
        } else {
            at += 1 + ascii_prefix(bytes.subspan(at + 1));
        }
    }
    return true;
}

}  // namespace holdfast::websocket
