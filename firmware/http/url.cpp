#include <algorithm>

#include "firmware/http/message.h"
#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

std::optional<std::uint16_t> default_port(std::string_view scheme) {
    if (scheme == "http" || scheme == "ws") {
        return std::uint16_t{80};
    }
    if (scheme == "https" || scheme == "wss") {
        return std::uint16_t{443};
    }
    return std::nullopt;
}

std::unexpected<Error> wrong(std::string_view url, std::string_view why) {
    // A URL with a user may hold a password, and is not repeated.
    const bool secret = url.find('@') != std::string_view::npos;
    return fail(ErrorCode::invalid,
                (secret ? "the URL" : "\"" + std::string(url) + "\"") + " " + std::string(why));
}

/// "user:password" before the "@".
bool parse_user(std::string_view text, Url& out) {
    const std::size_t colon = text.find(':');
    auto user = percent_decode(text.substr(0, colon));
    auto password = percent_decode(colon == std::string_view::npos ? "" : text.substr(colon + 1));
    if (!user || !password) {
        return false;
    }
    out.user = std::move(*user);
    out.password = std::move(*password);
    return true;
}

/// "host", "host:port", "[::1]:port". Returns what is wrong with it, "" if nothing.
std::string_view parse_host(std::string_view text, Url& out) {
    std::string_view rest;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return "has a \"[\" without its \"]\"";
        }
        out.host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') {
            return "has something between \"]\" and the port";
        }
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        out.host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (out.host.empty()) {
        return "names no host";
    }
    if (!rest.empty()) {
        const auto port = parse_port(rest.substr(1));
        if (!port) {
            return "has a port that is not a number from 1 to 65535";
        }
        out.port = *port;
    }
    return {};
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint32_t port = 0;
    for (const char c : text) {
        port = port * 10 + static_cast<std::uint32_t>(c - '0');
        if (c < '0' || c > '9' || port > 65535) {
            return std::nullopt;
        }
    }
    return port == 0 ? std::nullopt : std::optional(static_cast<std::uint16_t>(port));
}

std::string Url::authority() const {
    std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return default_port(scheme) == port ? out : out + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view url) {
    if (std::ranges::any_of(url, [](char c) { return is_control(c) || c == ' '; })) {
        return fail(ErrorCode::invalid, "the URL holds a blank or a control character");
    }
    const std::size_t separator = url.find("://");
    if (separator == std::string_view::npos) {
        return wrong(url, "has no scheme; write it like \"wss://hub.example.com/v1/uplink\"");
    }
    Url out;
    std::ranges::transform(url.substr(0, separator), std::back_inserter(out.scheme), to_lower);
    const auto port = default_port(out.scheme);
    if (!port) {
        return wrong(url, "has a scheme that is none of http, https, ws, wss");
    }
    out.port = *port;
    // RFC 6455, Section 3: a fragment has no meaning here.
    if (url.find('#') != std::string_view::npos) {
        return wrong(url, "has a fragment (\"#\"), which no server would see");
    }
    const std::string_view rest = url.substr(separator + 3);
    const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        if (!parse_user(authority.substr(0, at), out)) {
            return wrong(url, "has a wrongly encoded user or password");
        }
        authority.remove_prefix(at + 1);
    }
    if (const std::string_view why = parse_host(authority, out); !why.empty()) {
        return wrong(url, why);
    }
    out.target = rest.substr(authority_end);
    if (!out.target.starts_with('/')) {
        out.target.insert(0, "/");
    }
    return out;
}

std::string site_of(std::string_view location) {
    constexpr std::size_t kLongest = 80;
    const std::size_t separator = location.find("://");
    if (separator == std::string_view::npos) {
        return {};
    }
    const auto url = parse_url(location.substr(0, location.find_first_of("/?#", separator + 3)));
    if (!url) {
        return {};
    }
    std::string site = url->scheme + "://" + url->authority();
    std::ranges::replace_if(
        site, [](char c) { return static_cast<unsigned char>(c) >= 0x80 || is_control(c); }, '?');
    return site.substr(0, kLongest);
}

}  // namespace holdfast::http
