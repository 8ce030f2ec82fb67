#include <algorithm>
#include <string>
#include <vector>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

/// The next path beside one that gives no sign.
TEST_GROUP(ClientRaces) {
    ClientDesk net;
    Instant began;

    void setup() override {
        net.desk.sample(3);
        began = net.desk.now;
    }
    void teardown() override {
        STRCMP_EQUAL("", net.broken.c_str());
    }
    /// With one Hello, and `streams` opened until then; nothing else is left open.
    void delivered_by(const char* way, std::size_t streams) {
        if (!net.run_until_delivered(1min)) {
            FAIL(net.log_text().c_str());
        }
        STRCMP_EQUAL("", net.compare().c_str());
        STRCMP_EQUAL(way, name(net.client->path()).c_str());
        LONGS_EQUAL(1, net.hellos);
        LONGS_EQUAL(streams, net.opens);
        const bool is_socket = net.client->path().transport == Transport::websocket;
        LONGS_EQUAL(is_socket ? 1 : 2, net.open_streams());
    }
    bool raced_is_under_way() {
        return net.run_until([this] { return net.opens == 3; }, 5s);
    }
};

TEST(ClientRaces, silence_leads_to_the_next_way_within_half_a_second) {
    net.far["direct"] = Far::silence;
    net.start();
    delivered_by("direct+xhr_streaming", 3);
    CHECK(net.desk.now - began < 500ms);
    STRCMP_EQUAL("direct+xhr_streaming", net.notes.back().second.c_str());
}

TEST(ClientRaces, nothing_after_101_is_silence) {
    net.far["direct"] = Far::silent_101;
    net.start();
    delivered_by("direct+xhr_streaming", 3);
    CHECK(net.desk.now - began < 500ms);
}

TEST(ClientRaces, two_ways_that_are_silent_take_no_more_than_the_patience_with_one) {
    net.far["direct"] = net.far["direct+xhr_streaming"] = Far::silence;
    net.start();
    delivered_by("direct+xhr", 5);
    CHECK(net.desk.now - began < 1700ms);
}

TEST(ClientRaces, a_way_that_answers_in_time_is_alone) {
    net.answer_takes["direct"] = 100ms;
    net.start();
    delivered_by("direct", 1);
}

// ---- A WebSocket that is slow and well

TEST(ClientRaces, a_hub_that_stalls_for_a_second_is_reached_by_the_better_way) {
    for (const Duration stall : {300ms, 500ms, 1000ms, 1250ms}) {
        ClientDesk each;
        each.desk.sample(3);
        each.stalled_until = each.desk.now + stall;
        each.start();
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("direct", name(each.client->path()).c_str());
        STRCMP_EQUAL("direct", each.notes.back().second.c_str());
        LONGS_EQUAL(1, each.hellos);
        LONGS_EQUAL(1, each.open_streams());
    }
}

TEST(ClientRaces, one_that_is_slower_than_the_next_way_is_come_back_to) {
    net.answer_takes["direct"] = 1s;
    net.start();
    delivered_by("direct+xhr_streaming", 3);
    net.must_stay_up = true;
    net.run(65s);
    net.desk.sample(1);
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
    LONGS_EQUAL(0, net.client->engine().reconnects());
}

// ---- Failures on the way

TEST(ClientRaces, what_fails_beside_it_makes_room_for_the_one_after) {
    net.far["direct"] = Far::silence;
    net.far["direct+xhr_streaming"] = Far::forbidden;
    net.start();
    delivered_by("direct+xhr", 5);
    CHECK(net.desk.now - began < 700ms);
    CHECK((net.tries == std::vector<std::string>{"direct", "direct+xhr_streaming", "direct+xhr"}));
}

TEST(ClientRaces, an_explicit_no_leaves_the_line_to_the_one_that_is_under_way) {
    net.far["direct"] = Far::forbidden;
    net.answer_takes["direct"] = 300ms;
    net.answer_takes["direct+xhr_streaming"] = 150ms;
    net.start();
    CHECK(raced_is_under_way());
    CHECK(net.run_until([this] { return net.logged("403"); }));
    STRCMP_EQUAL("direct+xhr_streaming", name(net.client->path()).c_str());
    delivered_by("direct+xhr_streaming", 3);
}

TEST(ClientRaces, one_that_takes_over_before_it_is_connected_has_hello_sent_along) {
    net.far["direct"] = Far::forbidden;
    net.connect_takes = 500ms;
    net.answer_takes["direct"] = 1s;
    net.start();
    CHECK(raced_is_under_way());
    CHECK(net.run_until([this] { return net.logged("403"); }));
    CHECK(!net.stream(2).connected);
    delivered_by("direct+xhr_streaming", 3);
}

TEST(ClientRaces, both_fail_and_the_round_goes_on_with_two_ways_at_once_at_most) {
    net.options.proxy = "proxy.test:3128";
    for (const char* way : {"proxy", "proxy+xhr_streaming", "proxy+xhr", "direct",
                            "direct+xhr_streaming", "direct+xhr"}) {
        net.far[way] = Far::silence;
    }
    net.start();
    std::size_t most = 0;
    while (net.tries.size() < 6 && net.desk.now - began < 1min) {
        net.run(10ms);
        most = std::max(most, net.open_streams());
    }
    LONGS_EQUAL(4, most);
    CHECK((net.tries == std::vector<std::string>{"proxy", "proxy+xhr_streaming", "proxy+xhr",
                                                 "direct", "direct+xhr_streaming", "direct+xhr"}));
    // No sooner than one after the other is given up: a hub that is slow must not be stormed.
    CHECK(net.desk.now - began > 3s);
    net.far.clear();
    CHECK(net.run_until_delivered(2min));
    STRCMP_EQUAL("", net.compare().c_str());
}

TEST(ClientRaces, the_hubs_own_no_beside_it_ends_the_round) {
    net.far["direct"] = Far::silence;
    net.far["direct+xhr_streaming"] = Far::unauthorized;
    net.start();
    net.run(5min);
    CHECK(net.logged("xhr_streaming was answered 401 Unauthorized"));
    LONGS_EQUAL(1, std::ranges::count(net.tries, "direct"));
    LONGS_EQUAL(0, std::ranges::count(net.tries, "direct+xhr"));
    CHECK(net.tries.size() < 40);
}

// ---- What is known already, and the end

TEST(ClientRaces, what_worked_here_has_the_whole_patience_to_itself) {
    net.far["direct"] = Far::silence;
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    net.client->remember("ladder net hub.test", "direct");
    net.run(1300ms);
    LONGS_EQUAL(1, net.opens);
    delivered_by("direct+xhr_streaming", 3);
}

TEST(ClientRaces, stop_ends_both) {
    for (const Duration when : {10ms, 320ms, 360ms}) {
        ClientDesk each;
        each.far["direct"] = Far::silence;
        each.answer_takes["direct+xhr_streaming"] = 1s;
        each.start();
        each.run(when);
        each.client->stop(each.both());
        each.run(1min);
        STRCMP_EQUAL("", each.broken.c_str());
        LONGS_EQUAL(when < 100ms ? 1 : 3, each.opens);
        LONGS_EQUAL(0, each.open_streams());
        CHECK(each.client->deadline() == kNever);
    }
}
