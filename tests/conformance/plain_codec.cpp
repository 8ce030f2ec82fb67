#include "tests/conformance/plain_codec.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/hash.h>

namespace holdfast::conformance {
namespace {

void put(std::string& out, std::uint64_t number, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
        out.push_back(static_cast<char>(number >> (8 * i) & 0xff));
    }
}

std::uint64_t number_in(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) {
        number = number << 8 | static_cast<unsigned char>(byte);
    }
    return number;
}

void mask_plainly(std::string& payload, std::string_view key) {
    for (std::size_t i = 0; i < payload.size(); ++i) {
        payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
    }
}

Bytef* zlib_bytes(const char* text) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(text));
}

}  // namespace

Frame closing(unsigned code, std::string_view reason) {
    std::string payload;
    if (code != 1005) {
        put(payload, code, 2);
    }
    payload += reason;
    return {.opcode = kClose, .payload = std::move(payload)};
}

std::string encode(const Frame& frame, Subject subject) {
    std::string payload;
    payload.reserve(frame.payload.size() * frame.repeat);
    for (std::size_t i = 0; i < frame.repeat; ++i) {
        payload += frame.payload;
    }
    const std::uint64_t size = frame.claimed.value_or(payload.size());
    const bool masked = (subject == Subject::server) != frame.wrongly_masked;
    const unsigned mask_bit = masked ? 0x80 : 0;
    std::string out;
    out.push_back(static_cast<char>((frame.fin ? 0x80u : 0u) | frame.rsv << 4 | frame.opcode));
    if (size > 0xffff || frame.length == Frame::Length::in_64_bits) {
        out.push_back(static_cast<char>(mask_bit | 127));
        put(out, size, 8);
    } else if (size > 125 || frame.length == Frame::Length::in_16_bits) {
        out.push_back(static_cast<char>(mask_bit | 126));
        put(out, size, 2);
    } else {
        out.push_back(static_cast<char>(mask_bit | static_cast<unsigned>(size)));
    }
    if (masked) {
        std::string key;
        put(key, frame.mask, 4);
        out += key;
        mask_plainly(payload, key);
    }
    return out + payload;
}

// ---- Deflate

PlainDeflater::PlainDeflater(const DeflateOptions& options) : options_(options) {
    if (deflateInit2(&stream_, options.level, Z_DEFLATED, -options.window_bits, 8,
                     options.strategy) != Z_OK) {
        throw std::runtime_error("deflateInit2");
    }
}

PlainDeflater::~PlainDeflater() {
    deflateEnd(&stream_);
}

std::string PlainDeflater::message(std::string_view text) {
    std::string out(deflateBound(&stream_, static_cast<uLong>(text.size())) + 64, '\0');
    stream_.next_in = zlib_bytes(text.data());
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = zlib_bytes(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, options_.flush);
    out.resize(out.size() - stream_.avail_out);
    if (!options_.keep_tail && options_.flush == Z_SYNC_FLUSH) {
        out.resize(out.size() - 4);
    }
    return out;
}

std::string deflated(std::string_view text, const DeflateOptions& options) {
    return PlainDeflater(options).message(text);
}

// ---- The judge

Judge::Judge(Subject subject, const std::optional<AgreedDeflate>& deflate)
    : subject_(subject), deflate_(deflate) {
    if (deflate_ && inflateInit2(&inflater_, -deflate_->window_bits) != Z_OK) {
        throw std::runtime_error("inflateInit2");
    }
}

Judge::~Judge() {
    if (deflate_) {
        inflateEnd(&inflater_);
    }
}

bool Judge::complain(std::string what) {
    complaint_ = std::move(what);
    return false;
}

bool Judge::take(std::string_view bytes, std::vector<Said>& said) {
    pending_ += bytes;
    std::size_t at = 0;
    while (pending_.size() - at >= 2) {
        const std::string_view rest = std::string_view(pending_).substr(at);
        const unsigned first_byte = static_cast<unsigned char>(rest[0]);
        const unsigned second_byte = static_cast<unsigned char>(rest[1]);
        const unsigned form = second_byte & 0x7f;
        const std::size_t extra = form == 127 ? 8 : form == 126 ? 2 : 0;
        const bool masked = (second_byte & 0x80) != 0;
        const std::size_t head = 2 + extra + (masked ? 4 : 0);
        if (masked != (subject_ == Subject::client)) {
            return complain(masked ? "a server's frame is masked"
                                   : "a client's frame is not masked");
        }
        if (rest.size() < head) {
            break;
        }
        const std::uint64_t size = extra == 0 ? form : number_in(rest.substr(2, extra));
        if ((form == 126 && size < 126) || (form == 127 && size <= 0xffff)) {
            return complain("the length is not in its shortest form");
        }
        if (rest.size() - head < size) {
            break;
        }
        std::string payload(rest.substr(head, static_cast<std::size_t>(size)));
        if (masked) {
            mask_plainly(payload, rest.substr(head - 4, 4));
        }
        at += head + payload.size();
        if (!take_frame(first_byte, std::move(payload), said)) {
            return false;
        }
    }
    pending_.erase(0, at);
    return closed_ && !pending_.empty() ? complain("it speaks after its close frame") : true;
}

bool Judge::take_frame(unsigned first_byte, std::string payload, std::vector<Said>& said) {
    const bool fin = (first_byte & 0x80) != 0;
    const unsigned rsv = first_byte >> 4 & 7;
    const unsigned opcode = first_byte & 15;
    if (closed_) {
        return complain("it speaks after its close frame");
    }
    if (opcode >= 8) {
        if (opcode > kPong || !fin || rsv != 0 || payload.size() > 125) {
            return complain("a bad control frame");
        }
        closed_ = opcode == kClose;
        if (closed_ &&
            (payload.size() == 1 || (payload.size() > 2 && !is_plain_utf8(payload.substr(2))))) {
            return complain("a bad close frame");
        }
        said.push_back({opcode, std::move(payload), false});
        return true;
    }
    if (opcode > kBinary || (opcode == kContinuation) != in_message_) {
        return complain("a bad opcode, or one in the wrong place");
    }
    if ((rsv & (kRsv2 | kRsv3)) != 0 || (rsv != 0 && (!deflate_ || opcode == kContinuation))) {
        return complain("a reserved bit");
    }
    if (opcode != kContinuation) {
        message_ = {opcode, "", rsv != 0};
    }
    message_.payload += payload;
    in_message_ = !fin;
    if (!fin) {
        return true;
    }
    if (message_.compressed) {
        std::optional<std::string> plain = inflated(message_.payload);
        if (!plain) {
            return complain("it does not inflate: " + hex(message_.payload));
        }
        message_.payload = *std::move(plain);
    }
    if (message_.opcode == kText && !is_plain_utf8(message_.payload)) {
        return complain("its text is not UTF-8");
    }
    said.push_back(std::move(message_));
    return true;
}

std::optional<std::string> Judge::inflated(std::string_view payload) {
    const std::string input = std::string(payload) + "\0\0\xff\xff"s;
    if (!deflate_->takeover) {
        inflateReset(&inflater_);
    }
    std::string out;
    std::array<char, 65536> block;
    // zlib looks at the window only for what is not in the block any more.
    const uInt size = deflate_->window_bits < 15 ? 16 : static_cast<uInt>(block.size());
    inflater_.next_in = zlib_bytes(input.data());
    inflater_.avail_in = static_cast<uInt>(input.size());
    do {
        inflater_.next_out = zlib_bytes(block.data());
        inflater_.avail_out = size;
        const int result = inflate(&inflater_, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR) {
            return std::nullopt;
        }
        out.append(block.data(), size - inflater_.avail_out);
    } while (inflater_.avail_out == 0);
    return inflater_.avail_in == 0 ? std::optional(std::move(out)) : std::nullopt;
}

// ---- Text

bool is_plain_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const unsigned lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || text.size() - at < length) {
            return false;
        }
        std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
        for (std::size_t i = 1; i < length; ++i) {
            const unsigned next = static_cast<unsigned char>(text[at + i]);
            if ((next & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (next & 0x3f);
        }
        constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
        if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
            return false;
        }
        at += length;
    }
    return true;
}

std::string plain_accept_key(std::string_view key) {
    const std::string input = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<byte, WC_SHA_DIGEST_SIZE> digest;
    wc_ShaHash(reinterpret_cast<const byte*>(input.data()), static_cast<word32>(input.size()),
               digest.data());
    std::string out(64, '\0');
    auto size = static_cast<word32>(out.size());
    Base64_Encode_NoNl(digest.data(), digest.size(), reinterpret_cast<byte*>(out.data()), &size);
    out.resize(size);
    return out;
}

std::string hex(std::string_view bytes) {
    constexpr std::size_t kMost = 48;
    const auto digits = [](std::string_view piece) {
        std::string out;
        for (const char byte : piece) {
            constexpr const char* kDigits = "0123456789abcdef";
            out.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
            out.push_back(kDigits[static_cast<unsigned char>(byte) & 15]);
        }
        return out;
    };
    if (bytes.size() <= 2 * kMost) {
        return digits(bytes);
    }
    return digits(bytes.substr(0, kMost)) + "…" + digits(bytes.substr(bytes.size() - kMost)) +
           " (" + std::to_string(bytes.size()) + " bytes)";
}

std::optional<AgreedDeflate> agreed_by(std::string_view answer, Subject subject) {
    if (answer.find("permessage-deflate") == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string side = subject == Subject::server ? "server" : "client";
    AgreedDeflate agreed;
    agreed.takeover = answer.find(side + "_no_context_takeover") == std::string_view::npos;
    const std::string window = side + "_max_window_bits=";
    if (const std::size_t found = answer.find(window); found != std::string_view::npos) {
        const std::size_t value = found + window.size();
        agreed.window_bits =
            std::atoi(std::string(answer.substr(value + (answer[value] == '"' ? 1 : 0))).c_str());
    }
    return agreed;
}

}  // namespace holdfast::conformance
