#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/text.h"
#include "firmware/ports/entropy.h"
#include "firmware/websocket/connection.h"

namespace holdfast::websocket {

class SeededEntropy final : public ports::Entropy {
public:
    explicit SeededEntropy(std::uint64_t seed) : generator_(seed) {}
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(generator_() & 0xffu);
        }
    }

private:
    std::mt19937_64 generator_;
};

/// Gives the bytes it was made with, again and again.
class FixedEntropy final : public ports::Entropy {
public:
    explicit FixedEntropy(Bytes bytes) : bytes_(std::move(bytes)) {}
    void fill(std::span<std::byte> bytes) override {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = bytes_[i % bytes_.size()];
        }
        ++fills;
    }
    int fills = 0;

private:
    Bytes bytes_;
};

inline Bytes hex(std::string_view text) {
    std::string digits(text);
    std::erase(digits, ' ');
    return from_hex(digits).value();
}

inline Bytes to_bytes(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

inline Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        append(out, part);
    }
    return out;
}

/// A frame as any peer might send it, rightly or wrongly.
struct RawFrame {
    unsigned opcode = 0x1;
    std::string payload = {};
    bool fin = true;
    unsigned rsv = 0;  ///< three bits, RSV1 is 4
    bool masked = false;
    int length_bytes = -1;               ///< 0, 2 or 8 to force a form
    std::uint64_t claimed = UINT64_MAX;  ///< a length other than the payload's
};

inline Bytes raw(const RawFrame& frame) {
    const std::uint64_t length = frame.claimed != UINT64_MAX ? frame.claimed : frame.payload.size();
    const int form = frame.length_bytes >= 0 ? frame.length_bytes
                     : length < 126          ? 0
                     : length <= 0xffff      ? 2
                                             : 8;
    const unsigned mask_bit = frame.masked ? 0x80u : 0u;
    Bytes out;
    out.push_back(
        static_cast<std::byte>((frame.fin ? 0x80u : 0u) | frame.rsv << 4u | frame.opcode));
    out.push_back(static_cast<std::byte>(mask_bit | (form == 0   ? static_cast<unsigned>(length)
                                                     : form == 2 ? 126u
                                                                 : 127u)));
    for (int i = form - 1; i >= 0; --i) {
        out.push_back(static_cast<std::byte>(length >> (8 * i) & 0xffu));
    }
    constexpr std::array<unsigned, 4> kKey{0x37, 0xfa, 0x21, 0x3d};
    if (frame.masked) {
        for (const unsigned byte : kKey) {
            out.push_back(static_cast<std::byte>(byte));
        }
    }
    for (std::size_t i = 0; i < frame.payload.size(); ++i) {
        const auto byte = static_cast<unsigned char>(frame.payload[i]);
        out.push_back(static_cast<std::byte>(frame.masked ? byte ^ kKey[i % 4] : byte));
    }
    return out;
}

/// An event that outlives its bytes.
struct Seen {
    Event::Kind kind;
    std::string payload = {};
    std::uint16_t code = 0;
    std::string reason = {};
    bool operator==(const Seen&) const = default;
};

inline Seen seen(const Event& event) {
    // A close frame's payload is its code and reason once more.
    const bool has_payload = event.kind != Event::Kind::close && event.kind != Event::Kind::error;
    return {event.kind, has_payload ? std::string(as_text(event.payload)) : std::string(),
            event.code, std::string(event.reason)};
}

/// Gives `bytes` to `connection` and appends what happened. Each piece lies in memory of its own,
/// so that a view that is kept too long, or a byte read past its end, is found by the sanitizer.
inline void feed(Connection& connection, ByteView bytes, std::vector<Seen>& events, Bytes& out) {
    Bytes copy(bytes.begin(), bytes.end());
    std::span<std::byte> input(copy);
    while (auto event = connection.next(input, out)) {
        events.push_back(seen(*event));
    }
}

struct Outcome {
    std::vector<Seen> events;
    Bytes out;
    bool closed = false;
    std::size_t buffered_bytes = 0;
    bool operator==(const Outcome&) const = default;
};

inline Outcome feed_in_pieces(Connection connection, ByteView bytes,
                              const std::vector<std::size_t>& cuts) {
    Outcome outcome;
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
        feed(connection, bytes.subspan(begin, cut - begin), outcome.events, outcome.out);
        begin = cut;
    }
    feed(connection, bytes.subspan(begin), outcome.events, outcome.out);
    outcome.closed = connection.closed();
    outcome.buffered_bytes = connection.buffered_bytes();
    return outcome;
}

/// Whole, byte by byte, and split at each place; `make` gives a fresh connection. The outcome must
/// not depend on it. Returns the outcome of the whole; `same` tells whether all were equal.
template <class Make>
Outcome feed_every_way(Make make, ByteView bytes, bool& same) {
    const Outcome whole = feed_in_pieces(make(), bytes, {});
    std::vector<std::size_t> every(bytes.size());
    for (std::size_t i = 0; i < every.size(); ++i) {
        every[i] = i;
    }
    const auto equal = [&whole](const Outcome& other) {
        // A buffer's capacity depends on how it grew; whether there is one does not, when the
        // stream ends between messages.
        return other.events == whole.events && other.out == whole.out &&
               other.closed == whole.closed;
    };
    same = equal(feed_in_pieces(make(), bytes, every));
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        same = same && equal(feed_in_pieces(make(), bytes, {cut}));
    }
    return whole;
}

}  // namespace holdfast::websocket
