#include "firmware/node/session_http.h"

#include "firmware/base/text.h"
#include "tests/firmware/line/device_messages.h"
#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

TEST_GROUP(SessionHttp) {
    World world;
    NodeDesk hub{world, "hub"};
    std::unique_ptr<Client> client;

    void setup() override {
        hub.start_with_listener();
        client = std::make_unique<Client>(world);
        client->connect();
    }
    void teardown() override {
        client.reset();
    }
    static std::string get(const std::string& target) {
        return "GET " + target + " HTTP/1.1\r\nHost: hub\r\n\r\n";
    }
};

// ---- Requests

TEST(SessionHttp, a_connection_is_kept_and_carries_one_request_after_the_other) {
    for (int i = 0; i < 3; ++i) {
        client->ask("GET", "/healthz");
        LONGS_EQUAL(200, client->status());
        world.pass(5s);
    }
    CHECK_FALSE(client->ended_here);
}

TEST(SessionHttp, a_client_that_wants_no_more_is_closed_after_its_answer) {
    client->ask("GET", "/healthz", {{"Connection", "close"}});
    LONGS_EQUAL(200, client->status());
    CHECK_TRUE(client->ended_here);
}

TEST(SessionHttp,
     pipelined_requests_are_answered_in_order_also_behind_one_that_waits_for_the_disk) {
    client->say(get("/api/node") + get("/nowhere") + get("/healthz"));
    world.settle();
    const http::Response first = client->response();
    LONGS_EQUAL(200, first.status);
    STRCMP_CONTAINS("\"hub\"", first.body.c_str());
    LONGS_EQUAL(404, client->status());
    const http::Response last = client->response();
    LONGS_EQUAL(200, last.status);
    STRCMP_EQUAL("ok\n", last.body.c_str());
}

TEST(SessionHttp, a_request_that_comes_byte_by_byte_is_answered) {
    for (const char byte : get("/healthz")) {
        client->say(std::string_view(&byte, 1));
    }
    LONGS_EQUAL(200, client->status());
}

TEST(SessionHttp, head_is_answered_without_a_body_and_the_connection_goes_on) {
    client->ask("HEAD", "/healthz");
    STRCMP_CONTAINS("HTTP/1.1 200", client->heard.c_str());
    STRCMP_CONTAINS("Content-Length: 3", client->heard.c_str());
    CHECK_TRUE(client->heard.ends_with("\r\n\r\n"));
    client->heard.clear();
    client->ask("GET", "/healthz");
    STRCMP_EQUAL("ok\n", client->response().body.c_str());
}

// ---- Refusals

TEST(SessionHttp, what_is_no_http_is_400_and_the_end) {
    client->say(std::string_view("nonsense\r\n\r\n"));
    LONGS_EQUAL(400, client->status());
    CHECK_TRUE(client->ended_here);
}

TEST(SessionHttp, a_target_with_a_bad_escape_is_400) {
    client->ask("GET", "/%zz");
    LONGS_EQUAL(400, client->status());
}

TEST(SessionHttp, what_is_not_there_is_404_and_costs_nothing_else) {
    client->ask("GET", "/nowhere");
    LONGS_EQUAL(404, client->status());
    client->ask("GET", "/healthz");
    LONGS_EQUAL(200, client->status());
}

TEST(SessionHttp, a_body_above_the_limit_is_413_and_the_end) {
    client->ask("POST", "/nowhere", {}, std::string((64u << 10) + 1, 'x'));
    LONGS_EQUAL(413, client->status());
    CHECK_TRUE(client->ended_here);
}

TEST(SessionHttp, a_body_at_the_limit_is_read) {
    client->ask("POST", "/nowhere", {}, std::string(64u << 10, 'x'));
    LONGS_EQUAL(405, client->status());
    client->ask("GET", "/healthz");
    LONGS_EQUAL(200, client->status());
}

TEST(SessionHttp, a_head_above_the_limit_is_431_and_the_end) {
    client->ask("GET", "/healthz", {{"Large", std::string(16u << 10, 'x')}});
    LONGS_EQUAL(431, client->status());
    CHECK_TRUE(client->ended_here);
}

// ---- Expect: 100-continue

TEST(SessionHttp, a_client_that_waits_to_send_its_body_is_told_to_go_on) {
    client->say(
        std::string_view("POST /nowhere HTTP/1.1\r\nHost: hub\r\nContent-Length: 4\r\n"
                         "Expect: 100-continue\r\n\r\n"));
    STRCMP_EQUAL("HTTP/1.1 100 Continue\r\n\r\n", client->heard.c_str());
    client->heard.clear();
    client->say(std::string_view("body"));
    LONGS_EQUAL(405, client->status());
}

TEST(SessionHttp, a_body_that_is_too_large_is_refused_before_it_is_sent) {
    client->say(
        std::string_view("POST /nowhere HTTP/1.1\r\nHost: hub\r\nContent-Length: 70000\r\n"
                         "Expect: 100-continue\r\n\r\n"));
    LONGS_EQUAL(413, client->status());
}

// ---- Time

TEST(SessionHttp, a_connection_without_a_request_ends_after_the_handshake_time_out) {
    world.pass(8s);
    CHECK_FALSE(client->ended_here);
    world.pass(4s);
    CHECK_TRUE(client->ended_here);
    LONGS_EQUAL(0, hub.node().server()->connections());
}

TEST(SessionHttp, bytes_that_trickle_do_not_move_the_handshake_time_out) {
    client->say(std::string_view("GET /healthz HTTP/1.1\r\n"));
    for (int i = 0; i < 12; ++i) {
        world.pass(1s - 50ms);
        client->say(std::string_view("X: y\r\n"));
    }
    CHECK_TRUE(client->ended_here);
}

TEST(SessionHttp, a_kept_connection_ends_after_the_idle_timeout_and_at_most_twice_of_it) {
    // Whether an answer moves is looked at once in that time.
    client->ask("GET", "/healthz");
    world.pass(70s);
    CHECK_FALSE(client->ended_here);
    world.pass(85s);
    CHECK_TRUE(client->ended_here);
}

// ---- The upgrade

TEST(SessionHttp, an_upgrade_elsewhere_is_404) {
    SocketClient socket(world);
    LONGS_EQUAL(404, socket.open("/nowhere"));
    CHECK_TRUE(socket.ended_here);
}

TEST(SessionHttp, a_line_without_a_token_or_with_a_wrong_one_is_401) {
    hub.give_token("dev");
    LineClient without(world), wrong(world), other_scheme(world);
    LONGS_EQUAL(401, without.open("/v1/uplink"));
    STRCMP_EQUAL("Bearer", std::string(without.answer.header("WWW-Authenticate")).c_str());
    LONGS_EQUAL(401, wrong.open_line("wrong"));
    LONGS_EQUAL(401, other_scheme.open("/v1/uplink", {{"Authorization", "Basic eDp5"}}));
}

TEST(SessionHttp, a_token_that_is_made_while_the_hub_runs_is_taken) {
    LineClient before(world), after(world);
    LONGS_EQUAL(401, before.open_line("soon"));
    LONGS_EQUAL(101, after.open_line(hub.give_token("dev")));
}

TEST(SessionHttp, a_hello_in_the_request_is_taken_and_answered_with_welcome_at_once) {
    LineClient device(world);
    const Bytes hello = line::to_wire(line::hello("dev", {line::opened(1, "dev")}));
    LONGS_EQUAL(101,
                device.open("/v1/uplink", {{"Authorization", "Bearer " + hub.give_token("dev")},
                                           {line::kHelloHeader, to_base64(hello)}}));
    STRCMP_EQUAL(line::kHelloTaken, std::string(device.answer.header(line::kHelloHeader)).c_str());
    CHECK_TRUE(device.welcomed());
}

TEST(SessionHttp, a_hello_that_is_no_base64_is_passed_over_and_may_come_as_a_message) {
    LineClient device(world);
    LONGS_EQUAL(101,
                device.open("/v1/uplink", {{"Authorization", "Bearer " + hub.give_token("dev")},
                                           {line::kHelloHeader, "?"}}));
    STRCMP_EQUAL("", std::string(device.answer.header(line::kHelloHeader)).c_str());
    device.greet("dev");
    CHECK_TRUE(device.welcomed());
}

TEST(SessionHttp, a_hello_of_another_device_is_1008) {
    LineClient device(world);
    const Bytes hello = line::to_wire(line::hello("other", {line::opened(1, "other")}));
    LONGS_EQUAL(101,
                device.open("/v1/uplink", {{"Authorization", "Bearer " + hub.give_token("dev")},
                                           {line::kHelloHeader, to_base64(hello)}}));
    LONGS_EQUAL(1008, device.close_code.value_or(0));
    CHECK_FALSE(device.welcomed());
}

TEST(SessionHttp, an_upgrade_after_requests_on_the_same_connection_is_taken) {
    client->ask("GET", "/healthz");
    LONGS_EQUAL(200, client->status());
    client->ask("GET", "/v1/push",
                {{"Upgrade", "websocket"},
                 {"Connection", "Upgrade"},
                 {"Sec-WebSocket-Version", "13"},
                 {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}});
    STRCMP_CONTAINS("HTTP/1.1 101", client->heard.c_str());
    STRCMP_CONTAINS("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", client->heard.c_str());
}
