#include "firmware/node/uplink_owner.h"

#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

TEST_GROUP(UplinkOwner) {
    World world;
    NodeDesk hub{world, "hub"};
    NodeDesk gateway{world, "gw"};

    void setup() override {
        static_cast<void>(hub.listens());
        gateway.uplinks_to("hub").token_file = "/hub.token";
        gateway.drivers["thermal"] = [](std::vector<ports::Sample>& out) -> Result<void> {
            out.push_back({{"thermal/cpu/temperature", "°C"}, 41.5});
            return {};
        };
        gateway.config.sensors.push_back({.driver = "thermal", .path = ""});
    }
    void give_token() {
        gateway.files.write("/hub.token", hub.give_token("gw") + "\n");
    }
    bool online() {
        const auto found = hub.node().fleet().find("gw");
        return found != hub.node().fleet().end() && found->second.online;
    }
    std::uint64_t delivered() {
        const auto found = hub.node().fleet().find("gw");
        return found == hub.node().fleet().end() ? 0 : found->second.readings;
    }
};

TEST(UplinkOwner, a_gateway_connects_and_delivers_and_writes_nothing_of_it_to_its_disk) {
    give_token();
    hub.start();
    gateway.start();
    world.pass(5s);
    CHECK_TRUE(online());
    const std::uint64_t written = gateway.disk.counters().bytes_written;
    const std::uint64_t before = delivered();
    world.pass(10s);
    LONGS_EQUAL(before + 10, delivered());
    LONGS_EQUAL(written, gateway.disk.counters().bytes_written);
    LONGS_EQUAL(0, gateway.node().journal().backlog());
    CHECK_TRUE(gateway.node().view().uplink.has_value());
}

TEST(UplinkOwner, a_missing_token_file_is_named_and_tried_again) {
    hub.start();
    gateway.start();
    world.pass(1min);
    CHECK_TRUE(gateway.logged("the token file /hub.token cannot be read or is empty") >= 1);
    LONGS_EQUAL(0, hub.node().server()->connections());
    give_token();
    world.pass(2min);
    CHECK_TRUE(online());
    CHECK_TRUE(delivered() >= 120);
}

TEST(UplinkOwner, a_token_that_is_replaced_is_used_for_the_next_line) {
    hub.start();
    gateway.files.write("/hub.token", "wrong");
    gateway.start();
    world.pass(1min);
    CHECK_FALSE(online());
    give_token();
    world.pass(2min);
    CHECK_TRUE(online());
}

TEST(UplinkOwner, a_hub_that_is_not_there_is_tried_until_it_is) {
    give_token();
    gateway.start();
    world.pass(10min);
    hub.start();
    world.pass(2min);
    CHECK_TRUE(online());
    CHECK_TRUE(delivered() >= 700);
}

TEST(UplinkOwner, a_stop_closes_the_line_with_1001) {
    give_token();
    hub.start();
    gateway.start();
    world.pass(5s + 500ms);
    CHECK_TRUE(online());
    hub.heard.clear();
    CHECK_TRUE(gateway.stop() < 500ms);
    websocket::Connection reader(websocket::Role::server, {}, nullptr);
    std::span<std::byte> bytes(hub.heard);
    Bytes out;
    std::optional<std::uint16_t> code;
    while (const auto event = reader.next(bytes, out)) {
        if (event->kind == websocket::Event::Kind::close) {
            code = event->code;
        }
    }
    LONGS_EQUAL(1001, code.value_or(0));
    CHECK_FALSE(online());
    LONGS_EQUAL(0, hub.node().server()->connections());
}

TEST(UplinkOwner, after_a_stop_no_line_is_tried_any_more) {
    give_token();
    hub.start();
    gateway.start();
    world.pass(5s);
    hub.kill();
    bool stopped = false;
    gateway.node().stop([&] { stopped = true; });
    hub.start();
    world.pass(1min);
    CHECK_TRUE(stopped);
    LONGS_EQUAL(0, hub.node().server()->connections());
}

TEST(UplinkOwner, the_backlog_is_read_from_the_store_after_a_restart) {
    give_token();
    gateway.start();
    world.pass(60s + 500ms);
    static_cast<void>(gateway.stop());
    gateway.config.sensors.clear();
    gateway.config.uplink->read_bytes = 64;  // a row at a time
    gateway.start();
    const std::uint64_t backlog = gateway.node().journal().backlog();
    CHECK_TRUE(backlog >= 60);
    LONGS_EQUAL(1, gateway.logged("backlog of " + std::to_string(backlog) + " readings"));
    const std::uint64_t given_back = gateway.supervisor().given_back();
    hub.start();
    world.pass(2min);
    LONGS_EQUAL(backlog, delivered());
    LONGS_EQUAL(0, gateway.node().journal().backlog());
    CHECK_TRUE(gateway.supervisor().given_back() >= given_back + 2);  // of the handshake, and of it
}

TEST(UplinkOwner, what_was_delivered_before_a_crash_is_not_delivered_twice) {
    give_token();
    hub.start();
    gateway.start();
    world.pass(20s);
    gateway.kill();
    gateway.start();
    world.pass(20s);
    hub.kill();
    hub.start();
    world.pass(2min);
    const std::uint64_t before = hub.node().journal().next_position() - 1;
    LONGS_EQUAL(before, delivered());
    CHECK_TRUE(before >= 160);
}

TEST(UplinkOwner, a_clock_that_is_not_set_is_told_by_the_hub) {
    give_token();
    hub.start();
    gateway.machine.boot(8, false);
    gateway.start();
    world.pass(10s);
    LONGS_EQUAL(1, gateway.logged("the time is known now"));
    const Now now = gateway.machine.now();
    CHECK_TRUE(gateway.machine.true_time() - gateway.node().wall(now) < 1s);
}

TEST(UplinkOwner, a_url_that_is_none_keeps_the_node_from_starting) {
    gateway.config.uplink->url = "nonsense";
    const Result<void> started = gateway.try_start();
    CHECK_TRUE(!started && started.error().code == ErrorCode::invalid);
    STRCMP_CONTAINS("uplink.url", started.error().message.c_str());
}
