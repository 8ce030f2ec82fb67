#include "firmware/sockjs/client.h"

#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;
using namespace std::chrono_literals;
using Lane = Client::Lane;

namespace {

const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kPrelude = std::string(2048, 'h') + "\n";
const std::string kSent = "HTTP/1.1 204 No Content\r\n\r\n";

std::string whole(std::string_view body, std::string_view status = "200 OK") {
    return "HTTP/1.1 " + std::string(status) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace

TEST_GROUP(SockjsClient) {
    SeededEntropy entropy{3};
    Instant now{1h};
    ClientOptions options{
        .authority = "hub:80", .prefix = "/s", .headers = {{"Authorization", "Bearer x"}}};
    ClientLimits limits;
    std::optional<Client> client;

    void start(bool streaming = true) {
        options.streaming = streaming;
        client.emplace(options, limits, entropy, now);
    }
    /// "receive fresh /s/…/xhr body"
    std::string asked() {
        const auto request = client->next_request(now);
        if (!request) {
            return "";
        }
        const std::size_t begin = request->bytes.find('/');
        const std::size_t end = request->bytes.find(' ', begin);
        const std::string target = request->bytes.substr(begin, end - begin);
        const std::string body = request->bytes.substr(request->bytes.find("\r\n\r\n") + 4);
        return std::string(request->lane == Lane::receive ? "receive" : "send") +
               (request->fresh ? " fresh" : "") + target.substr(target.rfind('/')) +
               (body.empty() ? "" : " " + body);
    }
    void give(std::string_view text, Lane lane = Lane::receive) {
        client->receive(lane, as_bytes(text), now);
    }
    std::string told() {
        std::string out;
        while (const auto event = client->next_event()) {
            out += out.empty() ? "" : ", ";
            switch (event->kind) {
                case Client::Event::Kind::opened:
                    out += "opened";
                    break;
                case Client::Event::Kind::message:
                    out += event->text;
                    break;
                case Client::Event::Kind::closed:
                    CHECK(!event->text.empty());
                    out += "closed " + std::to_string(static_cast<int>(event->error)) + " " +
                           std::to_string(event->close_code);
                    break;
            }
        }
        return out;
    }
    void greet_with(std::string text) {
        options.greeting = std::move(text);
        options.greeting_header = {"X-Greeting", "taken"};
    }
    static std::string with_header(std::string response, const std::string& header) {
        return response.insert(response.find("\r\n") + 2, header + "\r\n");
    }
    static std::string closed(ErrorCode code, int close_code = 0) {
        return "closed " + std::to_string(static_cast<int>(code)) + " " +
               std::to_string(close_code);
    }
    void open(bool streaming = true) {
        start(streaming);
        asked();
        give(streaming ? kChunked + chunk(kPrelude) + chunk("o\n") : whole("o\n"));
        STRCMP_EQUAL("opened", told().c_str());
        if (!streaming) {
            STRCMP_EQUAL("receive/xhr", asked().c_str());
        }
    }
    void expect_closed(ErrorCode code, int close_code = 0) {
        STRCMP_EQUAL(closed(code, close_code).c_str(), told().c_str());
        CHECK(client->is_closed());
        CHECK(client->deadline() == kNever);
        STRCMP_EQUAL("", asked().c_str());
        CHECK(!client->send("x").has_value());
    }
};

TEST(SockjsClient, a_session_begins_with_one_request) {
    start();
    const auto request = client->next_request(now);
    CHECK(request.has_value() && request->fresh && request->lane == Lane::receive);
    CHECK(request->bytes.starts_with("POST /s/"));
    CHECK(request->bytes.find("/xhr_streaming HTTP/1.1\r\nHost: hub:80\r\n"
                              "Authorization: Bearer x\r\n") != std::string::npos);
    CHECK(request->bytes.ends_with("Content-Length: 0\r\n\r\n"));
    CHECK(!client->next_request(now));
}

TEST(SockjsClient, sessions_have_names_of_their_own) {
    start();
    const std::string first = client->next_request(now)->bytes;
    start();
    CHECK(client->next_request(now)->bytes != first);
}

TEST(SockjsClient, messages_come_as_they_are_sent_however_the_bytes_are_cut) {
    const std::string text = kChunked + chunk(kPrelude) + chunk("o\n") + chunk("h\n") +
                             chunk("a[\"a\",\"b\"]\n") + chunk("a[\"c\"]\na[\"d") + chunk("\"]\n");
    for (std::size_t piece = 1; piece < text.size(); piece += piece < 8 ? 1 : 97) {
        start();
        asked();
        std::string all;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            give(std::string_view(text).substr(at, piece));
            if (const std::string some = told(); !some.empty()) {
                all += some + ";";
            }
        }
        std::erase_if(all, [](char c) { return c == ' ' || c == ',' || c == ';'; });
        STRCMP_EQUAL("openedabcd", all.c_str());
    }
}

TEST(SockjsClient, a_greeting_goes_with_the_request_and_is_not_sent_again_if_it_was_taken) {
    greet_with("SGVsbG8=");
    for (const bool streaming : {true, false}) {
        start(streaming);
        LONGS_EQUAL(10, client->unsent_bytes());
        const auto request = client->next_request(now);
        CHECK(request->bytes.find("\r\nX-Greeting: SGVsbG8=\r\n") != std::string::npos);
        CHECK(client->send("b").has_value());
        give(streaming ? with_header(kChunked, "x-greeting: taken") + chunk(kPrelude) +
                             chunk("o\n") + chunk("a[\"w\"]\n")
                       : with_header(whole("o\na[\"w\"]\n"), "x-greeting: taken"));
        STRCMP_EQUAL("opened, w", told().c_str());
        if (!streaming) {
            const auto poll = client->next_request(now);
            CHECK(poll->lane == Lane::receive && poll->bytes.find("Greeting") == std::string::npos);
        }
        STRCMP_EQUAL("send fresh/xhr_send [\"b\"]", asked().c_str());
        LONGS_EQUAL(3, client->unsent_bytes());
    }
}

TEST(SockjsClient, a_greeting_that_was_not_taken_is_the_first_message) {
    greet_with("SGVsbG8=");
    for (const std::string header : {"", "X-Greeting: ", "X-Greeting: no", "X-Greetings: taken"}) {
        start();
        asked();
        CHECK(client->send("b").has_value());
        STRCMP_EQUAL("", asked().c_str());
        give((header.empty() ? kChunked : with_header(kChunked, header)) + chunk("o\n"));
        STRCMP_EQUAL("opened", told().c_str());
        const auto request = client->next_request(now);
        CHECK(request->bytes.ends_with("\r\n\r\n[\"SGVsbG8=\",\"b\"]"));
        CHECK(request->bytes.find("Greeting") == std::string::npos);
    }
}

TEST(SockjsClient, without_a_header_for_it_a_greeting_is_the_first_message) {
    options.greeting = "a";
    start();
    CHECK(client->next_request(now)->bytes.find(": a\r\n") == std::string::npos);
    give(kChunked + chunk("o\n"));
    STRCMP_EQUAL("send fresh/xhr_send [\"a\"]", asked().c_str());
}

TEST(SockjsClient, a_greeting_is_not_taken_by_who_refuses_the_request) {
    greet_with("a");
    start();
    asked();
    give(with_header(whole("", "502 Bad Gateway"), "X-Greeting: taken"));
    expect_closed(ErrorCode::unsupported);
    LONGS_EQUAL(0, client->unsent_bytes());
}

TEST(SockjsClient, a_streaming_response_that_ends_is_followed_by_the_next) {
    open();
    give(chunk("a[\"a\"]\n") + kLastChunk);
    STRCMP_EQUAL("a", told().c_str());
    STRCMP_EQUAL("receive/xhr_streaming", asked().c_str());
    give(kChunked + chunk(kPrelude) + chunk("a[\"b\"]\n"));
    STRCMP_EQUAL("b", told().c_str());
}

TEST(SockjsClient, a_connection_that_must_close_is_replaced) {
    open(false);
    give("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nh\n");
    STRCMP_EQUAL("receive fresh/xhr", asked().c_str());
    give("HTTP/1.0 200 OK\r\n\r\na[\"a\"]\n");
    client->disconnected(Lane::receive, now);
    STRCMP_EQUAL("a", told().c_str());
    STRCMP_EQUAL("receive fresh/xhr", asked().c_str());
    give(whole("a[\"b\"]\n") + "more than was asked for");
    STRCMP_EQUAL("b", told().c_str());
    STRCMP_EQUAL("receive fresh/xhr", asked().c_str());
}

TEST(SockjsClient, an_idle_connection_may_end) {
    open(false);
    give(whole("h\n"));
    client->disconnected(Lane::receive, now);
    STRCMP_EQUAL("receive fresh/xhr", asked().c_str());
    STRCMP_EQUAL("", told().c_str());
}

TEST(SockjsClient, a_poll_that_met_the_end_of_an_idle_connection_is_asked_again) {
    open(false);
    client->disconnected(Lane::receive, now);
    STRCMP_EQUAL("receive fresh/xhr", asked().c_str());
    client->disconnected(Lane::receive, now);
    expect_closed(ErrorCode::closed);
}

TEST(SockjsClient, messages_wait_until_the_session_is_open) {
    start();
    CHECK(client->send("a").has_value());
    CHECK(client->send("b\n").has_value());
    STRCMP_EQUAL("receive fresh/xhr_streaming", asked().c_str());
    STRCMP_EQUAL("", asked().c_str());
    give(kChunked + chunk("o\n"));
    STRCMP_EQUAL("send fresh/xhr_send [\"a\",\"b\\n\"]", asked().c_str());
    CHECK(client->unsent_bytes() > 0);
    give(kSent, Lane::send);
    LONGS_EQUAL(0, client->unsent_bytes());
}

TEST(SockjsClient, one_request_is_sent_at_a_time) {
    open();
    CHECK(client->send("a").has_value());
    STRCMP_EQUAL("send fresh/xhr_send [\"a\"]", asked().c_str());
    CHECK(client->send("b").has_value());
    CHECK(client->send("c").has_value());
    STRCMP_EQUAL("", asked().c_str());
    give(kSent, Lane::send);
    STRCMP_EQUAL("send/xhr_send [\"b\",\"c\"]", asked().c_str());
    give(kSent, Lane::send);
    STRCMP_EQUAL("", asked().c_str());
}

TEST(SockjsClient, a_request_is_as_large_as_allowed_but_for_one_message) {
    limits.request_bytes = 10;
    open();
    CHECK(client->send("abc").has_value());
    CHECK(client->send("").has_value());
    CHECK(client->send("x").has_value());
    CHECK(client->send("a message longer than that").has_value());
    STRCMP_EQUAL("send fresh/xhr_send [\"abc\",\"\"]", asked().c_str());
    give(kSent, Lane::send);
    STRCMP_EQUAL("send/xhr_send [\"x\"]", asked().c_str());
    give(kSent, Lane::send);
    STRCMP_EQUAL("send/xhr_send [\"a message longer than that\"]", asked().c_str());
}

TEST(SockjsClient, the_queue_is_limited) {
    limits.queue_bytes = 10;
    open();
    CHECK(client->send("12345678").has_value());
    CHECK(client->send("").error().code == ErrorCode::full);
    CHECK(client->send("\xff").error().code == ErrorCode::invalid);
    asked();
    CHECK(client->send("").has_value());
}

TEST(SockjsClient, what_was_sent_and_not_answered_ends_the_session) {
    open();
    CHECK(client->send("a").has_value());
    asked();
    client->disconnected(Lane::send, now);
    expect_closed(ErrorCode::closed);
}

TEST(SockjsClient, an_idle_sending_connection_may_end) {
    open();
    CHECK(client->send("a").has_value());
    asked();
    give(kSent, Lane::send);
    client->disconnected(Lane::send, now);
    CHECK(client->send("b").has_value());
    STRCMP_EQUAL("send fresh/xhr_send [\"b\"]", asked().c_str());
    STRCMP_EQUAL("", told().c_str());
}

TEST(SockjsClient, the_server_closes) {
    open();
    give(chunk("c[3000,\"Go away!\"]\n") + kLastChunk);
    expect_closed(ErrorCode::closed, 3000);
}

TEST(SockjsClient, a_response_that_breaks_off_ends_the_session) {
    open();
    client->disconnected(Lane::receive, now);
    expect_closed(ErrorCode::closed);
    start();
    asked();
    client->disconnected(Lane::receive, now, {ErrorCode::refused, "connection refused"});
    expect_closed(ErrorCode::refused);
}

TEST(SockjsClient, every_status_has_a_name) {
    for (const auto& [status, code] : {std::pair{"401 Unauthorized", ErrorCode::unauthorized},
                                       {"403 Forbidden", ErrorCode::refused},
                                       {"404 Not Found", ErrorCode::not_found},
                                       {"407 Proxy", ErrorCode::unauthorized},
                                       {"302 Found", ErrorCode::unsupported},
                                       {"502 Bad Gateway", ErrorCode::unsupported},
                                       {"204 No Content", ErrorCode::unsupported},
                                       {"101 Switching", ErrorCode::unsupported}}) {
        start();
        asked();
        give("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n");
        expect_closed(code);
    }
}

TEST(SockjsClient, a_session_that_is_gone_is_found_while_sending) {
    open();
    CHECK(client->send("a").has_value());
    asked();
    give(whole("", "404 Not Found"), Lane::send);
    expect_closed(ErrorCode::not_found);
}

TEST(SockjsClient, a_page_in_answer_to_what_was_sent_has_not_taken_it) {
    open();
    CHECK(client->send("a").has_value());
    asked();
    give(whole("<html>", "200 OK"), Lane::send);
    expect_closed(ErrorCode::unsupported);
}

TEST(SockjsClient, a_session_that_was_forgotten_is_found_while_receiving) {
    open(false);
    give(whole("o\n"));
    expect_closed(ErrorCode::not_found);
}

TEST(SockjsClient, what_is_no_sockjs_is_invalid) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (const std::string& answer :
         {head + "<html>", head + "\n", head + "hello\n", head + "a[\"early\"]\n", whole(""),
          whole("o"), kChunked + chunk(kPrelude) + kLastChunk, std::string("garbage"),
          kChunked + chunk("o\n") + "xyz\r\n....", whole("o\na[1]\n")}) {
        start();
        asked();
        give(answer);
        const std::string said = told();
        CHECK(said.ends_with(closed(ErrorCode::invalid)));
    }
}

TEST(SockjsClient, a_frame_may_be_as_large_as_allowed) {
    limits.frame_bytes = 2048;
    limits.messages_per_frame = 2;
    open();
    give(chunk("a[\"" + std::string(2043, 'x') + "\"]\n"));
    STRCMP_EQUAL(std::string(2043, 'x').c_str(), told().c_str());
    give(chunk("a[\"" + std::string(2044, 'x') + "\"]"));
    expect_closed(ErrorCode::too_large);
    open();
    give(chunk("a[\"\",\"\",\"\"]\n"));
    expect_closed(ErrorCode::too_large);
}

TEST(SockjsClient, an_unbounded_body_is_given_up) {
    limits.frame_bytes = 4096;
    start();
    asked();
    give(kChunked);
    for (int i = 0; i < 100 && !client->is_closed(); ++i) {
        give(chunk(std::string(100, 'h')));
    }
    expect_closed(ErrorCode::too_large);
    limits.head_bytes = 1024;
    start();
    asked();
    give("HTTP/1.1 200 OK\r\nX: " + std::string(1024, 'x'));
    expect_closed(ErrorCode::too_large);
}

TEST(SockjsClient, silence_has_a_name_whatever_was_waited_for) {
    start();
    asked();
    give(kChunked);
    CHECK(client->deadline() == now + 10s);
    now += 10s - 1us;
    client->tick(now);
    CHECK(!client->is_closed());
    now += 1us;
    client->tick(now);
    expect_closed(ErrorCode::timeout);

    open();
    CHECK(client->deadline() == now + 60s);
    CHECK(client->send("a").has_value());
    asked();
    // What is sent is five bytes, ["a"], each worth a millisecond.
    CHECK(client->deadline() == now + 30s + 5ms);
    now += 30s + 5ms;
    client->tick(now);
    expect_closed(ErrorCode::timeout);

    open();
    now += 40s;
    give(chunk("h\n"));
    CHECK(client->deadline() == now + 60s);
    now += 60s;
    client->tick(now);
    expect_closed(ErrorCode::timeout);
}

TEST(SockjsClient, closing_is_silent_and_final) {
    open();
    CHECK(client->send("a").has_value());
    client->close();
    STRCMP_EQUAL("", asked().c_str());
    give(chunk("a[\"late\"]\n"));
    client->disconnected(Lane::receive, now);
    STRCMP_EQUAL("", told().c_str());
    LONGS_EQUAL(0, client->unsent_bytes());
}

TEST(SockjsClient, bytes_that_nobody_asked_for_are_not_taken_for_an_answer) {
    open();
    give("HTTP/1.1 204 No Content\r\n\r\n", Lane::send);
    CHECK(client->send("a").has_value());
    STRCMP_EQUAL("send fresh/xhr_send [\"a\"]", asked().c_str());
}
