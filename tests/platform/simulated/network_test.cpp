#include "platform/simulated/network.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/platform/simulated/two_hosts.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedNetwork) {
    TwoHosts hosts;
    Network& network = hosts.network;

    void check_end(const NotingEnd& who, ErrorCode code) {
        CHECK(who.end.has_value());
        CHECK(who.end == code);
    }
};

TEST(SimulatedNetwork, bytes_arrive_in_order_both_ways_after_the_latency) {
    hosts.path.latency = 100ms;
    hosts.path.jitter = 0us;
    hosts.connect();
    CHECK(hosts.device.is_connected);
    hosts.say_up("one ");
    hosts.say_up("two");
    hosts.pass(99ms);
    STRCMP_EQUAL("", hosts.hub.heard.c_str());
    hosts.pass(2ms);
    STRCMP_EQUAL("one two", hosts.hub.heard.c_str());
    hosts.say_down("three");
    hosts.pass(1s);
    STRCMP_EQUAL("three", hosts.device.heard.c_str());
}

TEST(SimulatedNetwork, large_sends_come_in_pieces_and_whole) {
    hosts.connect();
    const std::string text(200'000, 'x');
    hosts.say_up(text);
    hosts.pass(10s);
    CHECK(hosts.hub.heard == text);
    CHECK(hosts.hub.pieces.size() > 10);
}

TEST(SimulatedNetwork, bandwidth_takes_its_time) {
    hosts.path.bytes_per_second = 1000;
    hosts.connect();
    hosts.say_up(std::string(10'000, 'x'));
    hosts.pass(9s);
    CHECK(hosts.hub.heard.size() < 10'000);
    hosts.pass(2s);
    LONGS_EQUAL(10'000, hosts.hub.heard.size());
}

TEST(SimulatedNetwork, on_a_slow_path_bytes_trickle_and_are_acknowledged_as_they_come) {
    hosts.path.bytes_per_second = 1000;
    hosts.connect();
    hosts.say_up(std::string(10'000, 'x'));
    LONGS_EQUAL(10'000, network.progress(hosts.up).sent_bytes);
    LONGS_EQUAL(0, network.progress(hosts.up).acknowledged_bytes);
    for (std::size_t second = 1; second < 10; ++second) {
        hosts.pass(1s);
        CHECK(hosts.hub.heard.size() >= (second - 1) * 1000);
        CHECK(hosts.hub.heard.size() <= second * 1000);
        LONGS_EQUAL(hosts.hub.heard.size(), network.progress(hosts.up).acknowledged_bytes);
    }
}

TEST(SimulatedNetwork, what_trickles_through_a_box_keeps_it_from_calling_the_stream_idle) {
    hosts.path.bytes_per_second = 1000;
    hosts.path.cut.kind = simulated::CutKind::fin;
    hosts.path.cut.idle = 3s;
    hosts.connect();
    hosts.say_up(std::string(10'000, 'x'));
    hosts.pass(12s);
    LONGS_EQUAL(10'000, hosts.hub.heard.size());
    CHECK(!hosts.device.end);
    hosts.pass(3s);
    LONGS_EQUAL(1, network.counters().cuts);
}

TEST(SimulatedNetwork, lost_segments_delay_and_stay_in_order) {
    hosts.path.loss_per_mille = 500;
    hosts.connect();
    for (int i = 0; i < 10; ++i) {
        hosts.say_up(std::to_string(i));
    }
    hosts.pass(5min);
    STRCMP_EQUAL("0123456789", hosts.hub.heard.c_str());
}

TEST(SimulatedNetwork, who_sends_too_much_is_told_and_told_again_when_there_is_room) {
    hosts.connect();
    network.pause(hosts.down);
    const std::string text(Network::kSendLimitBytes, 'x');
    CHECK_TRUE(network.send(hosts.up, as_bytes(text)));
    CHECK_FALSE(network.send(hosts.up, as_bytes("x")));
    hosts.pass(1min);
    LONGS_EQUAL(0, hosts.device.writables);
    LONGS_EQUAL(text.size() + 1, network.unsent_bytes(hosts.up));
    network.resume(hosts.down);
    hosts.pass(1s);
    LONGS_EQUAL(1, hosts.device.writables);
    LONGS_EQUAL(0, network.unsent_bytes(hosts.up));
    LONGS_EQUAL(text.size() + 1, hosts.hub.heard.size());
}

TEST(SimulatedNetwork, a_fin_comes_behind_what_was_sent) {
    hosts.connect();
    network.pause(hosts.down);
    hosts.say_up("last words");
    network.shut(hosts.up);
    hosts.pass(1s);
    CHECK_FALSE(hosts.hub.end.has_value());
    network.resume(hosts.down);
    hosts.pass(1s);
    STRCMP_EQUAL("last words", hosts.hub.heard.c_str());
    check_end(hosts.hub, ErrorCode::closed);
    CHECK_FALSE(hosts.device.end.has_value());
}

TEST(SimulatedNetwork, an_abort_is_a_reset) {
    hosts.connect();
    network.abort(hosts.up);
    hosts.pass(1s);
    check_end(hosts.hub, ErrorCode::io);
}

TEST(SimulatedNetwork, nobody_there_is_refused_no_name_is_not_found_no_power_is_a_timeout) {
    network.listen("hub", nullptr);
    hosts.connect();
    check_end(hosts.device, ErrorCode::refused);

    hosts.path.resolves = false;
    hosts.connect();
    check_end(hosts.device, ErrorCode::not_found);

    hosts.path.resolves = true;
    hosts.device.end.reset();
    network.power_off("hub");
    hosts.connect();
    CHECK_FALSE(hosts.device.end.has_value());
    hosts.pass(10s);
    check_end(hosts.device, ErrorCode::timeout);
}

TEST(SimulatedNetwork, a_host_that_was_killed_says_so_and_one_without_power_does_not) {
    hosts.connect();
    network.kill("hub");
    hosts.pass(1s);
    CHECK(hosts.device.end.has_value());

    hosts.device.end.reset();
    hosts.listen();
    hosts.connect();
    network.power_off("hub");
    hosts.say_up("are you there?");
    hosts.pass(1min);
    CHECK_FALSE(hosts.device.end.has_value());
    network.power_on("hub");
    hosts.say_up("and now?");
    hosts.pass(1s);
    check_end(hosts.device, ErrorCode::io);
}

TEST(SimulatedNetwork, what_is_never_acknowledged_ends_the_stream_in_the_end) {
    hosts.connect();
    network.power_off("hub");
    hosts.say_up("are you there?");
    hosts.pass(Network::kRetransmission + 2s);
    check_end(hosts.device, ErrorCode::timeout);
}

TEST(SimulatedNetwork, an_outage_delays_what_is_sent_in_it) {
    hosts.connect();
    hosts.path.outage_until = hosts.clock.now() + 10s;
    hosts.say_up("late");
    hosts.pass(10s);
    STRCMP_EQUAL("", hosts.hub.heard.c_str());
    hosts.pass(11s);
    STRCMP_EQUAL("late", hosts.hub.heard.c_str());
}

TEST(SimulatedNetwork, each_kind_of_idle_cut_is_seen_as_it_is_by_both_ends) {
    struct Case {
        CutKind kind;
        std::optional<ErrorCode> at_once, after_sending;
        bool hub_hears, device_hears;
    };
    const Case cases[] = {
        {CutKind::none, {}, {}, true, true},
        {CutKind::fin, ErrorCode::closed, ErrorCode::closed, false, false},
        {CutKind::reset, ErrorCode::io, ErrorCode::io, false, false},
        {CutKind::reset_late, {}, ErrorCode::io, false, false},
        {CutKind::silent, {}, {}, false, false},
        {CutKind::silent_up, {}, {}, false, true},
        {CutKind::silent_down, {}, {}, true, false},
    };
    for (const Case& expected : cases) {
        TwoHosts two;
        two.path.cut.kind = expected.kind;
        two.path.cut.idle = 30s;
        two.connect();
        two.pass(29s);
        CHECK_FALSE(two.device.end.has_value());
        two.pass(2s);
        CHECK(two.device.end == expected.at_once);
        CHECK(two.hub.end == expected.at_once);
        two.say_up("x");
        two.say_down("x");
        two.pass(1s);
        CHECK(two.device.end == expected.after_sending);
        CHECK(two.hub.end == expected.after_sending);
        CHECK(expected.hub_hears == !two.hub.heard.empty());
        CHECK(expected.device_hears == !two.device.heard.empty());
    }
}

TEST(SimulatedNetwork, only_what_counts_puts_an_idle_cut_off) {
    hosts.path.cut.kind = CutKind::fin;
    hosts.path.cut.idle = 30s;
    hosts.path.cut.counts = Counts::from_server;
    hosts.connect();
    hosts.pass(20s);
    hosts.say_down("counts");
    hosts.pass(20s);
    CHECK_FALSE(hosts.device.end.has_value());
    hosts.say_up("does not");
    hosts.pass(12s);
    check_end(hosts.device, ErrorCode::closed);
}

TEST(SimulatedNetwork, a_lifetime_ends_a_busy_stream) {
    hosts.path.cut.lifetime_kind = CutKind::reset;
    hosts.path.cut.lifetime = 30s;
    hosts.connect();
    for (int i = 0; i < 28; ++i) {
        hosts.say_up("x");
        hosts.pass(1s);
    }
    CHECK_FALSE(hosts.device.end.has_value());
    hosts.pass(3s);
    check_end(hosts.device, ErrorCode::io);
}
