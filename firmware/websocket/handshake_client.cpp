#include <algorithm>

#include "firmware/base/text.h"
#include "firmware/http/syntax.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::websocket {
namespace {

std::string join(const std::vector<std::string>& parts) {
    std::string out;
    for (const std::string& part : parts) {
        out.append(out.empty() ? "" : ", ").append(part);
    }
    return out;
}

std::unexpected<Error> broken(std::string_view why) {
    return fail(ErrorCode::invalid, "the answer to the opening handshake " + std::string(why));
}

/// Whether `body` repeats our request, as an echo or a debugging page does. Such a body says
/// nothing about the server, differs each time, and may hold our token, which must not be logged.
/// The body may be cut, so the beginning of the token is enough.
bool repeats(std::string_view body, const std::string& key, const ClientOffer& offer) {
    constexpr std::size_t kBeginning = 8;
    bool found = body.find(key) != std::string_view::npos;
    for (const auto& [name, value] : offer.headers) {
        if (http::equal_without_case(name, "Authorization")) {
            const std::string_view secret =
                http::trim(std::string_view(value).substr(std::min(value.find(' '), value.size())));
            found = found || (!secret.empty() &&
                              body.find(secret.substr(0, kBeginning)) != std::string_view::npos);
        }
    }
    return found;
}

/// The server's status and its text, for the person who looks for the cause.
Error refusal(const http::Response& response, const std::string& key, const ClientOffer& offer) {
    constexpr std::size_t kMostWords = 200;
    std::string message = "the server answered " + std::to_string(response.status) + " " +
                          std::string(http::reason_phrase(response.status));
    // The body of a redirection repeats its address, which may hold a token of a portal.
    if (response.status / 100 != 3 && response.header("Content-Type").starts_with("text/plain") &&
        !repeats(response.body, key, offer)) {
        std::string words = response.body.substr(0, kMostWords);
        std::ranges::replace_if(words, http::is_control, ' ');
        if (const std::string_view said = http::trim(words); !said.empty()) {
            message.append(": ").append(said);
        }
    }
    const ErrorCode code = response.status == 401   ? ErrorCode::unauthorized
                           : response.status == 403 ? ErrorCode::refused
                                                    : ErrorCode::unsupported;
    return {code, std::move(message)};
}

}  // namespace

ClientHandshake::ClientHandshake(ClientOffer offer, ports::Entropy& entropy)
    : offer_(std::move(offer)) {
    std::array<std::byte, 16> nonce;
    entropy.fill(nonce);
    key_ = to_base64(nonce);
}

std::string ClientHandshake::request() const {
    std::string out = "GET " + offer_.target + " HTTP/1.1\r\n";
    http::append_header(out, "Host", offer_.host);
    http::append_header(out, "Upgrade", "websocket");
    http::append_header(out, "Connection", "Upgrade");
    http::append_header(out, "Sec-WebSocket-Key", key_);
    http::append_header(out, "Sec-WebSocket-Version", "13");
    if (!offer_.protocols.empty()) {
        http::append_header(out, "Sec-WebSocket-Protocol", join(offer_.protocols));
    }
    if (offer_.deflate.enabled) {
        http::append_header(out, "Sec-WebSocket-Extensions", deflate_offer(offer_.deflate));
    }
    for (const auto& [name, value] : offer_.headers) {
        http::append_header(out, name, value);
    }
    return out + "\r\n";
}

Result<ClientHandshake::Agreed> ClientHandshake::check(const http::Response& response) const {
    if (response.status != 101) {
        return std::unexpected(refusal(response, key_, offer_));
    }
    if (response.count("Upgrade") != 1 ||
        !http::equal_without_case(http::trim(response.header("Upgrade")), "websocket")) {
        return broken("lacks \"Upgrade: websocket\"");
    }
    if (!response.has_token("Connection", "Upgrade")) {
        return broken("lacks \"Connection: Upgrade\"");
    }
    if (response.count("Sec-WebSocket-Accept") != 1 ||
        http::trim(response.header("Sec-WebSocket-Accept")) != accept_key(key_)) {
        return broken("has a wrong Sec-WebSocket-Accept");
    }
    Agreed agreed;
    if (response.count("Sec-WebSocket-Protocol") > 1) {
        return broken("names more than one subprotocol");
    }
    if (response.count("Sec-WebSocket-Protocol") == 1) {
        agreed.protocol = http::trim(response.header("Sec-WebSocket-Protocol"));
        if (std::ranges::find(offer_.protocols, agreed.protocol) == offer_.protocols.end()) {
            return broken("names a subprotocol that was not offered");
        }
    }
    std::vector<std::string> extensions;
    for (const auto& [name, value] : response.headers) {
        if (http::equal_without_case(name, "Sec-WebSocket-Extensions")) {
            extensions.push_back(value);
        }
    }
    auto deflate = check_deflate(join(extensions), offer_.deflate);
    if (!deflate) {
        return std::unexpected(std::move(deflate.error()));
    }
    agreed.deflate = *deflate;
    return agreed;
}

}  // namespace holdfast::websocket
