#include "firmware/http/proxy.h"

#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace holdfast::http {
namespace {

/// "host:port user:password", or the error's sentence.
std::string parsed(std::string_view text) {
    const auto proxy = parse_proxy(text);
    if (!proxy) {
        CHECK_TRUE(proxy.error().message.find("secret") == std::string::npos);
        return proxy.error().message;
    }
    return proxy->authority() +
           (proxy->user.empty() ? "" : " " + proxy->user + ":" + proxy->password);
}

void expect_parsed(const std::string& text, const std::string& expected) {
    STRCMP_EQUAL(expected.c_str(), parsed(text).c_str());
}

/// What became of an answer.
struct Outcome {
    std::optional<Error> error;
    bool stands = false;
    std::string left;  ///< for the tunnel

    friend bool operator==(const Outcome& a, const Outcome& b) {
        return a.stands == b.stands && a.left == b.left &&
               a.error.has_value() == b.error.has_value() &&
               (!a.error ||
                (a.error->code == b.error->code && a.error->message == b.error->message));
    }
};

Outcome read(std::string_view answer, const std::vector<std::size_t>& cuts, const Proxy& proxy) {
    ProxyTunnel tunnel(proxy, "hub.example", 443, "holdfast/1");
    std::vector<std::size_t> ends = cuts;
    ends.push_back(answer.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        // Memory of its own, so that a byte read past its end is found by the sanitizer.
        const std::string piece(answer.substr(begin, end - begin));
        ByteView bytes = as_bytes(piece);
        begin = end;
        const auto whole = tunnel.next(bytes);
        if (!whole) {
            return {.error = whole.error(), .left = {}};
        }
        if (*whole) {
            return {.error = {},
                    .stands = true,
                    .left = std::string(as_text(bytes)) + std::string(answer.substr(end))};
        }
        CHECK_TRUE(bytes.empty());
    }
    return {};
}

/// Whole, byte by byte, and split at each place.
Outcome outcome(std::string_view answer, const Proxy& proxy) {
    Outcome whole = read(answer, {}, proxy);
    std::vector<std::size_t> each;
    for (std::size_t i = 1; i < answer.size(); ++i) {
        each.push_back(i);
        if (answer.size() < 1000) {
            CHECK_TRUE(read(answer, {i}, proxy) == whole);
        }
    }
    CHECK_TRUE(read(answer, each, proxy) == whole);
    if (whole.error) {
        CHECK_TRUE(whole.error->message.find("secret") == std::string::npos);
    }
    return whole;
}

const Proxy kOpen{.host = "p.example", .port = 3128, .user = {}, .password = {}};
const Proxy kClosed{.host = "p.example", .port = 3128, .user = "kim", .password = "secret"};

void expect_tunnel(std::string_view answer, const std::string& left = "") {
    const Outcome result = outcome(answer, kOpen);
    STRCMP_EQUAL("", result.error ? result.error->message.c_str() : "");
    CHECK_TRUE(result.stands);
    STRCMP_EQUAL(left.c_str(), result.left.c_str());
}

void expect_error(std::string_view answer, ErrorCode code, const std::string& expected,
                  const Proxy& proxy = kOpen) {
    const Outcome result = outcome(answer, proxy);
    STRCMP_EQUAL(expected.c_str(), result.error ? result.error->message.c_str() : "none");
    CHECK_TRUE(result.error && result.error->code == code);
}

void expect_unfinished(std::string_view answer) {
    const Outcome result = outcome(answer, kOpen);
    CHECK_TRUE(!result.error && !result.stands);
}

}  // namespace

TEST_GROUP(Proxy){};

TEST(Proxy, is_read_from_a_url_or_a_host_with_a_port) {
    expect_parsed("http://proxy.example:3128", "proxy.example:3128");
    expect_parsed("HTTP://proxy.example:3128/", "proxy.example:3128");
    expect_parsed("proxy.example:65535", "proxy.example:65535");
    expect_parsed("http://kim:se%40cr%3aet%25@10.0.0.1:1", "10.0.0.1:1 kim:se@cr:et%");
    expect_parsed("kim@proxy_1.example.:80", "proxy_1.example.:80 kim:");
    expect_parsed("http://kim:a@b/c#d@p:80", "p:80 kim:a@b/c#d");
    expect_parsed("http://[2001:db8::1]:3128", "[2001:db8::1]:3128");
    CHECK_TRUE(parse_proxy("[::1]:1")->host == "::1");
}

TEST(Proxy, that_cannot_be_is_told_without_repeating_it) {
    const std::string example =
        "; there is no agreed one, so write it like "
        "\"http://proxy.example:3128\"";
    expect_parsed("http://proxy.example", "names no port" + example);
    expect_parsed("http://[::1]", "names no port" + example);
    expect_parsed("", "names no host; write it like \"http://proxy.example:3128\"");
    expect_parsed("http://:3128", "names no host; write it like \"http://proxy.example:3128\"");
    for (const std::string port : {"0", "65536", "", "x", "secret"}) {
        expect_parsed("http://p:" + port, "has a port that is not a number from 1 to 65535");
    }
    expect_parsed("[::1]3128", "has a port that is not a number from 1 to 65535");
    expect_parsed("2001:db8::1", "has a port that is not a number from 1 to 65535");
    expect_parsed("http://p:1/path", "has a path, a query or a fragment, which a proxy has not");
    expect_parsed("http://p:1?q", "has a path, a query or a fragment, which a proxy has not");
    expect_parsed("http://[::1", "has a \"[\" without its \"]\"");
    expect_parsed("http://[p]:1", "has no IPv6 address between \"[\" and \"]\"");
    expect_parsed("http://p\xc3\xa4:1", "names a host with a character that no host's name has");
    expect_parsed("http://p :1", "holds a blank or a control character");
    expect_parsed("http://p:1\n", "holds a blank or a control character");
    expect_parsed("http://kim:secret%@p:1",
                  "has a \"%\" without two hexadecimal digits in its user or password; a percent "
                  "sign itself is \"%25\"");
    for (const std::string user : {"k%3aim:secret", "kim:secret%0a", "k%1fim:secret"}) {
        expect_parsed(user + "@p:1",
                      "has a user with a colon, or a control character in user or password, "
                      "neither of which can be sent");
    }
    expect_parsed("http://:secret@p:1", "has an \"@\" without a user before it");
    const std::string plain =
        "a proxy that is spoken to in plain HTTP is what this version can "
        "use: \"http://proxy.example:3128\"";
    expect_parsed("HTTPS://kim:secret@p:1", "begins with \"https://\"; " + plain);
    expect_parsed("socks5h://p:1", "begins with \"socks5h://\"; " + plain);
    expect_parsed("secret://p:1",
                  "does not begin with \"http://\"; write it like \"http://proxy.example:3128\"");
    CHECK_TRUE(parse_proxy("https://p:1").error().code == ErrorCode::unsupported);
    CHECK_TRUE(parse_proxy("p").error().code == ErrorCode::invalid);
}

TEST_GROUP(NoProxy){};

TEST(NoProxy, a_domain_means_itself_and_all_below_it) {
    for (const std::string list :
         {"example.com", ".example.com", "*.example.com", "EXAMPLE.com", "example.com.",
          "x, example.com", "x example.com\ty", ",,example.com,", "*", "x,*", " * "}) {
        CHECK_TRUE_TEXT(bypasses_proxy(list, "example.com", 443), list.c_str());
        CHECK_TRUE_TEXT(bypasses_proxy(list, "Hub.Example.Com", 443), list.c_str());
        CHECK_TRUE_TEXT(bypasses_proxy(list, "a.hub.example.com.", 443), list.c_str());
    }
    for (const std::string list : {"", " ", ",", ".", "com.example", "ample.com", "hub.example.com",
                                   "**", "e*.com", "http://example.com"}) {
        CHECK_FALSE_TEXT(bypasses_proxy(list, "example.com", 443), list.c_str());
    }
    CHECK_TRUE(bypasses_proxy("com", "example.com", 443));
    CHECK_FALSE(bypasses_proxy("example.com", "myexample.com", 443));
    CHECK_FALSE(bypasses_proxy("example.com", "example.com.evil", 443));
}

TEST(NoProxy, a_port_narrows_an_entry) {
    CHECK_TRUE(bypasses_proxy("example.com:443", "hub.example.com", 443));
    CHECK_FALSE(bypasses_proxy("example.com:443", "hub.example.com", 8443));
    CHECK_TRUE(bypasses_proxy("10.0.0.1:80", "10.0.0.1", 80));
    CHECK_FALSE(bypasses_proxy("10.0.0.1:80", "10.0.0.1", 81));
    CHECK_TRUE(bypasses_proxy("[::1]:80", "::1", 80));
    CHECK_FALSE(bypasses_proxy("[::1]:80", "::1", 81));
    CHECK_FALSE(bypasses_proxy("example.com:x", "example.com", 80));
    CHECK_FALSE(bypasses_proxy("example.com:", "example.com", 80));
    CHECK_FALSE(bypasses_proxy(":80", "example.com", 80));
}

TEST(NoProxy, addresses_are_compared_as_addresses) {
    struct Case {
        const char* list;
        const char* host;
        bool expected;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"10.0.0.1", "10.0.0.1", true},
             {"10.0.0.1", "10.0.0.2", false},
             {".0.0.1", "10.0.0.1", false},
             {"0.0.1", "10.0.0.1", false},
             {"10.0.0.0/8", "10.255.255.255", true},
             {"10.0.0.0/8", "11.0.0.0", false},
             {"192.168.4.0/22", "192.168.7.255", true},
             {"192.168.4.0/22", "192.168.8.0", false},
             {"10.0.0.1/32", "10.0.0.1", true},
             {"10.0.0.1/32", "10.0.0.0", false},
             {"0.0.0.0/0", "8.8.8.8", true},
             {"0.0.0.0/0", "::1", false},
             {"0.0.0.0/0", "hub.example", false},
             {"10.0.0.0/33", "10.0.0.0", false},
             {"10.0.0.0/", "10.0.0.0", false},
             {"10.0.0.0/8x", "10.0.0.0", false},
             {"10.0.0/8", "10.0.0.0", false},
             {"256.0.0.1", "256.0.0.1", true},  // no address: a name like any other
             {"2001:db8::1", "2001:DB8:0:0:0:0:0:1", true},
             {"[2001:db8::1]", "2001:db8::1", true},
             {"2001:db8::/32", "2001:db8:ffff::9", true},
             {"2001:db8::/32", "2001:db9::", false},
             {"2001:db8::/33", "2001:db8:8000::", false},
             {"::/0", "2001:db8::1", true},
             {"::/0", "10.0.0.1", false},
             {"::/129", "2001:db8::1", false},
             {"64:ff9b::10.0.0.1", "64:ff9b::a00:1", true},
             {"::1", "0:0:0:0:0:0:0:1", true},
             {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", true},
             {"1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8", false},
             {"1::2::3", "1::2", false},
         }) {
        CHECK_TRUE_TEXT(bypasses_proxy(c.list, c.host, 443) == c.expected, c.list);
    }
}

TEST(NoProxy, loopback_is_this_machine) {
    for (const std::string host :
         {"localhost", "LOCALHOST.", "hub.localhost", "127.0.0.1", "127.9.9.9", "::1", "0:0::1"}) {
        CHECK_TRUE_TEXT(is_loopback(host), host.c_str());
    }
    for (const std::string host : {"localhost.example", "126.0.0.1", "::2", "", "::"}) {
        CHECK_FALSE_TEXT(is_loopback(host), host.c_str());
    }
}

TEST_GROUP(ProxyTunnel){};

TEST(ProxyTunnel, asks_for_the_far_end_and_gives_credentials_if_there_are_any) {
    STRCMP_EQUAL(
        "CONNECT hub.example:443 HTTP/1.1\r\nHost: hub.example:443\r\nUser-Agent: "
        "holdfast/1\r\n\r\n",
        ProxyTunnel(kOpen, "hub.example", 443, "holdfast/1").request().c_str());
    STRCMP_EQUAL(
        "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\nProxy-Authorization: Basic "
        "a2ltOnNlY3JldA==\r\n\r\n",
        ProxyTunnel(kClosed, "::1", 80, "").request().c_str());
}

TEST(ProxyTunnel, any_2xx_is_a_tunnel_and_what_follows_belongs_to_it) {
    expect_tunnel("HTTP/1.1 200 Connection established\r\n\r\n");
    expect_tunnel("HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11\r\n\r\n\x16\x03\x01",
                  "\x16\x03\x01");
    expect_tunnel("HTTP/1.1 200\r\n\r\nHTTP/1.1 500 X\r\n\r\n", "HTTP/1.1 500 X\r\n\r\n");
    expect_tunnel("HTTP/1.1 299 \r\nVia: 1.1 x\r\n\r\n");
    expect_tunnel("HTTP/1.0 200 old\nVia: a line feed alone\n\nleft", "left");
}

TEST(ProxyTunnel, lengths_in_a_2xx_count_for_nothing) {
    expect_tunnel("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
    expect_tunnel("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "0\r\n\r\n");
    expect_tunnel(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: x\r\nTransfer-Encoding: "
        "gzip\r\nbad header\r\n folded\r\n\r\n");
    expect_tunnel("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n");
    expect_tunnel("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n");
}

TEST(ProxyTunnel, interim_answers_are_passed_over) {
    expect_tunnel(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
        "OK\r\n\r\nx",
        "x");
    expect_error("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 403 No\r\n\r\n", ErrorCode::refused,
                 "the proxy p.example:3128 forbids the way to hub.example:443 (403 No); its rules "
                 "must allow CONNECT to this host and port");
    expect_error("HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrorCode::unsupported,
                 "the proxy p.example:3128 answers CONNECT with what is no answer to it (101 "
                 "Switching Protocols)");
}

TEST(ProxyTunnel, missing_credentials_are_asked_for) {
    const std::string expected =
        "the proxy p.example:3128 asks for a user and a password (407 Proxy Authentication "
        "Required); they are given in its URL, as in \"http://user:password@p.example:3128\"";
    expect_error(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic "
        "realm=\"x\"\r\nContent-Length: 9\r\n\r\n",
        ErrorCode::unauthorized, expected);
    expect_error("HTTP/1.0 407\r\n\r\n", ErrorCode::unauthorized, expected);
    expect_error(
        "HTTP/1.0 407 \r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: Digest "
        "realm=\"a\", BASIC realm=\"b\"\r\n\r\n",
        ErrorCode::unauthorized, expected);
}

TEST(ProxyTunnel, credentials_that_are_not_accepted_are_named_without_the_password) {
    expect_error("HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
                 ErrorCode::unauthorized,
                 "the proxy p.example:3128 does not accept the user \"kim\" or the password (407 "
                 "Denied); both stand in its URL, and special characters percent-encoded",
                 kClosed);
}

TEST(ProxyTunnel, a_proxy_that_wants_another_login_is_told_of) {
    for (const Proxy& proxy : {kOpen, kClosed}) {
        expect_error(
            "HTTP/1.1 407 Denied\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: "
            "Negotiate\r\n\r\n",
            ErrorCode::unauthorized,
            "the proxy p.example:3128 asks for a kind of login that this version does not know "
            "(407 Denied; NTLM); it must accept Basic",
            proxy);
    }
}

TEST(ProxyTunnel, a_proxy_that_does_not_let_us_through_is_told_of) {
    expect_error("HTTP/1.1 405 Method Not Allowed\r\n\r\n", ErrorCode::refused,
                 "the proxy p.example:3128 does not let CONNECT through (405 Method Not Allowed); "
                 "it is no forward proxy, or allows no tunnels");
    expect_error("HTTP/1.1 501 \r\n\r\n", ErrorCode::unsupported,
                 "the proxy p.example:3128 does not let CONNECT through (501 Not Implemented); it "
                 "is no forward proxy, or allows no tunnels");
    for (const std::string status : {"400 Bad Request", "401 Unauthorized", "404 Not Found",
                                     "429 Too Many Requests", "499 Odd"}) {
        expect_error(
            "HTTP/1.1 " + status + "\r\n\r\n", ErrorCode::refused,
            "the proxy p.example:3128 refuses the way to hub.example:443 (" + status + ")");
    }
}

TEST(ProxyTunnel, a_proxy_that_does_not_reach_the_hub_says_why) {
    const std::string end =
        "); it looks up the hub's name itself, and must be allowed to connect to it";
    const std::string begin = "the proxy p.example:3128 does not reach hub.example:443 (";
    for (const std::string status : {"500 Unable to connect", "502 Bad Gateway",
                                     "503 Service Unavailable", "504 Gateway Timeout"}) {
        expect_error("HTTP/1.1 " + status + "\r\n\r\n", ErrorCode::not_found, begin + status + end);
    }
    expect_error("HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\n\r\n",
                 ErrorCode::not_found, begin + "503 Service Unavailable, ERR_DNS_FAIL 0" + end);
    expect_error("HTTP/1.1 502 \r\nProxy-Status: p; error=dns_timeout\r\n\r\n",
                 ErrorCode::not_found, begin + "502 Bad Gateway, p; error=dns_timeout" + end);
}

TEST(ProxyTunnel, a_captive_portal_is_recognised) {
    const std::string portal =
        "; it may be the captive portal of a network where somebody has to log in first";
    for (const std::string length :
         {"Content-Length: 4096\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
        expect_error("HTTP/1.1 200 OK\r\n" + length + "Content-Type: Text/HTML ; x\r\n\r\n<html>",
                     ErrorCode::unsupported,
                     "the proxy p.example:3128 answers with a web page in place of a tunnel (200 "
                     "OK)" +
                         portal);
    }
    expect_error(
        "HTTP/1.1 302 Found\r\nLocation: http://login.example/?mac=1\r\n\r\n",
        ErrorCode::unsupported,
        "the proxy p.example:3128 sends us elsewhere, to http://login.example (302 Found)" +
            portal);
    expect_error("HTTP/1.1 301 \r\nLocation: /login\r\n\r\n", ErrorCode::unsupported,
                 "the proxy p.example:3128 sends us elsewhere (301 Moved Permanently)" + portal);
    expect_error("HTTP/1.1 511 \r\n\r\n", ErrorCode::unsupported,
                 "the proxy p.example:3128 sends us elsewhere (511 Network Authentication "
                 "Required)" +
                     portal);
}

TEST(ProxyTunnel, what_is_no_http_is_told_at_its_first_wrong_byte) {
    const std::string proxy = "the proxy p.example:3128 ";
    for (const std::string bytes : {"SSH-2.0-x\r\n", "HTTP/2 200\r\n\r\n", "HTTQ", "http/1.1 200",
                                    "\r\nHTTP/1.1 200", "<html>"}) {
        expect_error(bytes, ErrorCode::invalid,
                     proxy + "does not answer in HTTP; it is no HTTP proxy");
    }
    expect_error("\x15\x03\x01", ErrorCode::invalid,
                 proxy +
                     "answers in TLS; a proxy that is spoken to in plain HTTP is what this "
                     "version can use");
    expect_error("\x05\xff", ErrorCode::invalid,
                 proxy +
                     "answers as a SOCKS proxy does; an HTTP proxy is what this version can "
                     "use");
    for (const std::string line :
         {"HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1 2x0", "HTTP/1.1 099 X",
          "HTTP/1.1 600 X", "HTTP/1.1  200", "HTTP/1. 200", "HTTP/1.12 200", "HTTP/1.1\t200"}) {
        expect_error(line + "\r\n\r\n", ErrorCode::invalid,
                     proxy + "answers with a malformed status line");
    }
}

TEST(ProxyTunnel, a_head_that_is_cut_off_is_not_complete) {
    const std::string head = "HTTP/1.1 407 No\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < head.size(); ++size) {
        expect_unfinished(head.substr(0, size));
    }
    expect_unfinished("HTTP/1.1 100 Continue\r\n\r\n");
}

TEST(ProxyTunnel, a_head_at_the_limit_is_read_and_one_past_it_is_too_large) {
    const auto head = [](std::size_t size) {
        const std::string begin = "HTTP/1.1 200 OK\r\nA: ";
        return begin + std::string(size - begin.size() - 4, 'x') + "\r\n\r\n";
    };
    expect_tunnel(head(ProxyTunnel::kHeadLimitBytes) + "rest", "rest");
    const std::string expected =
        "the proxy p.example:3128 answers with a head larger than 16384 bytes";
    expect_error(head(ProxyTunnel::kHeadLimitBytes + 1), ErrorCode::too_large, expected);
    std::string endless;
    while (endless.size() <= ProxyTunnel::kHeadLimitBytes) {
        endless += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    expect_error(endless, ErrorCode::too_large, expected);
}

TEST(ProxyTunnel, what_a_proxy_says_is_cleaned_cut_and_never_repeats_the_password) {
    const std::string begin = "the proxy p.example:3128 refuses the way to hub.example:443 (400 ";
    expect_error("HTTP/1.1 400 a\x1b[31m\x07\x7f\xc3\xa4z\r\n\r\n", ErrorCode::refused,
                 begin + "a[31m??z)");
    expect_error("HTTP/1.1 400 " + std::string(81, 'y') + "\r\n\r\n", ErrorCode::refused,
                 begin + std::string(80, 'y') + ")");
    expect_error("HTTP/1.1 400 your secret\r\nX-Squid-Error: a2ltOnNlY3JldA==\r\n\r\n",
                 ErrorCode::refused, begin + "Bad Request)", kClosed);
}

}  // namespace holdfast::http
