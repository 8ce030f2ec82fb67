#include "firmware/node/sockjs_service.h"

#include "firmware/sockjs/frames.h"
#include "tests/firmware/line/device_messages.h"
#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

namespace {

constexpr const char* kSession = "/sockjs/000/abc";

}  // namespace

TEST_GROUP(SockjsService) {
    World world;
    NodeDesk hub{world, "hub"};
    std::string token;

    void setup() override {
        static_cast<void>(hub.listens());
        hub.config.journal.memory_bytes = 64u << 10;
        hub.start();
        token = hub.give_token("dev");
    }
    static Headers bearer(const std::string& token) {
        return {{"Authorization", "Bearer " + token}};
    }
    static std::string body_of(ByteView envelope) {
        return "[" + sockjs::quoted(sockjs::envelope_text(envelope)) + "]";
    }
    void send(Client & client, ByteView envelope) {
        client.ask("POST", std::string(kSession) + "/xhr_send", bearer(token), body_of(envelope));
    }
    /// The response to one poll.
    http::Response poll(const std::string& with, const std::string& session = kSession) {
        Client client(world);
        client.connect();
        client.ask("POST", session + "/xhr", bearer(with));
        http::Response response = client.response();
        client.shut();
        return response;
    }
    /// The messages of the next polls, until nothing waits any more.
    std::vector<line::Message> polled() {
        std::vector<line::Message> out;
        for (;;) {
            const http::Response response = poll(token);
            const auto frame =
                sockjs::read_server_frame(response.body.substr(0, response.body.find('\n')), 1000);
            if (response.status != 200 || !frame ||
                !std::holds_alternative<sockjs::MessagesFrame>(*frame)) {
                return out;
            }
            for (const std::string& text : std::get<sockjs::MessagesFrame>(*frame).messages) {
                out.push_back(*line::from_wire(*sockjs::envelope_bytes(text)));
            }
            if (!out.empty()) {
                return out;
            }
        }
    }
    void open_line() {
        STRCMP_EQUAL("o\n", poll(token).body.c_str());
        Client client(world);
        client.connect();
        send(client, line::to_wire(line::hello("dev", {line::opened(1, "dev")})));
        LONGS_EQUAL(204, client.status());
        const std::vector<line::Message> answers = polled();
        LONGS_EQUAL(1, answers.size());
        CHECK_TRUE(std::holds_alternative<line::WelcomeMessage>(answers[0]));
    }
    /// Fills the journal's memory, which is written for so long then.
    void fill_memory(SocketClient & push, Duration for_so_long) {
        LONGS_EQUAL(101, push.open("/v1/push"));
        hub.storage_takes = for_so_long;
        std::string readings = "[";
        for (int i = 0; i < 1000; ++i) {
            readings += std::string(i > 0 ? "," : "") + R"({"channel":"t","value":)" +
                        std::to_string(i * 1'000'003) + "}";
        }
        readings += "]";
        for (int i = 0; i < 100 && hub.node().journal().room() > 0; ++i) {
            push.text(readings);
        }
        LONGS_EQUAL(0, hub.node().journal().room());
    }
    /// One reading that no codec makes small.
    Bytes large_batch() {
        Bytes noise(100'000);
        world.random.fill(noise);
        telemetry::Batch batch;
        batch.readings.push_back({1, 5, std::move(noise)});
        journal::Record record;
        record.first_seq = 1;
        record.body = std::make_shared<const Bytes>(telemetry::encode(batch));
        Bytes message = line::wire_head(record, 1);
        append(message, *record.body);
        return message;
    }
    std::uint64_t of_the_device() {
        const auto found = hub.node().fleet().find("dev");
        return found == hub.node().fleet().end() ? 0 : found->second.readings;
    }
};

// ---- Who may come in

TEST(SockjsService, a_line_by_xhr_opens_with_a_token_and_carries_messages_both_ways) {
    open_line();
    LONGS_EQUAL(1, hub.node().server()->sockjs_sessions());
    Client client(world);
    client.connect();
    send(client, line::batch(1, 1, 5));
    LONGS_EQUAL(204, client.status());
    const std::vector<line::Message> answers = polled();
    LONGS_EQUAL(1, answers.size());
    LONGS_EQUAL(5, std::get<line::AckMessage>(answers[0]).through);
    LONGS_EQUAL(5, of_the_device());
}

TEST(SockjsService, without_a_token_no_session_opens) {
    Client client(world);
    client.connect();
    client.ask("POST", std::string(kSession) + "/xhr");
    LONGS_EQUAL(401, client.status());
    LONGS_EQUAL(401, poll("wrong").status);
    LONGS_EQUAL(0, hub.node().server()->sockjs_sessions());
}

TEST(SockjsService, what_is_for_everybody_needs_no_token) {
    Client client(world);
    client.connect();
    client.ask("GET", "/sockjs/info");
    LONGS_EQUAL(200, client.status());
}

TEST(SockjsService, the_session_of_another_device_is_403_to_poll_and_to_send) {
    open_line();
    const std::string other = hub.give_token("other");
    LONGS_EQUAL(403, poll(other).status);
    Client client(world);
    client.connect();
    client.ask("POST", std::string(kSession) + "/xhr_send", bearer(other),
               body_of(line::batch(1, 1, 5)));
    LONGS_EQUAL(403, client.status());
    LONGS_EQUAL(0, of_the_device());
    LONGS_EQUAL(1, hub.node().server()->sockjs_sessions());
}

TEST(SockjsService, what_is_no_envelope_closes_the_line_with_1003) {
    open_line();
    Client client(world);
    client.connect();
    client.ask("POST", std::string(kSession) + "/xhr_send", bearer(token), R"(["?"])");
    STRCMP_CONTAINS("c[1003,", poll(token).body.c_str());
    LONGS_EQUAL(1, hub.logged("a line carries Envelopes"));
    LONGS_EQUAL(1, hub.logged("device dev is gone"));
}

TEST(SockjsService, a_hello_in_the_first_poll_is_taken_and_welcome_comes_with_it) {
    Client client(world);
    client.connect();
    Headers headers = bearer(token);
    headers.emplace_back(
        line::kHelloHeader,
        sockjs::envelope_text(line::to_wire(line::hello("dev", {line::opened(1, "dev")}))));
    client.ask("POST", std::string(kSession) + "/xhr", headers);
    world.pass(1s);
    const http::Response response = client.response();
    LONGS_EQUAL(200, response.status);
    STRCMP_EQUAL(line::kHelloTaken, std::string(response.header(line::kHelloHeader)).c_str());
    CHECK_TRUE(hub.node().fleet().at("dev").online);
}

TEST(SockjsService, a_session_that_nobody_polls_ends_after_its_time_out) {
    open_line();
    world.pass(9s);
    LONGS_EQUAL(1, hub.node().server()->sockjs_sessions());
    world.pass(2s);
    LONGS_EQUAL(0, hub.node().server()->sockjs_sessions());
    LONGS_EQUAL(1, hub.logged("device dev is gone"));
}

// ---- Memory is full

TEST(SockjsService, while_memory_is_full_bodies_wait_and_are_taken_in_order) {
    open_line();
    SocketClient push(world);
    fill_memory(push, 3s);
    Client first(world), second(world);
    first.connect();
    second.connect();
    send(first, line::batch(1, 1, 5));
    send(second, line::batch(1, 6, 5));
    LONGS_EQUAL(0, first.status());
    LONGS_EQUAL(0, second.status());
    LONGS_EQUAL(0, of_the_device());
    hub.storage_takes = 1ms;
    world.pass(5s);
    LONGS_EQUAL(204, first.status());
    LONGS_EQUAL(204, second.status());
    LONGS_EQUAL(10, of_the_device());  // the other way round it would be a hole, and the end
    CHECK_TRUE(hub.node().fleet().at("dev").online);
}

TEST(SockjsService, a_body_whose_connection_has_ended_while_it_waited_is_dropped) {
    open_line();
    SocketClient push(world);
    fill_memory(push, 3s);
    Client client(world);
    client.connect();
    send(client, line::batch(1, 1, 5));
    client.shut();
    hub.storage_takes = 1ms;
    world.pass(5s);
    LONGS_EQUAL(0, of_the_device());
}

// ---- Large bodies

TEST(SockjsService, of_a_line_only_one_large_body_comes_at_a_time) {
    open_line();
    const std::string body = body_of(large_batch());
    CHECK_TRUE(body.size() > (64u << 10));
    const std::string head = "POST " + std::string(kSession) +
                             "/xhr_send HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer " + token +
                             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    Client first(world), second(world);
    first.connect();
    second.connect();
    first.say(head + body.substr(0, 1000));
    second.say(head + body.substr(0, 1000));
    LONGS_EQUAL(413, second.status());
    first.say(body.substr(1000));
    world.settle();
    LONGS_EQUAL(204, first.status());
    LONGS_EQUAL(1, of_the_device());
    Client third(world);
    third.connect();
    third.say(head + body);
    world.settle();
    LONGS_EQUAL(204, third.status());
}

TEST(SockjsService, a_large_body_that_is_given_up_makes_way_for_the_next) {
    open_line();
    const std::string head = "POST " + std::string(kSession) +
                             "/xhr_send HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer " + token +
                             "\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n";
    Client first(world), second(world);
    first.connect();
    second.connect();
    first.say(head);
    first.shut();
    second.say(head);
    STRCMP_EQUAL("HTTP/1.1 100 Continue\r\n\r\n", second.heard.c_str());
}

TEST(SockjsService, a_large_body_of_a_stranger_is_413) {
    open_line();
    Client client(world);
    client.connect();
    client.say("POST " + std::string(kSession) +
               "/xhr_send HTTP/1.1\r\nHost: hub\r\nContent-Length: 100000\r\n\r\n");
    LONGS_EQUAL(413, client.status());
}

// ---- The end

TEST(SockjsService, a_stop_says_goodbye_in_the_poll_that_waits) {
    open_line();
    Client client(world);
    client.connect();
    client.ask("POST", std::string(kSession) + "/xhr", bearer(token));
    LONGS_EQUAL(0, client.status());
    static_cast<void>(hub.stop());
    const http::Response response = client.response();
    LONGS_EQUAL(200, response.status);
    const auto frame =
        sockjs::read_server_frame(response.body.substr(0, response.body.find('\n')), 10);
    CHECK_TRUE(frame && std::holds_alternative<sockjs::MessagesFrame>(*frame));
    const auto message = line::from_wire(
        *sockjs::envelope_bytes(std::get<sockjs::MessagesFrame>(*frame).messages.at(0)));
    STRCMP_EQUAL("this hub stops", std::get<line::GoodbyeMessage>(*message).reason.c_str());
}
