#include "firmware/sockjs/hixie.h"

#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

/// The example of draft-ietf-hybi-thewebsocketprotocol-00.
Headers keys() {
    return {{"Upgrade", "WebSocket"},
            {"Connection", "Upgrade"},
            {"Origin", "http://example.com"},
            {"Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"},
            {"Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"}};
}
const std::string kNonce = "^n:ds[4U";
const std::string kAnswer = "8jKS'y:G*Co,Wxa-";

}  // namespace

TEST_GROUP(SockjsHixie) {
    Desk desk;

    void setup() override {
        desk.options.hixie76 = true;
        desk.echo = true;
    }
    void open(std::string target = "/s/0/a/websocket") {
        desk.ask(1, make_request("GET", std::move(target), keys()));
    }
    std::string give(std::string_view text) {
        Bytes bytes(as_bytes(text).begin(), as_bytes(text).end());
        desk.server().receive(1, bytes, desk.now);
        desk.drain();
        return desk.take(1);
    }
};

TEST(SockjsHixie, the_head_is_answered_before_the_nonce) {
    open();
    const std::string head = desk.take(1);
    CHECK(head.starts_with("HTTP/1.1 101 "));
    CHECK(head.find("Upgrade: WebSocket\r\n") != std::string::npos);
    CHECK(head.find("Sec-WebSocket-Origin: http://example.com\r\n") != std::string::npos);
    CHECK(head.find("Sec-WebSocket-Location: ws://here:8081/s/0/a/websocket\r\n") !=
          std::string::npos);
    CHECK(head.find("Content-Length") == std::string::npos);
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK(desk.then[1] == Output::Then::socket);
    CHECK(give(kNonce) == kAnswer + "\0o\xff"s);
}

TEST(SockjsHixie, bytes_may_come_one_by_one) {
    open();
    desk.take(1);
    std::string heard;
    for (const char c : kNonce + "\0[\"a\"]\xff"s) {
        heard += give({&c, 1});
    }
    CHECK(heard == kAnswer + "\0o\xff\0a[\"a\"]\xff"s);
}

TEST(SockjsHixie, the_session_closes_after_the_handshake_only) {
    open();
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    CHECK(desk.take(1).ends_with("\r\n\r\n"));
    CHECK(give(kNonce) == kAnswer + "\0o\xff\0c[3000,\"Go away!\"]\xff\xff\0"s);
    CHECK(desk.then[1] == Output::Then::end);
}

TEST(SockjsHixie, the_client_closes) {
    open();
    give(kNonce);
    STRCMP_EQUAL("opened", desk.told().c_str());
    CHECK(give("\xff\0"s) == "\xff\0"s);
    STRCMP_EQUAL("closed 1005", desk.told().c_str());
}

TEST(SockjsHixie, other_frames_and_broken_text_end_it) {
    for (const std::string& wrong : {"\x80"s, "\xff\x01"s, "\0\xc3\xff"s, "\0x\xff"s}) {
        desk.told();
        open();
        give(kNonce);
        give(wrong);
        CHECK(desk.told().starts_with("opened, closed 100"));
        LONGS_EQUAL(0, desk.server().sessions());
    }
}

TEST(SockjsHixie, a_message_may_be_as_large_as_allowed) {
    desk.limits.payload_bytes = 5;
    open();
    give(kNonce);
    CHECK(give("\0[\"a\"]\xff"s) == "\0a[\"a\"]\xff"s);
    give("\0[\"ab\"]\xff"s);
    STRCMP_EQUAL("opened, message a, closed 1009", desk.told().c_str());
}

TEST(SockjsHixie, a_client_without_a_nonce_is_gone_after_two_heartbeats) {
    open();
    desk.advance(50s);
    STRCMP_EQUAL("opened, closed 1006", desk.told().c_str());
}

TEST(SockjsHixie, malformed_keys_are_refused) {
    for (const char* key : {"", "123", "1 3 ", "99999999999 ", "x "}) {
        Headers headers = keys();
        headers[3].second = key;
        const int status = desk.get("/s/0/a/websocket", headers).status;
        CHECK(status == 426 || (status == 101 && std::string_view(key) == "x "));
    }
}

TEST(SockjsHixie, it_is_spoken_only_where_it_is_wanted) {
    Desk other;
    LONGS_EQUAL(426, other.get("/s/0/a/websocket", keys()).status);
}
