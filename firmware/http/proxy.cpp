#include "firmware/http/proxy.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

bool is_alphanumeric(char c) {
    return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9');
}

// ---- Addresses, as 16 bytes: IPv4 as IPv6 maps it (RFC 4291, Section 2.5.5.2).

using Address = std::array<std::uint8_t, 16>;
constexpr int kMappedBits = 96;

/// A number of at most `digits` digits in `base`, taken off `text`.
std::optional<unsigned> take_number(std::string_view& text, unsigned base, std::size_t digits) {
    unsigned number = 0;
    std::size_t used = 0;
    for (; used < text.size() && used < digits; ++used) {
        const char c = to_lower(text[used]);
        unsigned digit = base;
        if (c >= '0' && c <= '9') {
            digit = static_cast<unsigned>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<unsigned>(c - 'a') + 10;
        }
        if (digit >= base) {
            break;
        }
        number = number * base + digit;
    }
    text.remove_prefix(used);
    return used == 0 ? std::nullopt : std::optional(number);
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto number = take_number(text, 10, 3);
        const bool last = i + 1 == bytes.size();
        if (!number || *number > 255 || (last ? !text.empty() : !text.starts_with('.'))) {
            return std::nullopt;
        }
        text.remove_prefix(last ? 0 : 1);
        bytes.at(i) = static_cast<std::uint8_t>(*number);
    }
    return bytes;
}

/// The groups on one side of "::", appended to `bytes`.
bool parse_groups(std::string_view text, std::vector<std::uint8_t>& bytes) {
    while (!text.empty()) {
        if (const auto v4 = parse_v4(text)) {  // only at the end, but then it is all there is left
            bytes.insert(bytes.end(), v4->begin(), v4->end());
            return true;
        }
        const auto group = take_number(text, 16, 4);
        if (!group || (!text.empty() && (text.front() != ':' || text.size() == 1))) {
            return false;
        }
        text.remove_prefix(text.empty() ? 0 : 1);
        bytes.push_back(static_cast<std::uint8_t>(*group >> 8u));
        bytes.push_back(static_cast<std::uint8_t>(*group & 0xffu));
    }
    return true;
}

/// RFC 4291, Section 2.2; a zone ("%eth0") is ignored.
std::optional<Address> parse_address(std::string_view text) {
    Address out{};
    if (const auto v4 = parse_v4(text)) {
        out.at(10) = out.at(11) = 0xff;
        std::ranges::copy(*v4, out.begin() + 12);
        return out;
    }
    text = text.substr(0, text.find('%'));
    const std::size_t gap = text.find("::");
    std::vector<std::uint8_t> front;
    std::vector<std::uint8_t> back;
    if (text.find(':') == std::string_view::npos || !parse_groups(text.substr(0, gap), front) ||
        (gap != std::string_view::npos && !parse_groups(text.substr(gap + 2), back))) {
        return std::nullopt;
    }
    const std::size_t size = front.size() + back.size();
    if (gap == std::string_view::npos ? size != out.size() : size > out.size() - 2) {
        return std::nullopt;
    }
    std::ranges::copy(front, out.begin());
    std::ranges::copy_backward(back, out.end());
    return out;
}

bool in_network(const Address& address, const Address& network, int bits) {
    for (std::size_t i = 0; bits > 0; ++i, bits -= 8) {
        const unsigned mask = bits >= 8 ? 0xffu : 0xffu << static_cast<unsigned>(8 - bits);
        if (((address.at(i) ^ network.at(i)) & mask & 0xffu) != 0) {
            return false;
        }
    }
    return true;
}

bool is_v4(const Address& address) {
    Address mapped{};
    mapped.at(10) = mapped.at(11) = 0xff;
    return in_network(address, mapped, kMappedBits);
}

/// "10.0.0.0/8", "fd00::/8", "192.0.2.1".
bool network_holds(std::string_view text, const Address& address) {
    const std::size_t slash = text.find('/');
    const auto network = parse_address(text.substr(0, slash));
    if (!network || is_v4(*network) != is_v4(address)) {
        return false;
    }
    const int most = is_v4(address) ? 32 : 128;
    int bits = most;
    if (slash != std::string_view::npos) {
        std::string_view digits = text.substr(slash + 1);
        const auto number = take_number(digits, 10, 3);
        if (!number || !digits.empty() || static_cast<int>(*number) > most) {
            return false;
        }
        bits = static_cast<int>(*number);
    }
    return in_network(address, *network, bits + 128 - most);
}

// ---- no_proxy

std::string_view without_last_dot(std::string_view name) {
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

/// Whether `name` is `domain` or below it; neither ends with a dot.
bool in_domain(std::string_view name, std::string_view domain) {
    if (domain.empty() || name.size() < domain.size()) {
        return false;
    }
    const std::size_t before = name.size() - domain.size();
    return equal_without_case(name.substr(before), domain) &&
           (before == 0 || name[before - 1] == '.');
}

std::string_view without_brackets(std::string_view text) {
    return text.starts_with('[') && text.ends_with(']') ? text.substr(1, text.size() - 2) : text;
}

/// Takes ":443" off an entry of the list; an IPv6 address has one in brackets only. nullopt: there
/// is none.
std::optional<std::string_view> take_port(std::string_view& entry) {
    const std::size_t colon = entry.rfind(':');
    const bool lone = colon != std::string_view::npos && entry.find(':') == colon;
    if (!lone && (colon == std::string_view::npos || colon == 0 || entry[colon - 1] != ']')) {
        return std::nullopt;
    }
    const std::string_view port = entry.substr(colon + 1);
    entry = entry.substr(0, colon);
    return port;
}

bool entry_matches(std::string_view entry, std::string_view host,
                   const std::optional<Address>& address, std::uint16_t port) {
    if (entry == "*") {
        return true;
    }
    if (const auto wanted = take_port(entry); wanted && parse_port(*wanted) != port) {
        return false;
    }
    entry = without_brackets(entry);
    if (address) {
        return network_holds(entry, *address);
    }
    if (entry.starts_with("*.")) {
        entry.remove_prefix(1);
    }
    if (entry.starts_with('.')) {
        entry.remove_prefix(1);
    }
    return in_domain(host, without_last_dot(entry));
}

// ---- A proxy's URL

/// What is wrong with the host, "" if nothing. The host is used in messages and in a head.
std::string_view why_no_host(std::string_view host, bool bracketed) {
    if (host.empty()) {
        return "names no host; write it like \"http://proxy.example:3128\"";
    }
    if (bracketed) {
        return parse_address(host) && host.find('%') == std::string_view::npos
                   ? ""
                   : "has no IPv6 address between \"[\" and \"]\"";
    }
    return std::ranges::all_of(
               host, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; })
               ? ""
               : "names a host with a character that no host's name has";
}

/// "user:password" before the "@". What is wrong with it, "" if nothing.
std::string_view parse_user(std::string_view text, Proxy& out) {
    const std::size_t colon = text.find(':');
    auto user = percent_decode(text.substr(0, colon));
    auto password = percent_decode(colon == std::string_view::npos ? "" : text.substr(colon + 1));
    if (!user || !password) {
        return "has a \"%\" without two hexadecimal digits in its user or password; a percent sign "
               "itself is \"%25\"";
    }
    // RFC 7617, Section 2: the colon ends the user, and control characters are not possible.
    if (user->find(':') != std::string::npos || std::ranges::any_of(*user, is_control) ||
        std::ranges::any_of(*password, is_control)) {
        return "has a user with a colon, or a control character in user or password, neither of "
               "which can be sent";
    }
    if (user->empty()) {
        return "has an \"@\" without a user before it";
    }
    out.user = std::move(*user);
    out.password = std::move(*password);
    return {};
}

/// "host:port". What is wrong with it, "" if nothing.
std::string_view parse_host(std::string_view text, Proxy& out) {
    const bool bracketed = text.starts_with('[');
    const std::size_t end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
    if (end == std::string_view::npos) {
        return "has a \"[\" without its \"]\"";
    }
    const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
    const std::string_view rest = text.substr(bracketed ? end + 1 : end);
    if (const std::string_view why = why_no_host(host, bracketed); !why.empty()) {
        return why;
    }
    if (rest.empty()) {
        return "names no port; there is no agreed one, so write it like "
               "\"http://proxy.example:3128\"";
    }
    const auto port = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
    if (!port) {
        return "has a port that is not a number from 1 to 65535";
    }
    out.host = host;
    out.port = *port;
    return {};
}

}  // namespace

std::string Proxy::authority() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
           std::to_string(port);
}

Result<Proxy> parse_proxy(std::string_view text) {
    const auto invalid = [](std::string_view why) {
        return fail(ErrorCode::invalid, std::string(why));
    };
    if (std::ranges::any_of(text, [](char c) { return is_control(c) || c == ' '; })) {
        return invalid("holds a blank or a control character");
    }
    if (const std::size_t separator = text.find("://"); separator != std::string_view::npos) {
        const std::string_view scheme = text.substr(0, separator);
        if (!equal_without_case(scheme, "http")) {
            // Only those that are known are named: anything else before "://" may be a secret.
            for (const std::string_view known :
                 {"https", "socks", "socks4", "socks4a", "socks5", "socks5h"}) {
                if (equal_without_case(scheme, known)) {
                    return fail(ErrorCode::unsupported,
                                "begins with \"" + std::string(known) +
                                    "://\"; a proxy that is spoken to in plain HTTP is what this "
                                    "version can use: \"http://proxy.example:3128\"");
                }
            }
            return fail(ErrorCode::unsupported,
                        "does not begin with \"http://\"; write it like "
                        "\"http://proxy.example:3128\"");
        }
        text.remove_prefix(separator + 3);
    }
    Proxy out;
    // The last "@": a password may hold one although it should be encoded there.
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        if (const std::string_view why = parse_user(text.substr(0, at), out); !why.empty()) {
            return invalid(why);
        }
        text.remove_prefix(at + 1);
    }
    if (text.ends_with('/')) {
        text.remove_suffix(1);
    }
    if (text.find_first_of("/?#") != std::string_view::npos) {
        return invalid("has a path, a query or a fragment, which a proxy has not");
    }
    if (const std::string_view why = parse_host(text, out); !why.empty()) {
        return invalid(why);
    }
    return out;
}

bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port) {
    host = without_last_dot(host);
    const auto address = parse_address(host);
    constexpr std::string_view kSeparators = ", \t\r\n";
    while (true) {
        const std::size_t begin = no_proxy.find_first_not_of(kSeparators);
        if (begin == std::string_view::npos) {
            return false;
        }
        no_proxy.remove_prefix(begin);
        const std::size_t end = std::min(no_proxy.find_first_of(kSeparators), no_proxy.size());
        if (entry_matches(no_proxy.substr(0, end), host, address, port)) {
            return true;
        }
        no_proxy.remove_prefix(end);
    }
}

bool is_loopback(std::string_view host) {
    host = without_last_dot(host);
    const auto address = parse_address(host);
    return address ? network_holds("127.0.0.0/8", *address) || network_holds("::1", *address)
                   : in_domain(host, "localhost");
}

}  // namespace holdfast::http
