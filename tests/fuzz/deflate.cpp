// Compressed messages, any bytes or what zlib makes, in any fragments and pieces, against a plain
// loop over zlib that inflates one byte after the other. Neither does anything allocate more than
// the message limit.
#include <array>

#include <zlib.h>

#include "firmware/websocket/connection.h"
#include "tests/firmware/websocket/support.h"
#include "tests/fuzz/allocations.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

namespace {

constexpr std::array kTail{std::byte{0x00}, std::byte{0x00}, std::byte{0xff}, std::byte{0xff}};
/// A window, and what zlib needs beside it: allowed whatever the limit.
constexpr std::size_t kZlibBlock = std::size_t{48} << 10;

struct Message {
    bool text;
    std::vector<Bytes> fragments;  ///< compressed
};

z_stream make_inflater(int bits) {
    z_stream stream{};
    HOLDFAST_CHECK(inflateInit2(&stream, -bits) == Z_OK);
    return stream;
}

/// What a peer must see of `messages`: RFC 7692, Section 7.2.2, word for word.
class Reference {
public:
    Reference(const DeflateAgreement::Direction& agreed, int bits, std::size_t limit)
        : takeover_(agreed.context_takeover), limit_(limit), stream_(make_inflater(bits)) {}
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;
    ~Reference() { inflateEnd(&stream_); }

    [[nodiscard]] std::vector<Seen> read(const std::vector<Message>& messages) {
        std::vector<Seen> seen;
        for (const Message& message : messages) {
            const std::uint16_t error = inflate_message(message);
            if (error != 0) {
                seen.push_back({Event::Kind::error, "", error});
                return seen;
            }
            seen.push_back({message.text ? Event::Kind::text : Event::Kind::binary, out_});
        }
        return seen;
    }

private:
    /// 0 or the close code.
    std::uint16_t inflate_message(const Message& message) {
        out_.clear();
        utf8_ = {};
        if (!takeover_ || ended_) {
            inflateReset(&stream_);
            ended_ = false;
        }
        std::size_t received = 0;
        for (const Bytes& fragment : message.fragments) {
            received += fragment.size();
            // Incompressible messages are longer when compressed.
            if (received > limit_ + limit_ / 8 + 64) {
                return 1009;
            }
            if (const std::uint16_t error = add(fragment, message.text)) {
                return error;
            }
        }
        if (!ended_) {
            if (const std::uint16_t error = add(kTail, message.text)) {
                return error;
            }
        }
        const bool block_ended = ended_ || (stream_.data_type & ~64) == 128;
        return block_ended && (!message.text || utf8_.complete()) ? 0 : 1007;
    }

    std::uint16_t add(ByteView piece, bool text) {
        Bytes input(piece.begin(), piece.end());
        stream_.next_in = reinterpret_cast<Bytef*>(input.data());
        stream_.avail_in = static_cast<uInt>(input.size());
        while (true) {
            if (ended_ && stream_.avail_in != 0) {
                inflateReset(&stream_);
                ended_ = false;
            }
            char byte = 0;
            stream_.next_out = reinterpret_cast<Bytef*>(&byte);
            stream_.avail_out = 1;
            const int result = inflate(&stream_, Z_SYNC_FLUSH);
            if (stream_.avail_out == 0) {
                if (out_.size() == limit_) {
                    return 1009;
                }
                out_.push_back(byte);
                if (text && !utf8_.feed(as_bytes({&byte, 1}))) {
                    return 1007;
                }
            }
            ended_ = result == Z_STREAM_END;
            if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
                return 1007;
            }
            if (stream_.avail_in == 0 && stream_.avail_out != 0) {
                return 0;
            }
        }
    }

    bool takeover_;
    std::size_t limit_;
    z_stream stream_;
    bool ended_ = false;
    std::string out_;
    Utf8Validator utf8_;
};

/// A sender of its own, so that inputs need not guess what zlib would write.
class Sender {
public:
    explicit Sender(const DeflateAgreement::Direction& agreed)
        : takeover_(agreed.context_takeover) {
        HOLDFAST_CHECK(deflateInit2(&stream_, 6, Z_DEFLATED, -std::max(agreed.window_bits, 9), 1,
                                    Z_DEFAULT_STRATEGY) == Z_OK);
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { deflateEnd(&stream_); }

    Bytes compress(const Bytes& message, unsigned how) {
        if (!takeover_) {
            deflateReset(&stream_);
        }
        deflateParams(&stream_, static_cast<int>(how % 10), static_cast<int>(how / 10 % 5));
        Bytes out(deflateBound(&stream_, message.size()) + 64);
        stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(message.data()));
        stream_.avail_in = static_cast<uInt>(message.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        const bool final = how >= 200;
        ::deflate(&stream_, final ? Z_FINISH : Z_SYNC_FLUSH);
        out.resize(out.size() - stream_.avail_out);
        if (final) {
            deflateReset(&stream_);
            out.push_back(std::byte{});
        } else if (out.size() >= 4) {
            out.resize(out.size() - 4);
        }
        return out;
    }

private:
    bool takeover_;
    z_stream stream_{};
};

Message next_message(fuzz::Input& input, Sender& sender) {
    const unsigned shape = input.byte();
    const ByteView given = input.take(input.number((shape & 1u) != 0 ? 2 : 1));
    Bytes payload(given.begin(), given.end());
    if ((shape & 2u) != 0) {
        Bytes message;
        for (std::size_t times = (shape & 4u) != 0 ? 1 + 16 * input.below(256) : 1; times > 0;
             --times) {
            append(message, payload);
        }
        message.resize(std::min<std::size_t>(message.size(), 1u << 17));
        payload = sender.compress(message, input.byte());
        if ((shape & 8u) != 0 && !payload.empty()) {
            payload[input.below(payload.size())] ^= std::byte{input.byte()};
        }
    }
    Message out{(shape & 16u) != 0, {}};
    fuzz::Input cuts(input.take((shape & 32u) != 0 ? 4 : 0));
    fuzz::in_pieces(payload, cuts, [&out](std::span<std::byte> fragment) {
        out.fragments.emplace_back(fragment.begin(), fragment.end());
    });
    return out;
}

Bytes wire(const Message& message, bool masked) {
    Bytes out;
    for (std::size_t i = 0; i < message.fragments.size(); ++i) {
        append(out, raw({.opcode = i > 0          ? 0u
                                   : message.text ? 1u
                                                  : 2u,
                         .payload = std::string(as_text(message.fragments[i])),
                         .fin = i + 1 == message.fragments.size(),
                         .rsv = i == 0 ? 4u : 0u,
                         .masked = masked}));
    }
    return out;
}

std::vector<Seen> engine(Role role, const DeflateAgreement& agreed, std::size_t limit,
                         ByteView stream, fuzz::Input cuts) {
    SeededEntropy entropy(1);
    DeflateContexts contexts;
    Connection connection(role, {limit}, &entropy, std::make_unique<Deflate>(contexts, agreed));
    std::vector<Seen> events;
    fuzz::in_pieces(stream, cuts, [&](std::span<std::byte> piece) {
        Bytes out;
        while (true) {
            const fuzz::Allocations allocations;
            const auto event = connection.next(piece, out);
            HOLDFAST_CHECK(allocations.largest_bytes() <= std::max(limit + 1, kZlibBlock));
            if (!event) {
                break;
            }
            events.push_back(seen(*event));
            events.back().reason.clear();
        }
    });
    HOLDFAST_CHECK(connection.closed() || !connection.in_message());
    return events;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::array<std::size_t, 4> kLimits{0, 100, 5000, 100'000};
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    const Role role = (mode & 1u) != 0 ? Role::client : Role::server;
    const std::size_t limit = kLimits.at(mode >> 1u & 3u);
    const DeflateAgreement::Direction received{(mode & 8u) != 0,
                                               8 + static_cast<int>(mode >> 4u) % 8};
    const DeflateAgreement agreed{.send = {}, .receive = received};
    const fuzz::Input cuts(input.take(input.byte() % 16));

    std::vector<Message> messages;
    Bytes stream;
    Sender sender(received);
    while (!input.empty() && messages.size() < 6) {
        messages.push_back(next_message(input, sender));
        append(stream, wire(messages.back(), role == Role::server));
    }
    const auto expected =
        Reference(received, std::max(received.window_bits, 9), limit).read(messages);
    const auto whole = engine(role, agreed, limit, stream, fuzz::Input(ByteView{}));
    const auto split = engine(role, agreed, limit, stream, cuts);
    if (whole != expected || split != expected) {
        // Who refers to what lies before the agreed window breaks the agreement, and may be
        // understood all the same.
        const auto lenient = Reference(received, 15, limit).read(messages);
        HOLDFAST_CHECK(whole == expected || whole == lenient);
        HOLDFAST_CHECK(split == expected || split == lenient);
    }
    return 0;
}
