// A server's answer, in pieces, into the reader and the client's side of the handshake: what is
// read does not depend on where the line cuts, and agreed is only what a plain second look finds in
// the head and what was offered.
#include "firmware/websocket/handshake.h"
#include "tests/firmware/websocket/support.h"
#include "tests/fuzz/head.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

namespace {

constexpr http::Limits kLimits{.head_size_bytes = 1024, .body_size_bytes = 256};
/// Of the example in RFC 6455, Section 1.3.
constexpr std::string_view kNonce = "the sample nonce";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

struct Read {
    std::optional<http::Response> response;
    std::optional<ErrorCode> error;
    std::size_t size = 0;  ///< of what was read
};

Read read(ByteView stream, fuzz::Input cuts) {
    http::ResponseReader reader(kLimits);
    Read read;
    fuzz::in_pieces(stream, cuts, [&](std::span<std::byte> piece) {
        if (read.response || read.error) {
            return;
        }
        ByteView rest = piece;
        auto response = reader.next(rest);
        if (response) {
            read.response = *std::move(response);
            HOLDFAST_CHECK(read.response || rest.empty());
            read.size += piece.size() - rest.size();
        } else {
            HOLDFAST_CHECK(!response.error().message.empty());
            read.error = response.error().code;
        }
    });
    return read;
}

/// A body that reached its limit may be cut off, which ends the line.
bool may_be_cut(const Read& read) {
    return read.response && read.response->body.size() == kLimits.body_size_bytes;
}

/// Two things may depend on the cuts, and do no harm: which of two faults is found first, for a
/// trailer is only measured while it is not whole; and how soon a body is cut off.
bool same(const Read& a, const Read& b) {
    if (may_be_cut(a) || may_be_cut(b)) {
        return true;
    }
    if (a.error.has_value() != b.error.has_value() ||
        a.response.has_value() != b.response.has_value()) {
        return false;
    }
    return !a.response ||
           (a.size == b.size && a.response->status == b.response->status &&
            a.response->headers == b.response->headers && a.response->body == b.response->body &&
            a.response->keep_alive == b.response->keep_alive);
}

/// The head behind the interim ones.
std::string_view final_head(std::string_view text) {
    while (!text.starts_with("HTTP/1.1 101")) {
        const std::size_t end = text.find("\r\n\r\n");
        HOLDFAST_CHECK(text.starts_with("HTTP/1.") && end != std::string_view::npos);
        text.remove_prefix(end + 4);
    }
    return text;
}

void check_agreed(const fuzz::Head& head, const ClientOffer& offer,
                  const ClientHandshake::Agreed& agreed) {
    HOLDFAST_CHECK(http::equal_without_case(head.only("Upgrade"), "websocket"));
    HOLDFAST_CHECK(head.lists("Connection", "Upgrade"));
    HOLDFAST_CHECK(head.only("Sec-WebSocket-Accept") == kAccept);
    HOLDFAST_CHECK(agreed.protocol == head.only("Sec-WebSocket-Protocol"));
    HOLDFAST_CHECK(agreed.protocol.empty() ||
                   std::ranges::find(offer.protocols, agreed.protocol) != offer.protocols.end());
    const std::string extensions = head.list("Sec-WebSocket-Extensions");
    HOLDFAST_CHECK(agreed.deflate.has_value() == extensions.contains("permessage-deflate"));
    if (agreed.deflate) {
        HOLDFAST_CHECK(offer.deflate.enabled);
        HOLDFAST_CHECK(agreed.deflate->receive.window_bits <= offer.deflate.max_window_bits &&
                       agreed.deflate->send.window_bits <= offer.deflate.max_window_bits);
        HOLDFAST_CHECK(
            offer.deflate.context_takeover ||
            (!agreed.deflate->receive.context_takeover && !agreed.deflate->send.context_takeover));
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    ClientOffer offer;
    offer.protocols =
        (mode & 1u) != 0 ? std::vector<std::string>{"v2", "v1"} : std::vector<std::string>{};
    offer.deflate.enabled = (mode & 2u) != 0;
    offer.deflate.context_takeover = (mode & 4u) != 0;
    offer.deflate.max_window_bits = 9 + static_cast<int>(mode >> 3u) % 7;
    const fuzz::Input cuts(input.take(input.byte() % 16));

    const Read whole = read(input.rest(), fuzz::Input(ByteView{}));
    HOLDFAST_CHECK(same(whole, read(input.rest(), cuts)));
    if (!whole.response) {
        return 0;
    }
    FixedEntropy entropy(to_bytes(kNonce));
    const auto agreed = ClientHandshake(offer, entropy).check(*whole.response);
    HOLDFAST_CHECK(agreed || !agreed.error().message.empty());
    if (agreed) {
        check_agreed(fuzz::Head(final_head(as_text(input.rest().first(whole.size)))), offer,
                     *agreed);
    }
    return 0;
}
