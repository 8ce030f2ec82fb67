#include "tests/bench/load_frames.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <random>

#include <zlib.h>

#include "tests/bench/load_lines.h"

namespace holdfast::bench {

namespace {

constexpr unsigned char kFin = 0x80;
constexpr unsigned char kRsv1 = 0x40;
constexpr unsigned char kText = 0x1;
constexpr unsigned char kBinary = 0x2;
constexpr unsigned char kClose = 0x8;
constexpr unsigned kLength16 = 126;
constexpr unsigned kLength64 = 127;

std::string random_bytes(std::size_t size, std::mt19937_64& dice) {
    std::string made(size, '\0');
    for (char& byte : made) {
        byte = static_cast<char>(dice());
    }
    return made;
}

/// What a sensor would say, cut off at the size.
std::string sensor_text(std::size_t size, std::mt19937_64& dice) {
    std::string made;
    int second = static_cast<int>(dice() % 60);
    while (made.size() < size) {
        std::array<char, 160> reading;
        const double value = 21.5 + static_cast<double>(dice() % 300) / 100;
        const int count =
            size < 60
                ? std::snprintf(reading.data(), reading.size(), R"({"t":%.2f,"h":%d.%d},)", value,
                                40 + static_cast<int>(dice() % 20), static_cast<int>(dice() % 10))
                : std::snprintf(reading.data(), reading.size(),
                                R"({"channel":"greenhouse/%d/temperature","value":%.2f,)"
                                R"("time":"2026-11-20T10:%02d:%02d.%03dZ","unit":"°C"},)",
                                static_cast<int>(dice() % 8), value, second / 60 % 60, second % 60,
                                static_cast<int>(dice() % 1000));
        made.append(reading.data(), static_cast<std::size_t>(count));
        ++second;
    }
    made.resize(size);
    if (!made.empty() && static_cast<unsigned char>(made.back()) >= 0xc0u) {
        made.back() = ' ';  // its character was cut in two
    }
    return made;
}

std::string deflated(std::string_view text) {
    z_stream stream{};
    ::deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    std::string out(::deflateBound(&stream, static_cast<uLong>(text.size())) + 16, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    ::deflate(&stream, Z_SYNC_FLUSH);
    out.resize(out.size() - stream.avail_out - 4);  // RFC 7692, Section 7.2.1: without its tail
    ::deflateEnd(&stream);
    return out;
}

/// nullopt-like: "" and `ok` false.
std::string inflated(std::string_view payload, std::size_t size_at_most, bool& ok) {
    const std::string whole = std::string(payload) + std::string("\0\0\xff\xff", 4);
    z_stream stream{};
    ::inflateInit2(&stream, -15);
    std::string out(size_at_most + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(whole.data()));
    stream.avail_in = static_cast<uInt>(whole.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = ::inflate(&stream, Z_SYNC_FLUSH);
    ok =
        (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_in == 0;
    out.resize(out.size() - stream.avail_out);
    ::inflateEnd(&stream);
    return out;
}

struct Head {
    std::size_t size = 0;  ///< 0: it is not complete
    std::uint64_t payload_size = 0;
};

Head parse_head(const unsigned char* bytes, std::size_t count) {
    if (count < 2) {
        return {};
    }
    const unsigned length = bytes[1];
    if (length < kLength16) {
        return {.size = 2, .payload_size = length};
    }
    const std::size_t size = length == kLength16 ? 4 : 10;
    if (length > kLength64) {
        give_up("the server masks its frames");
    }
    if (count < size) {
        return {};
    }
    std::uint64_t payload_size = 0;
    for (std::size_t i = 2; i < size; ++i) {
        payload_size = payload_size << 8 | bytes[i];
    }
    return {.size = size, .payload_size = payload_size};
}

}  // namespace

std::string masked_frame(unsigned char first_byte, std::string_view payload) {
    // Any key will do; not zero, so that there is something to unmask.
    constexpr std::array<unsigned char, 4> kKey{0x37, 0xfa, 0x21, 0x3d};
    std::string frame(1, static_cast<char>(first_byte));
    const std::size_t size = payload.size();
    if (size < kLength16) {
        frame += static_cast<char>(0x80u | size);
    } else {
        const bool small = size < 65536;
        frame += static_cast<char>(0x80u | (small ? kLength16 : kLength64));
        for (int shift = small ? 8 : 56; shift >= 0; shift -= 8) {
            frame += static_cast<char>(std::uint64_t{size} >> shift);
        }
    }
    frame.append(reinterpret_cast<const char*>(kKey.data()), kKey.size());
    for (std::size_t i = 0; i < size; ++i) {
        frame += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ kKey[i % 4]);
    }
    return frame;
}

Messages make_messages(std::size_t count, std::size_t size_bytes, Content content, bool deflate) {
    std::mt19937_64 dice(1);
    Messages made;
    const bool text = content == Content::sensor_text;
    for (std::size_t i = 0; i < count; ++i) {
        made.payloads.push_back(text ? sensor_text(size_bytes, dice)
                                     : random_bytes(size_bytes, dice));
        const auto first = static_cast<unsigned char>(kFin | (text ? kText : kBinary));
        made.frames += deflate ? masked_frame(static_cast<unsigned char>(first | kRsv1),
                                              deflated(made.payloads.back()))
                               : masked_frame(first, made.payloads.back());
    }
    return made;
}

void FrameCounter::take_head(const unsigned char* head, std::size_t size) {
    if ((head[0] & 0x0fu) == kClose) {
        give_up("the server closes, code " +
                std::to_string(size >= 4 ? head[size - 2] * 256 + head[size - 1] : 1005));
    }
    compressed_ += (head[0] & kRsv1) != 0;
}

std::size_t FrameCounter::count(std::span<const char> bytes) {
    std::size_t ended = 0;
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    const auto* const end = at + bytes.size();
    while (at != end) {
        if (remaining_ > 0) {
            const auto here =
                std::min<std::uint64_t>(remaining_, static_cast<std::size_t>(end - at));
            at += here;
            remaining_ -= here;
            ended += remaining_ == 0;
            continue;
        }
        Head head;
        if (head_count_ == 0) {
            head = parse_head(at, static_cast<std::size_t>(end - at));
            if (head.size != 0) {
                take_head(at, std::min<std::size_t>(static_cast<std::size_t>(end - at), 4));
                at += head.size;
            }
        }
        if (head.size == 0) {
            head_[head_count_++] = *at++;
            head = parse_head(head_, head_count_);
            if (head.size == 0) {
                continue;
            }
            take_head(head_, head.size);
            head_count_ = 0;
        }
        remaining_ = head.payload_size;
        ended += remaining_ == 0;
    }
    return ended;
}

bool echoes(std::string_view stream, const std::vector<std::string>& payloads) {
    for (const std::string& expected : payloads) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(stream.data());
        const Head head = parse_head(bytes, stream.size());
        if (head.size == 0 || stream.size() - head.size < head.payload_size) {
            return false;
        }
        const bool compressed = (bytes[0] & kRsv1) != 0;
        const std::string_view payload = stream.substr(head.size, head.payload_size);
        stream.remove_prefix(head.size + payload.size());
        bool ok = true;
        if (compressed ? inflated(payload, expected.size(), ok) != expected || !ok
                       : payload != expected) {
            return false;
        }
    }
    return stream.empty();
}

}  // namespace holdfast::bench
