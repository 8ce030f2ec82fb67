#include "firmware/telemetry/bits.h"

namespace holdfast::telemetry {

void append_varint(Bytes& out, std::uint64_t number) {
    for (; number >= 0x80; number >>= 7u) {
        out.push_back(static_cast<std::byte>(number | 0x80u));
    }
    out.push_back(static_cast<std::byte>(number));
}

bool Source::fail(std::string_view problem) {
    if (problem_.empty()) {
        problem_ = std::string(problem) + " at byte " + std::to_string(at_);
        at_ = bytes_.size();
    }
    return false;
}

unsigned Source::byte() {
    if (left() == 0) {
        fail("the end is missing");
        return 0;
    }
    return std::to_integer<unsigned>(bytes_[at_++]);
}

std::uint64_t Source::fixed64() {
    if (left() < 8) {
        fail("the end is missing");
        return 0;
    }
    at_ += 8;
    return load_fixed64(bytes_.data() + at_ - 8);
}

std::uint64_t Source::varint() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned group = byte();
        number |= std::uint64_t{group & 0x7Fu} << shift;
        if (group >= 0x80) {
            continue;
        }
        if ((group == 0 && shift > 0) || (shift == 63 && group > 1)) {
            break;
        }
        return number;
    }
    fail("a malformed number");
    return 0;
}

ByteView Source::take(std::uint64_t size) {
    if (left() < size) {
        fail("the end is missing");
        return {};
    }
    const ByteView taken = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
}

std::uint64_t BitReader::peek_near_end(std::size_t at) const {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8 && at + i < bytes_.size(); ++i) {
        number |= std::to_integer<std::uint64_t>(bytes_[at + i]) << (8 * i);
    }
    return number;
}

}  // namespace holdfast::telemetry
