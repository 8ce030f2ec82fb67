#include "firmware/node/endpoint.h"

#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

TEST_GROUP(Endpoint) {
    World world;
    NodeDesk hub{world, "hub"};

    void setup() override {
        hub.start_with_listener();
    }
};

// ---- Push

TEST(Endpoint, a_push_with_a_source_is_greeted_and_told_when_readings_are_durable) {
    hub.storage_takes = 1s;
    SocketClient push(world);
    LONGS_EQUAL(101, push.open("/v1/push?source=s"));
    STRCMP_EQUAL(R"({"through":0})", push.messages.at(0).c_str());
    push.text(R"([{"channel":"t","value":1,"n":1},{"channel":"t","value":2,"n":2}])");
    world.pass(900ms);
    LONGS_EQUAL(1, push.messages.size());
    world.pass(200ms);
    STRCMP_EQUAL(R"({"through":2})", push.messages.at(1).c_str());
    SocketClient again(world);
    LONGS_EQUAL(101, again.open("/v1/push?source=s"));
    STRCMP_EQUAL(R"({"through":2})", again.messages.at(0).c_str());
}

TEST(Endpoint, a_push_without_a_source_is_not_greeted) {
    SocketClient push(world);
    LONGS_EQUAL(101, push.open("/v1/push"));
    LONGS_EQUAL(0, push.messages.size());
    push.text(R"({"channel":"t","value":1})");
    STRCMP_EQUAL(R"({"ack":1})", push.messages.at(0).c_str());
}

TEST(Endpoint, binary_on_a_push_is_1003) {
    SocketClient push(world);
    LONGS_EQUAL(101, push.open("/v1/push"));
    push.binary(as_bytes(std::string_view("x")));
    LONGS_EQUAL(1003, push.close_code.value_or(0));
    LONGS_EQUAL(1, hub.logged("readings are pushed as JSON text"));
}

TEST(Endpoint, a_push_beyond_the_largest_message_is_1009) {
    SocketClient push(world);
    LONGS_EQUAL(101, push.open("/v1/push"));
    push.text(std::string(static_cast<std::size_t>(hub.config.listen->max_message_bytes) + 1, ' '));
    world.settle();
    LONGS_EQUAL(1009, push.close_code.value_or(0));
}

// ---- A line

TEST(Endpoint, text_on_a_line_is_1003) {
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.text("hello");
    LONGS_EQUAL(1003, device.close_code.value_or(0));
}

TEST(Endpoint, what_is_no_envelope_is_1002) {
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.binary(as_bytes(std::string_view("\xff\xff\xff")));
    LONGS_EQUAL(1002, device.close_code.value_or(0));
}

TEST(Endpoint, a_batch_is_acknowledged_when_it_is_durable) {
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.greet("dev");
    hub.storage_takes = 1s;
    device.send_batch(1, 5);
    world.pass(900ms);
    LONGS_EQUAL(0, device.acknowledged());
    world.pass(200ms);
    LONGS_EQUAL(5, device.acknowledged());
}

TEST(Endpoint, a_hub_that_cannot_store_says_goodbye_in_place_of_an_acknowledgement) {
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.greet("dev");
    hub.disk.fail_write({.nth = 1, .fault = simulated::Disk::Fault::full, .lasting = true});
    device.send_batch(1, 5);
    device.send_batch(6, 5);
    world.settle();
    LONGS_EQUAL(0, device.acknowledged());
    LONGS_EQUAL(1, device.heard_of<line::GoodbyeMessage>().size());
    LONGS_EQUAL(1013, device.close_code.value_or(0));
    hub.disk.heal();
    world.pass(5s);
    LineClient again(world);
    again.open_line(hub.give_token("dev"));
    again.greet("dev");
    CHECK_TRUE(again.welcomed());
}

TEST(Endpoint, a_device_is_told_the_time_of_the_hub) {
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.greet("dev");
    const auto welcomes = device.heard_of<line::WelcomeMessage>();
    LONGS_EQUAL(1, welcomes.size());
    const WallTime told{Duration(welcomes[0].server_time_us)};
    CHECK_TRUE(hub.machine.true_time() - told < 1s);
}

// ---- A live feed

TEST(Endpoint, a_message_on_a_live_feed_is_1008) {
    SocketClient live(world);
    LONGS_EQUAL(101, live.open("/v1/live"));
    live.text("hello");
    LONGS_EQUAL(1008, live.close_code.value_or(0));
}

TEST(Endpoint, a_live_feed_tells_what_is_durable_and_only_of_the_device_that_was_asked_for) {
    SocketClient all(world), one(world), push(world);
    LONGS_EQUAL(101, all.open("/v1/live"));
    LONGS_EQUAL(101, one.open("/v1/live?device=dev"));
    LONGS_EQUAL(101, push.open("/v1/push"));
    hub.storage_takes = 1s;
    push.text(R"({"channel":"t","value":1})");
    world.pass(900ms);
    LONGS_EQUAL(0, all.messages.size());
    world.pass(200ms);
    LONGS_EQUAL(1, all.messages.size());
    STRCMP_CONTAINS(R"("device":"hub")", all.messages[0].c_str());
    LONGS_EQUAL(0, one.messages.size());
    LineClient device(world);
    device.open_line(hub.give_token("dev"));
    device.greet("dev");
    world.pass(2s);
    device.send_batch(1, 1);
    world.pass(2s);
    LONGS_EQUAL(2, all.messages.size());
    LONGS_EQUAL(1, one.messages.size());
}

// ---- Goodbye

TEST(Endpoint, a_push_and_a_live_feed_are_told_1001_when_the_hub_stops) {
    SocketClient push(world), live(world);
    push.open("/v1/push");
    live.open("/v1/live");
    static_cast<void>(hub.stop());
    LONGS_EQUAL(1001, push.close_code.value_or(0));
    LONGS_EQUAL(1001, live.close_code.value_or(0));
}
