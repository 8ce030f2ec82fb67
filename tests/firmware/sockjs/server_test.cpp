#include "firmware/sockjs/server.h"

#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;
using namespace std::chrono_literals;

TEST_GROUP(SockjsServer) {
    Desk desk;

    std::string xhr(std::string session = "/s/0/a") {
        return desk.post(session + "/xhr").body;
    }
    int send(std::string body, std::string session = "/s/0/a") {
        return desk.post(session + "/xhr_send", std::move(body)).status;
    }
    void pending(ExchangeId id, std::string session = "/s/0/a") {
        desk.ask(id, make_request("POST", session + "/xhr"));
    }
    void say(std::string_view text) {
        CHECK(desk.server().send(1, text).has_value());
        desk.drain();
    }
};

TEST(SockjsServer, a_new_session_is_greeted) {
    STRCMP_EQUAL("o\n", xhr().c_str());
    STRCMP_EQUAL("opened", desk.told().c_str());
    LONGS_EQUAL(1, desk.server().sessions());
}

TEST(SockjsServer, messages_go_both_ways) {
    desk.echo = true;
    xhr();
    LONGS_EQUAL(204, send(R"(["a","b"])"));
    STRCMP_EQUAL("opened, message a, message b", desk.told().c_str());
    STRCMP_EQUAL("a[\"a\",\"b\"]\n", xhr().c_str());
}

TEST(SockjsServer, a_greeting_in_the_request_is_the_first_message_and_its_answer_comes_with_o) {
    desk.options.greeting_header = {"X-Greeting", "taken"};
    desk.echo = true;
    const http::Response polled = desk.post("/s/0/a/xhr", {}, {{"x-greeting", " SGVsbG8= "}});
    STRCMP_EQUAL("o\na[\"SGVsbG8=\"]\n", polled.body.c_str());
    STRCMP_EQUAL("taken", std::string(polled.header("X-Greeting")).c_str());
    STRCMP_EQUAL("opened, message SGVsbG8=", desk.told().c_str());
    desk.ask(1, make_request("POST", "/s/0/b/xhr_streaming", {{"X-Greeting", "SGVsbG8="}}));
    const std::string streamed = desk.take(1);
    CHECK(streamed.find("\r\nX-Greeting: taken\r\n") != std::string::npos);
    CHECK(streamed.ends_with(chunk("o\n") + chunk("a[\"SGVsbG8=\"]\n")));
    STRCMP_EQUAL("opened, message SGVsbG8=", desk.told().c_str());
}

TEST(SockjsServer, a_greeting_that_is_not_answered_at_once_is_answered_in_the_next_poll) {
    desk.options.greeting_header = {"X-Greeting", "taken"};
    const http::Response polled = desk.post("/s/0/a/xhr", {}, {{"X-Greeting", "SGVsbG8="}});
    STRCMP_EQUAL("o\n", polled.body.c_str());
    STRCMP_EQUAL("taken", std::string(polled.header("X-Greeting")).c_str());
    say("w");
    STRCMP_EQUAL("a[\"w\"]\n", xhr().c_str());
}

TEST(SockjsServer, a_greeting_that_is_not_wanted_or_is_no_envelope_is_passed_over) {
    desk.echo = true;
    const auto ignores = [this](const char* target, const std::string& text, int headers = 1) {
        const Headers given(static_cast<std::size_t>(headers), {"X-Greeting", text});
        const bool posts = std::string_view(target).find("xhr") != std::string_view::npos;
        const http::Response response =
            posts ? desk.post(target, {}, given) : desk.get(target, given);
        LONGS_EQUAL(200, response.status);
        CHECK(response.body.find('o') < response.body.find('['));
        LONGS_EQUAL(0, response.count("X-Greeting"));
        STRCMP_EQUAL("opened", desk.told().c_str());
    };
    ignores("/s/0/a/xhr", "SGVsbG8=");
    desk.restart();
    desk.options.greeting_header = {"X-Greeting", "taken"};
    for (const char* text : {"", "=", "SGVsbG8", "SGVs bG8=", "Hello!", "SGVsbG8=,SGVsbG8="}) {
        ignores("/s/0/b/xhr", text);
        desk.restart();
    }
    ignores("/s/0/c/xhr", "SGVsbG8=", 2);
    ignores("/s/0/d/jsonp?c=x", "SGVsbG8=");
    // A session that is there has begun already.
    desk.ask(1, make_request("POST", "/s/0/c/xhr_streaming", {{"X-Greeting", "SGVsbG8="}}));
    CHECK(desk.take(1).find("X-Greeting") == std::string::npos);
    STRCMP_EQUAL("", desk.told().c_str());
}

TEST(SockjsServer, a_greeting_whose_sender_is_closed_for_it_is_told_in_the_next_poll) {
    desk.options.greeting_header = {"X-Greeting", "taken"};
    desk.server().request(1, make_request("POST", "/s/0/a/xhr", {{"X-Greeting", "SGVsbG8="}}),
                          desk.both());
    desk.server().close(1, 1002, "no Hello");
    desk.drain();
    CHECK(desk.take(1).ends_with("\r\n\r\no\n"));
    STRCMP_EQUAL("c[1002,\"no Hello\"]\n", xhr().c_str());
}

TEST(SockjsServer, a_poll_waits_for_a_message) {
    xhr();
    pending(1);
    STRCMP_EQUAL("", desk.take(1).c_str());
    say("x");
    CHECK(desk.take(1).ends_with("\r\n\r\na[\"x\"]\n"));
    CHECK(desk.then[1] == Output::Then::next_request);
}

TEST(SockjsServer, messages_to_a_session_that_is_not_there_are_404) {
    LONGS_EQUAL(404, send(R"(["a"])"));
    LONGS_EQUAL(404, desk.post("/s/0/a/jsonp_send", R"(["a"])").status);
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsServer, wrong_payloads_are_500_and_cost_nothing_else) {
    xhr();
    for (const char* body : {"[\"x", "[1]", "{}"}) {
        const http::Response response = desk.post("/s/0/a/xhr_send", body);
        LONGS_EQUAL(500, response.status);
        STRCMP_EQUAL("Broken JSON encoding.\n", response.body.c_str());
    }
    for (const char* body : {"", "\"a\""}) {
        const http::Response response = desk.post("/s/0/a/xhr_send", body);
        LONGS_EQUAL(500, response.status);
        STRCMP_EQUAL("Payload expected.\n", response.body.c_str());
    }
    LONGS_EQUAL(204, send("[]"));
    STRCMP_EQUAL("opened", desk.told().c_str());
}

TEST(SockjsServer, a_request_may_be_as_large_as_allowed) {
    desk.limits.payload_bytes = 10;
    desk.limits.messages_per_payload = 2;
    xhr();
    LONGS_EQUAL(204, send(R"(["abcdef"])"));
    LONGS_EQUAL(413, send(R"(["abcdefg"])"));
    LONGS_EQUAL(204, send(R"(["",""])"));
    LONGS_EQUAL(413, send(R"(["","",""])"));
}

TEST(SockjsServer, a_second_receiver_is_told_2010) {
    xhr();
    pending(1);
    STRCMP_EQUAL("c[2010,\"Another connection still open\"]\n", xhr().c_str());
    desk.stream(2);
    STRCMP_EQUAL((chunk("c[2010,\"Another connection still open\"]\n") + kLastChunk).c_str(),
                 desk.take(2).c_str());
    CHECK(desk.then[2] == Output::Then::next_request);
    say("still there");
    CHECK(desk.take(1).ends_with("a[\"still there\"]\n"));
}

TEST(SockjsServer, a_closed_session_says_so_until_its_time_is_over) {
    xhr();
    desk.server().close(1, 3000, "Go away!");
    for (int i = 0; i < 4; ++i) {
        STRCMP_EQUAL("c[3000,\"Go away!\"]\n", xhr().c_str());
        desk.advance(1s);
    }
    LONGS_EQUAL(204, send(R"(["swallowed"])"));
    STRCMP_EQUAL("opened", desk.told().c_str());
    desk.advance(1s);
    LONGS_EQUAL(0, desk.server().sessions());
    STRCMP_EQUAL("o\n", xhr().c_str());
}

TEST(SockjsServer, what_was_sent_before_closing_is_delivered_first) {
    xhr();
    CHECK(desk.server().send(1, "last").has_value());
    desk.server().close(1, 3000, "Go away!");
    CHECK(!desk.server().send(1, "too late").has_value());
    STRCMP_EQUAL("a[\"last\"]\n", xhr().c_str());
    STRCMP_EQUAL("c[3000,\"Go away!\"]\n", xhr().c_str());
}

TEST(SockjsServer, closing_ends_a_streaming_response_and_unlinks_it) {
    desk.stream(1);
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    STRCMP_EQUAL((chunk("o\n") + chunk("c[3000,\"Go away!\"]\n") + kLastChunk).c_str(),
                 desk.take(1).c_str());
    desk.stream(2);
    STRCMP_EQUAL((chunk("c[3000,\"Go away!\"]\n") + kLastChunk).c_str(), desk.take(2).c_str());
}

TEST(SockjsServer, a_session_without_receiver_ends_after_its_time) {
    xhr();
    desk.advance(5s - 1us);
    LONGS_EQUAL(1, desk.server().sessions());
    STRCMP_EQUAL("opened", desk.told().c_str());
    desk.advance(1us);
    LONGS_EQUAL(0, desk.server().sessions());
    STRCMP_EQUAL("closed 1006", desk.told().c_str());
    CHECK(desk.server().deadline() == kNever);
}

TEST(SockjsServer, a_receiver_keeps_the_session) {
    xhr();
    desk.advance(4s);
    pending(1);
    desk.advance(24s);
    LONGS_EQUAL(1, desk.server().sessions());
}

TEST(SockjsServer, heartbeats_come_when_nothing_else_did) {
    desk.stream(1);
    desk.take(1);
    desk.advance(25s - 1us);
    STRCMP_EQUAL("", desk.take(1).c_str());
    desk.advance(1us);
    STRCMP_EQUAL(chunk("h\n").c_str(), desk.take(1).c_str());
    desk.advance(20s);
    say("x");
    STRCMP_EQUAL(chunk("a[\"x\"]\n").c_str(), desk.take(1).c_str());
    desk.advance(24s);
    STRCMP_EQUAL("", desk.take(1).c_str());
    desk.advance(1s);
    STRCMP_EQUAL(chunk("h\n").c_str(), desk.take(1).c_str());
}

TEST(SockjsServer, while_messages_arrive_slowly_a_heartbeat_says_so) {
    desk.stream(1);
    desk.take(1);
    desk.advance(4s);
    STRCMP_EQUAL("", desk.take(1).c_str());
    desk.server().arriving(1, desk.now);
    desk.advance(0s);
    STRCMP_EQUAL(chunk("h\n").c_str(), desk.take(1).c_str());
    desk.advance(24s);
    STRCMP_EQUAL("", desk.take(1).c_str());
    desk.server().arriving(7, desk.now);  // no such session
}

TEST(SockjsServer, while_messages_arrive_a_session_without_receiver_lives_on) {
    xhr();
    for (int i = 0; i < 5; ++i) {
        desk.advance(4s);
        desk.server().arriving(1, desk.now);
    }
    desk.advance(5s - 1us);
    STRCMP_EQUAL("opened", desk.told().c_str());
    desk.advance(1us);
    STRCMP_EQUAL("closed 1006", desk.told().c_str());
}

TEST(SockjsServer, a_heartbeat_ends_a_poll) {
    xhr();
    pending(1);
    desk.advance(25s);
    CHECK(desk.take(1).ends_with("\r\n\r\nh\n"));
    CHECK(desk.then[1] == Output::Then::next_request);
    desk.advance(5s);
    STRCMP_EQUAL("opened, closed 1006", desk.told().c_str());
}

TEST(SockjsServer, a_lost_response_closes_the_session_with_1002) {
    desk.stream(1);
    CHECK(desk.server().send(1, "never arrives").has_value());
    desk.server().disconnected(1, desk.now);
    desk.drain();
    STRCMP_EQUAL("opened, closed 1002", desk.told().c_str());
    CHECK(!desk.server().send(1, "x").has_value());
    STRCMP_EQUAL("c[1002,\"Connection interrupted\"]\n", xhr().c_str());
    desk.advance(5s);
    LONGS_EQUAL(0, desk.server().sessions());
    STRCMP_EQUAL("", desk.told().c_str());
}

TEST(SockjsServer, a_connection_that_ends_between_responses_costs_nothing) {
    pending(1);
    CHECK(desk.take(1).ends_with("o\n"));
    desk.server().disconnected(1, desk.now);
    desk.drain();
    STRCMP_EQUAL("opened", desk.told().c_str());
}

TEST(SockjsServer, a_streaming_response_ends_when_it_is_long) {
    desk.limits.response_bytes = 2 + 3 * 134;
    desk.stream(1);
    const std::string message(128, 'x');
    const std::string frame = chunk("a[\"" + message + "\"]\n");
    std::string expected = chunk("o\n");
    for (int i = 0; i < 3; ++i) {
        say(message);
        expected += frame;
    }
    STRCMP_EQUAL((expected + kLastChunk).c_str(), desk.take(1).c_str());
    CHECK(desk.then[1] == Output::Then::next_request);
    say("next");
    desk.stream(1);
    STRCMP_EQUAL(chunk("a[\"next\"]\n").c_str(), desk.take(1).c_str());
}

TEST(SockjsServer, no_frame_is_longer_than_a_response_but_for_one_message) {
    desk.limits.response_bytes = 20;
    xhr();
    for (const char* text : {"12345678", "12345678", "1", "a message longer than that"}) {
        CHECK(desk.server().send(1, text).has_value());
    }
    STRCMP_EQUAL("a[\"12345678\",\"12345678\"]\n", xhr().c_str());
    STRCMP_EQUAL("a[\"1\"]\n", xhr().c_str());
    STRCMP_EQUAL("a[\"a message longer than that\"]\n", xhr().c_str());
}

TEST(SockjsServer, the_queue_is_limited) {
    desk.limits.queue_bytes = 10;
    xhr();
    CHECK(desk.server().send(1, "12345678").has_value());  // and its quotes
    const Result<void> sent = desk.server().send(1, "");
    CHECK(!sent && sent.error().code == ErrorCode::full);
    LONGS_EQUAL(10, desk.server().queued_bytes(1));
    STRCMP_EQUAL("a[\"12345678\"]\n", xhr().c_str());
    CHECK(desk.server().send(1, "").has_value());
    CHECK(desk.server().send(1, "\xff").error().code == ErrorCode::invalid);
    CHECK(desk.server().send(7, "x").error().code == ErrorCode::not_found);
}

TEST(SockjsServer, sessions_and_their_names_are_limited) {
    desk.limits.sessions = 2;
    desk.limits.session_name_bytes = 3;
    LONGS_EQUAL(200, desk.post("/s/0/a/xhr").status);
    LONGS_EQUAL(200, desk.post("/s/0/bcd/xhr").status);
    LONGS_EQUAL(503, desk.post("/s/0/e/xhr").status);
    LONGS_EQUAL(404, desk.post("/s/0/bcde/xhr").status);
    desk.advance(5s);
    LONGS_EQUAL(200, desk.post("/s/0/e/xhr").status);
}

TEST(SockjsServer, who_opens_a_session_is_known_before) {
    const auto opens = [this](std::string method, std::string target) {
        return desk.server().opens_session(make_request(std::move(method), std::move(target)));
    };
    CHECK(opens("POST", "/s/0/a/xhr"));
    CHECK(opens("GET", "/s/websocket"));
    CHECK(!opens("OPTIONS", "/s/0/a/xhr"));
    CHECK(!opens("POST", "/s/0/a/xhr_send"));
    CHECK(!opens("GET", "/s/info"));
    xhr();
    desk.ask(77, make_request("POST", "/s/0/b/xhr"));
    LONGS_EQUAL(77, desk.events.back().exchange);
    CHECK(!opens("POST", "/s/1/a/xhr_streaming"));
    CHECK(opens("GET", "/s/1/a/websocket"));
}

TEST(SockjsServer, what_a_request_names_and_brings_is_known_before) {
    const auto names = [this](const std::string& target) {
        return desk.server().session_of(make_request("POST", target));
    };
    const auto brings = [this](std::string method, std::string target) {
        return desk.server().brings_messages(make_request(std::move(method), std::move(target)));
    };
    CHECK(!names("/s/0/a/xhr_send"));
    xhr();
    const auto session = names("/s/0/a/xhr");
    CHECK(session.has_value());
    CHECK(names("/s/9/a/xhr_send") == session);
    for (const char* target : {"/s/0/b/xhr_send", "/s/info", "/s", "/t/0/a/xhr", "/s/0//xhr"}) {
        CHECK(!names(target));
    }
    CHECK(brings("POST", "/s/0/b/xhr_send"));
    CHECK(brings("POST", "/s/0/a/jsonp_send"));
    CHECK(!brings("OPTIONS", "/s/0/a/xhr_send"));
    CHECK(!brings("POST", "/s/0/a/xhr"));
    CHECK(!brings("POST", "/xhr_send"));
}

TEST(SockjsServer, a_receiver_that_does_not_take_its_bytes_gets_no_more) {
    desk.stream(1);
    desk.take(1);
    desk.server().hold(1);
    say("a");
    say("b");
    desk.advance(100s);
    STRCMP_EQUAL("", desk.take(1).c_str());
    desk.server().go_on(1);
    desk.drain();
    STRCMP_EQUAL(chunk("a[\"a\",\"b\"]\n").c_str(), desk.take(1).c_str());
}

TEST(SockjsServer, a_receiver_that_does_not_take_its_end_is_cut) {
    desk.stream(1);
    desk.server().hold(1);
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    desk.advance(25s);
    CHECK(desk.then[1] == Output::Then::end);
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsServer, streaming_needs_chunks_or_the_end_of_the_connection) {
    http::Request request = make_request("POST", "/s/0/a/xhr_streaming");
    request.version = 10;
    desk.ask(1, request);
    desk.server().close(1, 3000, "Go away!");
    desk.drain();
    const std::string text = desk.take(1);
    CHECK(text.find("Transfer-Encoding") == std::string::npos);
    CHECK(text.find("Content-Length") == std::string::npos);
    CHECK(text.find("Connection: close\r\n") != std::string::npos);
    CHECK(text.ends_with("\r\n\r\n" + std::string(2048, 'h') + "\no\nc[3000,\"Go away!\"]\n"));
    CHECK(desk.then[1] == Output::Then::end);
}

TEST(SockjsServer, proxies_are_asked_not_to_hold_streams_back) {
    desk.ask(1, make_request("GET", "/s/0/a/eventsource"));
    CHECK(desk.take(1).find("X-Accel-Buffering: no\r\n") != std::string::npos);
}

TEST(SockjsServer, a_client_that_closes_its_connection_is_told_the_same) {
    http::Request request = make_request("POST", "/s/0/a/xhr");
    request.keep_alive = false;
    desk.ask(1, request);
    CHECK(desk.then[1] == Output::Then::end);
    CHECK(desk.take(1).find("Connection: close\r\n") != std::string::npos);
}

TEST(SockjsServer, eventsource_has_lines_of_its_own) {
    desk.ask(1, make_request("GET", "/s/0/a/eventsource"));
    say("x");
    const std::string text = desk.take(1);
    CHECK(text.find("Content-Type: text/event-stream; charset=UTF-8\r\n") != std::string::npos);
    CHECK(text.ends_with("\r\n\r\n" + chunk("\r\n") + chunk("data: o\r\n\r\n") +
                         chunk("data: a[\"x\"]\r\n\r\n")));
}

TEST(SockjsServer, htmlfile_calls_the_pages_function) {
    desk.ask(1, make_request("GET", "/s/0/a/htmlfile?c=%63all.back_1"));
    desk.take(1);
    say("</script>");
    STRCMP_EQUAL(chunk("<script>\np(\"a[\\\"\\u003c/script>\\\"]\");\n</script>\r\n").c_str(),
                 desk.take(1).c_str());
}

TEST(SockjsServer, jsonp_is_a_script_and_takes_forms) {
    desk.echo = true;
    STRCMP_EQUAL("x(\"o\");\r\n", desk.get("/s/0/a/jsonp?c=x").body.c_str());
    const Headers form{{"Content-Type", "Application/X-WWW-form-urlencoded ; charset=UTF-8"}};
    const http::Response sent = desk.post("/s/0/a/jsonp_send", "a=b&d=%5B%22x%22%5D", form);
    LONGS_EQUAL(200, sent.status);
    STRCMP_EQUAL("ok", sent.body.c_str());
    STRCMP_EQUAL("x(\"a[\\\"x\\\"]\");\r\n", desk.get("/s/0/a/jsonp?c=x").body.c_str());
    STRCMP_EQUAL("ok", desk.post("/s/0/a/jsonp_send", "[\"%61\"]").body.c_str());
    STRCMP_EQUAL("x(\"a[\\\"%61\\\"]\");\r\n", desk.get("/s/0/a/jsonp?c=x").body.c_str());
    STRCMP_EQUAL("Payload expected.\n", desk.post("/s/0/a/jsonp_send", "d=", form).body.c_str());
    STRCMP_EQUAL("Broken JSON encoding.\n",
                 desk.post("/s/0/a/jsonp_send", "d=%zz", form).body.c_str());
}

TEST(SockjsServer, a_callback_is_a_name_and_nothing_else) {
    for (const char* target : {"/s/0/a/jsonp", "/s/0/a/jsonp?c=", "/s/0/a/htmlfile?d=x"}) {
        const http::Response response = desk.get(target);
        LONGS_EQUAL(500, response.status);
        STRCMP_EQUAL("\"callback\" parameter required\n", response.body.c_str());
    }
    for (const char* name : {"a(", "a%3Cb", "a%20b", "%", "a%00"}) {
        const http::Response response = desk.get(std::string("/s/0/a/jsonp?c=") + name);
        LONGS_EQUAL(500, response.status);
        STRCMP_EQUAL("invalid \"callback\" parameter\n", response.body.c_str());
    }
    Desk other;
    other.limits.callback_bytes = 4;
    LONGS_EQUAL(200, other.get("/s/0/a/jsonp?c=abcd").status);
    LONGS_EQUAL(500, other.get("/s/0/a/jsonp?c=abcde").status);
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsServer, transports_may_change_within_a_session) {
    xhr();
    CHECK(desk.server().send(1, "a").has_value());
    STRCMP_EQUAL("x(\"a[\\\"a\\\"]\");\r\n", desk.get("/s/0/a/jsonp?c=x").body.c_str());
    desk.stream(1);
    say("b");
    STRCMP_EQUAL(chunk("a[\"b\"]\n").c_str(), desk.take(1).c_str());
    LONGS_EQUAL(1, desk.server().sessions());
}
