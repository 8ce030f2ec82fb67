#include <algorithm>
#include <array>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "firmware/base/check.h"
#include "firmware/base/text.h"
#include "firmware/http/syntax.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::websocket {
namespace {

ServerAnswer refuse(int status, std::string why) {
    ServerAnswer answer;
    answer.response.status = status;
    answer.response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    answer.response.body = std::move(why) + "\n";
    // What a client sends after a request that it took for an upgrade is no HTTP.
    answer.response.keep_alive = false;
    return answer;
}

ServerAnswer refuse(int status, std::string why, std::string name, std::string value) {
    ServerAnswer answer = refuse(status, std::move(why));
    answer.response.headers.emplace_back(std::move(name), std::move(value));
    return answer;
}

/// "host" or "host:port" of an http or https origin, without the port that its scheme implies; ""
/// for any other.
std::string_view origin_authority(std::string_view origin, std::string_view& default_port) {
    constexpr std::string_view kHttp = "http://";
    constexpr std::string_view kHttps = "https://";
    if (http::equal_without_case(origin.substr(0, kHttps.size()), kHttps)) {
        default_port = ":443";
        origin.remove_prefix(kHttps.size());
    } else if (http::equal_without_case(origin.substr(0, kHttp.size()), kHttp)) {
        default_port = ":80";
        origin.remove_prefix(kHttp.size());
    } else {
        return {};
    }
    return origin;
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
    return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

/// The scheme is not compared: behind a proxy that ends TLS we do not know our own.
bool is_same_origin(std::string_view origin, std::string_view host) {
    std::string_view default_port;
    const std::string_view authority = origin_authority(origin, default_port);
    return !authority.empty() && http::equal_without_case(without_suffix(authority, default_port),
                                                          without_suffix(host, default_port));
}

bool origin_allowed(const http::Request& request, const ServerPolicy& policy) {
    if (request.count("Origin") == 0) {
        return true;
    }
    const std::string_view origin = http::trim(request.header("Origin"));
    const bool listed =
        std::ranges::any_of(policy.allowed_origins, [origin](std::string_view allowed) {
            return allowed == "*" || http::equal_without_case(without_suffix(allowed, "/"), origin);
        });
    return listed ||
           (policy.allow_same_origin && is_same_origin(origin, http::trim(request.header("Host"))));
}

bool is_key(std::string_view key) {
    const auto nonce = from_base64(key);
    return nonce && nonce->size() == 16;
}

std::string joined(const http::Request& request, std::string_view name) {
    std::string out;
    for (const auto& [key, value] : request.headers) {
        if (http::equal_without_case(key, name)) {
            out.append(out.empty() ? "" : ", ").append(value);
        }
    }
    return out;
}

/// Why the request is not an opening handshake (Sections 4.1 and 4.2.1). nullopt: it is one.
std::optional<ServerAnswer> refuse_malformed(const http::Request& request) {
    if (request.method != "GET") {
        return refuse(405, "A WebSocket is opened with GET.", "Allow", "GET");
    }
    if (request.version < 11) {
        return refuse(400, "A WebSocket needs HTTP/1.1; a proxy on the way may speak less.");
    }
    if (request.count("Host") != 1) {
        return refuse(400, "Exactly one Host header is needed.");
    }
    if (!wants_websocket(request)) {
        return refuse(426, "This is a WebSocket; a proxy on the way may not forward Upgrade.",
                      "Upgrade", "websocket");
    }
    if (!request.has_token("Connection", "Upgrade")) {
        return refuse(400, "\"Connection: Upgrade\" is missing; a proxy may not forward it.");
    }
    if (request.count("Sec-WebSocket-Version") != 1 ||
        http::trim(request.header("Sec-WebSocket-Version")) != "13") {
        return refuse(426, "Only version 13 of the WebSocket protocol is spoken here.",
                      "Sec-WebSocket-Version", "13");
    }
    if (request.count("Sec-WebSocket-Key") != 1 ||
        !is_key(http::trim(request.header("Sec-WebSocket-Key")))) {
        return refuse(400, "Sec-WebSocket-Key must be given once and be 16 bytes in base64.");
    }
    return std::nullopt;
}

}  // namespace

bool wants_websocket(const http::Request& request) {
    return request.has_token("Upgrade", "websocket");
}

std::string accept_key(std::string_view key) {
    constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const std::string text = std::string(key).append(kGuid);
    std::array<std::byte, WC_SHA_DIGEST_SIZE> digest;
    wc_Sha sha;
    HOLDFAST_CHECK(wc_InitSha(&sha) == 0);
    HOLDFAST_CHECK(wc_ShaUpdate(&sha, reinterpret_cast<const byte*>(text.data()),
                                static_cast<word32>(text.size())) == 0);
    HOLDFAST_CHECK(wc_ShaFinal(&sha, reinterpret_cast<byte*>(digest.data())) == 0);
    wc_ShaFree(&sha);
    return to_base64(digest);
}

ServerAnswer answer(const http::Request& request, const ServerPolicy& policy) {
    if (auto refusal = refuse_malformed(request)) {
        return std::move(*refusal);
    }
    if (request.count("Origin") > 1 || !origin_allowed(request, policy)) {
        return refuse(403, "Pages of this origin are not allowed here.");
    }
    std::vector<std::string_view> offered;
    const std::string offers = joined(request, "Sec-WebSocket-Protocol");
    http::for_each_element(offers,
                           [&offered](std::string_view element) { offered.push_back(element); });
    if (!std::ranges::all_of(offered, http::is_token)) {
        return refuse(400, "Sec-WebSocket-Protocol is malformed.");
    }
    const auto chosen =
        std::ranges::find_if(policy.protocols, [&offered](std::string_view protocol) {
            return std::ranges::find(offered, protocol) != offered.end();
        });
    if (chosen == policy.protocols.end() && policy.protocol_required) {
        return refuse(400, "None of the subprotocols spoken here was offered.");
    }

    ServerAnswer result;
    result.accepted = true;
    result.response.status = 101;
    result.response.headers = {
        {"Upgrade", "websocket"},
        {"Connection", "Upgrade"},
        {"Sec-WebSocket-Accept", accept_key(http::trim(request.header("Sec-WebSocket-Key")))}};
    if (chosen != policy.protocols.end()) {
        result.protocol = *chosen;
        result.response.headers.emplace_back("Sec-WebSocket-Protocol", *chosen);
    }
    if (auto deflate =
            answer_deflate(joined(request, "Sec-WebSocket-Extensions"), policy.deflate)) {
        result.deflate = deflate->agreement;
        result.response.headers.emplace_back("Sec-WebSocket-Extensions",
                                             std::move(deflate->header));
    }
    return result;
}

}  // namespace holdfast::websocket
