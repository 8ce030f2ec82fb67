// Requests, in pieces, into the reader and the server's side of the handshake: what is read does
// not depend on where the line cuts, a 101 is given only to heads that a plain second look accepts
// as well, and every answer can be read.
#include "firmware/base/text.h"
#include "firmware/websocket/handshake.h"
#include "tests/fuzz/head.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::websocket;

namespace {

constexpr http::Limits kLimits{.head_size_bytes = 1024, .body_size_bytes = 256};

struct Read {
    std::vector<http::Request> requests;
    std::vector<std::string> heads;  ///< the bytes of each, with its body
    std::optional<ErrorCode> error;
    std::size_t left = 0;  ///< behind an upgrade or an error
};

Read read(ByteView stream, fuzz::Input cuts) {
    http::RequestReader reader(kLimits);
    Read read;
    std::size_t taken = 0;
    std::size_t begin = 0;
    bool going_on = true;
    fuzz::in_pieces(stream, cuts, [&](std::span<std::byte> piece) {
        ByteView rest = piece;
        while (going_on) {
            auto request = reader.next(rest);
            if (!request) {
                HOLDFAST_CHECK(!request.error().message.empty());
                read.error = request.error().code;
                going_on = false;
            } else if (!*request) {
                HOLDFAST_CHECK(rest.empty());
                break;
            } else {
                const std::size_t end = taken + piece.size() - rest.size();
                read.heads.emplace_back(as_text(stream.subspan(begin, end - begin)));
                begin = end;
                read.requests.push_back(**std::move(request));
                going_on = !wants_websocket(read.requests.back());
            }
        }
        taken += piece.size();
    });
    read.left = stream.size() - begin;
    return read;
}

bool same(const http::Request& a, const http::Request& b) {
    return a.method == b.method && a.target == b.target && a.version == b.version &&
           a.headers == b.headers && a.body == b.body && a.keep_alive == b.keep_alive;
}

void check_accepted(const fuzz::Head& head, const ServerPolicy& policy,
                    const ServerAnswer& answer) {
    HOLDFAST_CHECK(head.first_line().starts_with("GET ") &&
                   head.first_line().ends_with(" HTTP/1.1"));
    HOLDFAST_CHECK(!head.only("Host").empty() || head.list("Host") == ",");
    HOLDFAST_CHECK(head.lists("Upgrade", "websocket") && head.lists("Connection", "Upgrade"));
    HOLDFAST_CHECK(head.only("Sec-WebSocket-Version") == "13");
    const std::string key = head.only("Sec-WebSocket-Key");
    HOLDFAST_CHECK(key.size() == 24 && from_base64(key).value_or(Bytes()).size() == 16);
    HOLDFAST_CHECK(answer.response.header("Sec-WebSocket-Accept") == accept_key(key));
    if (const std::string origin = head.only("Origin"); !origin.empty()) {
        HOLDFAST_CHECK(origin == "https://ops.example.com" ||
                       (policy.allow_same_origin && !head.only("Host").empty()));
    }
    HOLDFAST_CHECK(answer.protocol.empty() ? !policy.protocol_required
                                           : head.lists("Sec-WebSocket-Protocol", answer.protocol));
    HOLDFAST_CHECK(answer.response.header("Sec-WebSocket-Protocol") == answer.protocol);
    HOLDFAST_CHECK(answer.response.count("Sec-WebSocket-Extensions") == (answer.deflate ? 1u : 0u));
    if (answer.deflate) {
        HOLDFAST_CHECK(policy.deflate.enabled);
        HOLDFAST_CHECK(head.list("Sec-WebSocket-Extensions").contains("permessage-deflate"));
        HOLDFAST_CHECK(answer.deflate->send.window_bits >= 8 &&
                       answer.deflate->send.window_bits <= policy.deflate.max_window_bits);
        HOLDFAST_CHECK(answer.deflate->receive.window_bits >= 8 &&
                       answer.deflate->receive.window_bits <= 15);
    }
}

void check_readable(const http::Response& response) {
    const std::string wire = http::to_wire(response);
    http::ResponseReader reader;
    ByteView bytes = as_bytes(wire);
    const auto parsed = reader.next(bytes);
    HOLDFAST_CHECK(parsed && *parsed && bytes.empty());
    HOLDFAST_CHECK((*parsed)->status == response.status && (*parsed)->body == response.body);
    for (const auto& [name, value] : response.headers) {
        HOLDFAST_CHECK((*parsed)->header(name) == value);
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    ServerPolicy policy;
    policy.protocols =
        (mode & 1u) != 0 ? std::vector<std::string>{"v2", "v1"} : std::vector<std::string>{};
    policy.protocol_required = (mode & 3u) == 3u;
    policy.allowed_origins = {"https://ops.example.com"};
    policy.allow_same_origin = (mode & 4u) != 0;
    policy.deflate.enabled = (mode & 8u) != 0;
    policy.deflate.context_takeover = (mode & 16u) != 0;
    policy.deflate.max_window_bits = 9 + static_cast<int>(mode >> 5u) % 7;
    const fuzz::Input cuts(input.take(input.byte() % 16));

    const Read whole = read(input.rest(), fuzz::Input(ByteView{}));
    const Read split = read(input.rest(), cuts);
    HOLDFAST_CHECK(std::ranges::equal(whole.requests, split.requests, same));
    HOLDFAST_CHECK(whole.heads == split.heads && whole.error == split.error);
    HOLDFAST_CHECK(whole.left == split.left);
    for (std::size_t i = 0; i < whole.requests.size(); ++i) {
        HOLDFAST_CHECK(whole.heads[i].size() <=
                       kLimits.head_size_bytes + 8 * kLimits.body_size_bytes);
        const ServerAnswer answer = websocket::answer(whole.requests[i], policy);
        HOLDFAST_CHECK(answer.accepted == (answer.response.status == 101));
        check_readable(answer.response);
        if (answer.accepted) {
            check_accepted(fuzz::Head(whole.heads[i]), policy, answer);
        }
    }
    return 0;
}
