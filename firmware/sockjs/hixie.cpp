#include "firmware/sockjs/hixie.h"

#include <utility>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/md5.h>

#include "firmware/base/check.h"
#include "firmware/base/text.h"

namespace holdfast::sockjs {
namespace {

constexpr std::size_t kNonceSize = 8;
constexpr std::byte kTextBegin{0x00};
constexpr std::byte kTextEnd{0xff};

/// The digits of a key as one number, divided by the count of its blanks.
std::optional<std::uint32_t> key_number(std::string_view key) {
    std::uint64_t digits = 0;
    std::uint64_t blanks = 0;
    for (const char c : key) {
        if (c >= '0' && c <= '9') {
            digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
            if (digits > UINT32_MAX) {
                return std::nullopt;
            }
        } else if (c == ' ') {
            ++blanks;
        }
    }
    if (blanks == 0 || digits % blanks != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(digits / blanks);
}

std::array<std::byte, WC_MD5_DIGEST_SIZE> md5(ByteView bytes) {
    std::array<std::byte, WC_MD5_DIGEST_SIZE> digest;
    wc_Md5 md5;
    HOLDFAST_CHECK(wc_InitMd5(&md5) == 0);
    HOLDFAST_CHECK(wc_Md5Update(&md5, reinterpret_cast<const byte*>(bytes.data()),
                                static_cast<word32>(bytes.size())) == 0);
    HOLDFAST_CHECK(wc_Md5Final(&md5, reinterpret_cast<byte*>(digest.data())) == 0);
    wc_Md5Free(&md5);
    return digest;
}

}  // namespace

std::optional<HixieConnection> HixieConnection::open(const http::Request& request,
                                                     std::size_t message_limit_bytes) {
    if (request.count("Sec-WebSocket-Key1") != 1 || request.count("Sec-WebSocket-Key2") != 1) {
        return std::nullopt;
    }
    const auto first = key_number(request.header("Sec-WebSocket-Key1"));
    const auto second = key_number(request.header("Sec-WebSocket-Key2"));
    if (!first || !second) {
        return std::nullopt;
    }
    return HixieConnection(*first, *second, message_limit_bytes);
}

http::Response HixieConnection::response(const http::Request& request, bool tls) {
    http::Response response;
    response.status = 101;
    response.headers = {
        {"Upgrade", "WebSocket"},
        {"Connection", "Upgrade"},
        {"Sec-WebSocket-Origin", std::string(request.header("Origin"))},
        {"Sec-WebSocket-Location", std::string(tls ? "wss://" : "ws://") +
                                       std::string(request.header("Host")) + request.target}};
    const std::string_view protocol = request.header("Sec-WebSocket-Protocol");
    if (!protocol.empty()) {
        response.headers.emplace_back("Sec-WebSocket-Protocol", protocol);
    }
    return response;
}

std::optional<websocket::Event> HixieConnection::next(std::span<std::byte>& bytes, Bytes& out) {
    if (state_ == State::between || state_ == State::ended) {
        pending_.clear();  // the last event has viewed it
    }
    while (!bytes.empty()) {
        const std::byte byte = bytes.front();
        bytes = bytes.subspan(1);
        if (const std::optional<websocket::Event> event = take(byte, out)) {
            return event;
        }
    }
    return std::nullopt;
}

std::optional<websocket::Event> HixieConnection::take(std::byte byte, Bytes& out) {
    using Kind = websocket::Event::Kind;
    switch (state_) {
        case State::nonce:
            pending_.push_back(byte);
            if (pending_.size() == kNonceSize) {
                Bytes challenge;
                for (const std::uint32_t number : numbers_) {
                    for (unsigned shift = 32; shift > 0; shift -= 8) {
                        challenge.push_back(static_cast<std::byte>(number >> (shift - 8) & 0xffu));
                    }
                }
                append(challenge, pending_);
                append(out, md5(challenge));
                pending_.clear();
                state_ = State::between;
            }
            return std::nullopt;
        case State::between:
            if (byte == kTextBegin) {
                state_ = State::text;
            } else if (byte == kTextEnd) {
                state_ = State::closing;
            } else {
                return fail(1002, "a frame that is neither text nor close");
            }
            return std::nullopt;
        case State::text:
            if (byte == kTextEnd) {
                state_ = State::between;
                if (!is_utf8(pending_)) {
                    return fail(1007, "a text that is not UTF-8");
                }
                return websocket::Event{.kind = Kind::text, .payload = pending_};
            }
            if (pending_.size() >= message_limit_) {
                return fail(1009, "a message larger than allowed");
            }
            pending_.push_back(byte);
            return std::nullopt;
        case State::closing:
            if (byte != kTextBegin) {
                return fail(1002, "a frame that is neither text nor close");
            }
            close(websocket::CloseCode::normal, {}, out);
            state_ = State::ended;
            return websocket::Event{.kind = Kind::close, .code = 1005};
        case State::ended:
            return std::nullopt;
    }
    return std::nullopt;
}

websocket::Event HixieConnection::fail(std::uint16_t code, std::string_view reason) {
    state_ = State::ended;
    return {.kind = websocket::Event::Kind::error, .code = code, .reason = reason};
}

bool HixieConnection::send_text(std::string_view message, Bytes& out) {
    if (!ready() || close_sent_ || state_ == State::ended) {
        return false;
    }
    out.push_back(kTextBegin);
    append(out, message);
    out.push_back(kTextEnd);
    return true;
}

void HixieConnection::close(websocket::CloseCode, std::string_view, Bytes& out) {
    if (ready() && !std::exchange(close_sent_, true)) {
        out.push_back(kTextEnd);
        out.push_back(kTextBegin);
    }
}

}  // namespace holdfast::sockjs
