#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;
using namespace std::chrono_literals;

namespace {

const std::string kAccept = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=";

Headers upgrade(std::string version = "13") {
    return {{"Upgrade", "websocket"},
            {"Connection", "keep-alive, Upgrade"},
            {"Sec-WebSocket-Version", std::move(version)},
            {"Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="}};
}

}  // namespace

TEST_GROUP(SockjsSocket) {
    Desk desk;
    SeededEntropy masks{2};
    std::optional<websocket::Connection> client;
    std::string closed;

    /// The client's end of connection 1.
    void open(std::string target = "/s/0/a/websocket", Headers headers = upgrade()) {
        desk.ask(1, make_request("GET", std::move(target), std::move(headers)));
        std::string& text = desk.written[1];
        CHECK(text.starts_with("HTTP/1.1 101 "));
        CHECK(text.find("Sec-WebSocket-Accept: " + kAccept) != std::string::npos);
        text.erase(0, text.find("\r\n\r\n") + 4);
        client.emplace(websocket::Role::client, websocket::Limits{}, &masks);
    }
    void give(const Bytes& bytes) {
        Bytes copy = bytes;
        desk.server().receive(1, copy, desk.now);
        desk.drain();
    }
    void say(std::string_view text) {
        Bytes out;
        client->send_text(text, out);
        give(out);
    }
    /// All texts that have come, a blank between them.
    std::string heard(bool answer = true) {
        using Kind = websocket::Event::Kind;
        const std::string text = desk.take(1);
        Bytes bytes(as_bytes(text).begin(), as_bytes(text).end());
        std::span<std::byte> rest(bytes);
        std::string out;
        Bytes answers;
        while (const auto event = client->next(rest, answers)) {
            if (event->kind == Kind::text) {
                out += (out.empty() ? "" : " ") + std::string(as_text(event->payload));
            } else if (event->kind == Kind::close) {
                closed = std::to_string(event->code) + " " + std::string(event->reason);
            }
        }
        if (answer && !answers.empty()) {
            give(answers);
        }
        return out;
    }
};

TEST(SockjsSocket, what_is_no_websocket_is_refused_with_a_reason) {
    const http::Response plain = desk.get("/s/0/a/websocket");
    LONGS_EQUAL(400, plain.status);
    STRCMP_EQUAL("Can \"Upgrade\" only to \"WebSocket\".\n", plain.body.c_str());
    const http::Response closes =
        desk.get("/s/0/a/websocket", {{"Upgrade", "WebSocket"}, {"Connection", "close"}});
    LONGS_EQUAL(400, closes.status);
    STRCMP_EQUAL("\"Connection\" must be \"Upgrade\".\n", closes.body.c_str());
    LONGS_EQUAL(405, desk.post("/s/0/a/websocket", "", upgrade()).status);
    LONGS_EQUAL(426, desk.get("/s/0/a/websocket", upgrade("9")).status);
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsSocket, it_may_be_disabled) {
    desk.options.websocket = false;
    LONGS_EQUAL(404, desk.get("/s/0/a/websocket", upgrade()).status);
    LONGS_EQUAL(404, desk.get("/s/websocket", upgrade()).status);
}

TEST(SockjsSocket, versions_7_and_8_are_spoken_too) {
    for (const char* version : {"7", "8", "13"}) {
        desk.restart();
        open("/s/0/a/websocket", upgrade(version));
        STRCMP_EQUAL("o", heard().c_str());
    }
}

TEST(SockjsSocket, origins_are_looked_at_in_every_version) {
    desk.options.allowed_origins = {};
    Headers headers = upgrade("8");
    headers.emplace_back("Sec-WebSocket-Origin", "http://evil");
    LONGS_EQUAL(403, desk.get("/s/0/a/websocket", headers).status);
    headers = upgrade();
    headers.emplace_back("Origin", "http://evil");
    LONGS_EQUAL(403, desk.get("/s/websocket", headers).status);
    headers.back().second = "http://here:8081";
    LONGS_EQUAL(101, desk.get("/s/websocket", headers).status);
}

TEST(SockjsSocket, frames_go_both_ways_and_empty_messages_are_ignored) {
    desk.echo = true;
    open();
    STRCMP_EQUAL("o", heard().c_str());
    say("");
    say(R"(["a","b"])");
    STRCMP_EQUAL(R"(a["a","b"])", heard().c_str());
    say(R"("c")");
    STRCMP_EQUAL(R"(a["c"])", heard().c_str());
    STRCMP_EQUAL("opened, message a, message b, message c", desk.told().c_str());
}

TEST(SockjsSocket, bytes_may_come_one_by_one) {
    desk.echo = true;
    open();
    heard();
    Bytes out;
    client->send_text(R"(["a"])", out);
    for (const std::byte byte : out) {
        give({byte});
    }
    STRCMP_EQUAL(R"(a["a"])", heard().c_str());
}

TEST(SockjsSocket, broken_json_ends_it) {
    for (const char* text : {"[\"a", "[1]", "x"}) {
        desk.restart();
        open();
        heard();
        say(text);
        STRCMP_EQUAL("", heard().c_str());
        STRCMP_EQUAL("1002 Broken framing.", closed.c_str());
        CHECK(desk.then[1] == Output::Then::end);
        STRCMP_EQUAL("opened, closed 1002", desk.told().c_str());
        LONGS_EQUAL(0, desk.server().sessions());
    }
}

TEST(SockjsSocket, binary_messages_end_it) {
    open("/s/websocket");
    Bytes out;
    client->send_binary(as_bytes("x"), out);
    give(out);
    STRCMP_EQUAL("opened, closed 1002", desk.told().c_str());
}

TEST(SockjsSocket, a_message_larger_than_allowed_ends_it) {
    desk.limits.payload_bytes = 10;
    desk.echo = true;
    open();
    heard();
    say(R"(["abcdef"])");
    STRCMP_EQUAL(R"(a["abcdef"])", heard().c_str());
    say(R"(["abcdefg"])");
    STRCMP_EQUAL("", heard().c_str());
    CHECK(closed.starts_with("1009"));
    STRCMP_EQUAL("opened, message abcdef, closed 1009", desk.told().c_str());
}

TEST(SockjsSocket, the_application_closes_with_a_frame_of_both_kinds) {
    open();
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    STRCMP_EQUAL(R"(o c[3000,"Go away!"])", heard().c_str());
    STRCMP_EQUAL("1000 Normal closure", closed.c_str());
    CHECK(desk.then[1] == Output::Then::end);
    STRCMP_EQUAL("opened", desk.told().c_str());
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsSocket, the_client_closes) {
    open();
    Bytes out;
    client->close(websocket::CloseCode{4001}, "enough", out);
    give(out);
    STRCMP_EQUAL("opened, closed 4001", desk.told().c_str());
    CHECK(desk.then[1] == Output::Then::end);
}

TEST(SockjsSocket, a_lost_connection_is_1006) {
    open();
    desk.server().disconnected(1, desk.now);
    desk.drain();
    STRCMP_EQUAL("opened, closed 1006", desk.told().c_str());
    LONGS_EQUAL(0, desk.server().sessions());
    CHECK(desk.server().deadline() == kNever);
}

TEST(SockjsSocket, sessions_on_sockets_are_not_found_by_name) {
    open();
    LONGS_EQUAL(404, desk.post("/s/0/a/xhr_send", R"(["a"])").status);
    STRCMP_EQUAL("o\n", desk.post("/s/0/a/xhr").body.c_str());
    LONGS_EQUAL(2, desk.server().sessions());
}

TEST(SockjsSocket, raw_messages_have_no_frames) {
    desk.echo = true;
    open("/s/websocket");
    say("Hello\uffff");
    say("[");
    STRCMP_EQUAL("Hello\uffff [", heard().c_str());
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    STRCMP_EQUAL("", heard().c_str());
    STRCMP_EQUAL("3000 Go away!", closed.c_str());
}

TEST(SockjsSocket, a_client_that_answers_pings_stays) {
    open();
    heard();
    for (int i = 0; i < 10; ++i) {
        desk.advance(25s);
        STRCMP_EQUAL("h", heard().c_str());
    }
    STRCMP_EQUAL("opened", desk.told().c_str());
}

TEST(SockjsSocket, a_client_that_does_not_is_gone_after_two_heartbeats) {
    open("/s/websocket");
    desk.advance(25s);
    STRCMP_EQUAL("", heard(false).c_str());
    STRCMP_EQUAL("opened", desk.told().c_str());
    desk.advance(25s);
    STRCMP_EQUAL("closed 1006", desk.told().c_str());
    CHECK(desk.then[1] == Output::Then::end);
}

TEST(SockjsSocket, a_client_that_does_not_take_its_bytes_gets_no_more) {
    open();
    heard();
    desk.server().hold(1);
    CHECK(desk.server().send(1, "a").has_value());
    desk.drain();
    STRCMP_EQUAL("", heard().c_str());
    desk.server().go_on(1);
    desk.drain();
    STRCMP_EQUAL(R"(a["a"])", heard().c_str());
}
