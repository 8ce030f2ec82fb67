// What a proxy answers to CONNECT: the same becomes of it however the line cuts it, a tunnel begins
// behind a head and nowhere else, nothing grows beyond the limit, and what is told to people is one
// line that does not hold the password. The same bytes as a proxy's URL and as a no_proxy list.
#include <optional>

#include "firmware/http/proxy.h"
#include "firmware/http/syntax.h"
#include "tests/fuzz/allocations.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::http;

namespace {

constexpr std::string_view kPassword = "geheim-4711";
constexpr std::size_t kSentenceLimit = 512;

void check_sentence(const Error& error) {
    HOLDFAST_CHECK(!error.message.empty() && error.message.size() <= kSentenceLimit);
    HOLDFAST_CHECK(std::ranges::all_of(error.message, [](char c) { return c >= ' ' && c <= '~'; }));
}

struct Outcome {
    std::optional<Error> error;
    bool stands = false;
    std::size_t taken = 0;  ///< of the answer, if the tunnel stands

    friend bool operator==(const Outcome& a, const Outcome& b) {
        return a.stands == b.stands && a.taken == b.taken &&
               a.error.has_value() == b.error.has_value() &&
               (!a.error ||
                (a.error->code == b.error->code && a.error->message == b.error->message));
    }
};

Outcome read(ByteView answer, fuzz::Input cuts, const Proxy& proxy) {
    ProxyTunnel tunnel(proxy, "hub.example", 443, "fuzz");
    Outcome outcome;
    bool over = false;
    fuzz::in_pieces(answer, cuts, [&](std::span<std::byte> piece) {
        if (over) {
            return;
        }
        ByteView bytes = piece;
        const auto whole = tunnel.next(bytes);
        over = !whole || *whole;
        if (!whole) {
            outcome = {.error = whole.error()};
            return;
        }
        outcome.stands = *whole;
        HOLDFAST_CHECK(*whole || bytes.empty());
        outcome.taken += piece.size() - bytes.size();
        HOLDFAST_CHECK(outcome.taken <= ProxyTunnel::kHeadLimitBytes);
    });
    return outcome;
}

/// A second look, as plain as can be: the last head before the tunnel is a 2xx.
void check_tunnel(std::string_view heads) {
    HOLDFAST_CHECK(heads.ends_with("\n\n") || heads.ends_with("\n\r\n"));
    const std::string_view last_head = [&heads] {
        std::size_t begin = 0;
        for (std::size_t i = 0; i + 1 < heads.size(); ++i) {
            const std::string_view rest = heads.substr(i);
            if (rest.starts_with("\n\n") && rest.size() > 2) {
                begin = i + 2;
            } else if (rest.starts_with("\n\r\n") && rest.size() > 3) {
                begin = i + 3;
            }
        }
        return heads.substr(begin);
    }();
    HOLDFAST_CHECK(last_head.starts_with("HTTP/1.") && last_head.substr(8).starts_with(" 2"));
}

void check_settings(std::string_view text) {
    const auto proxy = parse_proxy(text);
    if (proxy) {
        const auto again = parse_proxy(proxy->authority());
        HOLDFAST_CHECK(again && again->host == proxy->host && again->port == proxy->port);
        HOLDFAST_CHECK(std::ranges::none_of(proxy->authority(), is_control));
        const std::string request = ProxyTunnel(*proxy, "h", 1, "").request();
        HOLDFAST_CHECK(request.find("\r\n\r\n") == request.size() - 4);
    } else {
        check_sentence(proxy.error());
    }
    const std::string list(text);
    for (const std::string_view host : {"hub.example", "10.1.2.3", "2001:db8::1"}) {
        HOLDFAST_CHECK(bypasses_proxy(list + ",*", host, 443));
        HOLDFAST_CHECK(bypasses_proxy(", " + list + " ", host, 443) ==
                       bypasses_proxy(list, host, 443));
        HOLDFAST_CHECK(bypasses_proxy(host, host, 443) && !bypasses_proxy("", host, 443));
    }
    HOLDFAST_CHECK(!is_loopback(text) || bypasses_proxy("localhost,127.0.0.0/8,::1", text, 443));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    const fuzz::Input cuts(input.take(input.byte() % 16));
    Proxy proxy{.host = "p.example", .port = 3128, .user = {}, .password = {}};
    if (mode % 2 != 0) {
        proxy.user = "kim";
        proxy.password = kPassword;
    }
    // Said again and again, for what has no end.
    Bytes answer;
    for (unsigned i = 0; i <= mode / 2 % 16; ++i) {
        append(answer, input.rest());
    }
    Outcome whole;
    {
        const fuzz::Allocations allocations;
        whole = read(answer, cuts, proxy);
        // The pieces of a cut are ours; else a head, and what grew to hold it.
        HOLDFAST_CHECK(allocations.largest_bytes() <=
                       std::max(answer.size(), 2 * ProxyTunnel::kHeadLimitBytes + 1));
    }
    HOLDFAST_CHECK(read(answer, fuzz::Input(ByteView{}), proxy) == whole);
    if (whole.error) {
        check_sentence(*whole.error);
        HOLDFAST_CHECK(whole.error->message.starts_with("the proxy p.example:3128 "));
        // Without a password of ours the word is one like any other.
        HOLDFAST_CHECK(proxy.password.empty() ||
                       whole.error->message.find(kPassword) == std::string::npos);
    }
    if (whole.stands) {
        check_tunnel(as_text(answer).substr(0, whole.taken));
    }
    check_settings(as_text(input.rest()));
    return 0;
}
