#include <string>

#include <CppUTest/TestHarness.h>

#include "firmware/http/message.h"

namespace holdfast::http {

TEST_GROUP(Url){};

TEST(Url, is_taken_apart) {
    const auto url = parse_url("WSS://us%40er:p%3Aw@Hub.example.com:8443/v1/uplink?a=1");
    CHECK_TRUE(url->scheme == "wss");
    CHECK_TRUE(url->user == "us@er");
    CHECK_TRUE(url->password == "p:w");
    CHECK_TRUE(url->host == "Hub.example.com");
    LONGS_EQUAL(8443, url->port);
    CHECK_TRUE(url->target == "/v1/uplink?a=1");
    CHECK_TRUE(url->authority() == "Hub.example.com:8443");
}

TEST(Url, ports_of_the_schemes_are_filled_in_and_not_repeated) {
    LONGS_EQUAL(80, parse_url("ws://h")->port);
    LONGS_EQUAL(80, parse_url("http://h/")->port);
    LONGS_EQUAL(443, parse_url("wss://h")->port);
    LONGS_EQUAL(443, parse_url("https://h")->port);
    CHECK_TRUE(parse_url("wss://h:443")->authority() == "h");
    CHECK_TRUE(parse_url("ws://h:443")->authority() == "h:443");
}

TEST(Url, target_is_at_least_a_slash) {
    CHECK_TRUE(parse_url("ws://h")->target == "/");
    CHECK_TRUE(parse_url("ws://h?a=b")->target == "/?a=b");
}

TEST(Url, ipv6_stands_in_brackets) {
    const auto url = parse_url("ws://[::1]:9000/x");
    CHECK_TRUE(url->host == "::1");
    LONGS_EQUAL(9000, url->port);
    CHECK_TRUE(url->authority() == "[::1]:9000");
    CHECK_TRUE(parse_url("wss://[fe80::1]")->authority() == "[fe80::1]");
}

TEST(Url, ports_are_from_1_to_65535) {
    LONGS_EQUAL(1, parse_url("ws://h:1")->port);
    LONGS_EQUAL(65535, parse_url("ws://h:65535")->port);
    for (const char* text : {"ws://h:0", "ws://h:65536", "ws://h:", "ws://h:x", "ws://h:-1",
                             "ws://h:99999999999999999999"}) {
        CHECK_FALSE(parse_url(text).has_value());
    }
}

TEST(Url, malformed_ones_are_invalid) {
    for (const char* text :
         {"", "h", "h:80", "ftp://h", "ws:/h", "ws://", "ws://:80", "ws:///x", "ws://[::1",
          "ws://[::1]x", "ws://h/a b", "ws://h/\r\n", "ws://h/#part", "ws://%zz@h", "ws://[]"}) {
        const auto url = parse_url(text);
        CHECK_FALSE(url.has_value());
        CHECK_TRUE(url.error().code == ErrorCode::invalid);
    }
}

TEST(Url, errors_never_repeat_a_password) {
    for (const char* text : {"ws://u:secret%zz@h", "ws://u:secret@h:0", "ws://u:secret@",
                             "ws://u:secret@h/#x", "ftp://u:secret@h", "ws://:secret@h:0"}) {
        const auto url = parse_url(text);
        CHECK_FALSE(url.has_value());
        CHECK_TRUE(url.error().message.find("secret") == std::string::npos);
    }
}

TEST(Url, of_a_location_scheme_and_host_are_for_messages) {
    for (const auto& [location, site] :
         {std::pair{"http://portal.test/login?token=1", "http://portal.test"},
          {"HTTPS://Portal.test:8443?token=1", "https://Portal.test:8443"},
          {"http://h#token", "http://h"},
          {"http://h:80/a b#c", "http://h"},
          {"http://[fd00::1]:8080/x", "http://[fd00::1]:8080"},
          {"http://user:secret@h/x", "http://h"},
          {"http://h\xc3\xa4/x", "http://h??"},
          {"http://h\x1b[0m/x", ""},
          {"/login?token=1", ""},
          {"//h/login", ""},
          {"app://h/x", ""},
          {"http:///x", ""},
          {"", ""}}) {
        STRCMP_EQUAL(site, site_of(location).c_str());
    }
    LONGS_EQUAL(80, site_of("http://" + std::string(300, 'h')).size());
}

}  // namespace holdfast::http
