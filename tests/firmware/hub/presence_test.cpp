#include "firmware/hub/presence.h"

#include <memory>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"
#include "tests/firmware/line/device_messages.h"

using namespace holdfast;
using namespace holdfast::line;
using namespace std::chrono_literals;

TEST_GROUP(Presence) {
    static constexpr WallTime kToday{1'000'000s};

    simulation::Desk desk{hub_options()};
    hub::Fleet fleet;
    hub::LiveFeed live;
    std::unique_ptr<HubEnd> end;
    std::unique_ptr<hub::Presence> presence;

    static journal::JournalOptions hub_options() {
        journal::JournalOptions given;
        given.owes_upstream = false;
        return given;
    }
    void setup() override {
        connect("a");
    }
    void teardown() override {
        disconnect();
    }
    void disconnect() {
        presence.reset();
        end.reset();
    }
    void connect(const std::string& device, bool relay = false) {
        disconnect();
        end = std::make_unique<HubEnd>(*desk.journal, Admission{device, relay, "addr"},
                                       HubEndOptions{});
        presence = std::make_unique<hub::Presence>(hub::Shared{*desk.journal, fleet, live}, *end);
    }
    /// False: the line refused it.
    bool tell(const Bytes& message, WallTime wall = kToday) {
        const bool taken = end->received(message, {desk.now, wall}).has_value();
        presence->follow(wall);
        return taken;
    }
    void commit() {
        while (desk.write() >= 0) {
        }
        end->durable();
    }
    void greet() {
        CHECK(tell(to_wire(hello("a", {opened(1, "a")}))));
        commit();
    }
};

TEST(Presence, hello_makes_a_device_known) {
    greet();
    const hub::Device& entry = fleet.at("a");
    CHECK(entry.online);
    LONGS_EQUAL(3, *entry.backlog);
    LONGS_EQUAL(1, entry.connects);
    STRCMP_EQUAL("test", entry.software.c_str());
    STRCMP_EQUAL("addr", entry.address.c_str());
    CHECK(entry.connected_since == kToday);
}

TEST(Presence, a_hello_that_is_refused_later_leaves_the_device_offline) {
    CHECK(!tell(to_wire(hello("a", {opened(1, "b")}))));
    LONGS_EQUAL(1, fleet.at("a").connects);
    disconnect();
    CHECK(!fleet.at("a").online);
}

TEST(Presence, readings_and_gaps_are_counted_and_shorten_the_backlog) {
    greet();
    CHECK(tell(batch(1, 1, 2), kToday + 5s));
    const hub::Device& entry = fleet.at("a");
    LONGS_EQUAL(2, entry.readings);
    LONGS_EQUAL(1, *entry.backlog);
    CHECK(entry.last_seen == kToday + 5s);
    const hub::LastReading& last = entry.channels.at({"c1", "m"});
    LONGS_EQUAL(2, last.seq);
    LONGS_EQUAL(2, std::get<std::int64_t>(last.value));
    CHECK(tell(gap(1, 3, 9)));
    LONGS_EQUAL(1, entry.gaps);
    LONGS_EQUAL(0, *entry.backlog);
    LONGS_EQUAL(2, entry.readings);
}

TEST(Presence, what_came_before_counts_as_a_sign_of_life_only) {
    greet();
    CHECK(tell(batch(1, 1, 2)));
    CHECK(tell(batch(1, 1, 2), kToday + 9s));
    LONGS_EQUAL(2, fleet.at("a").readings);
    CHECK(fleet.at("a").last_seen == kToday + 9s);
}

TEST(Presence, the_live_feed_gets_readings_when_they_are_durable) {
    live.add_listener();
    greet();
    CHECK(tell(batch(1, 1, 2)));
    CHECK(live.take(desk.journal->durable_before()).empty());
    commit();
    const auto texts = live.take(desk.journal->durable_before());
    LONGS_EQUAL(1, texts.size());
    STRCMP_EQUAL("a", texts.at(0).device.c_str());
    STRCMP_CONTAINS(R"("seq":2)", texts.at(0).json.c_str());
}

TEST(Presence, a_line_without_hello_touches_nothing) {
    CHECK(tell({}));
    disconnect();
    CHECK(fleet.empty());
}

TEST(Presence, an_origin_behind_a_relay_is_online_while_the_relay_is) {
    connect("site", true);
    CHECK(tell(to_wire(hello("site", {opened(1, "site"), opened(2, "b")}))));
    CHECK(tell(batch(2, 1, 1), kToday + 1s));
    STRCMP_EQUAL("site", fleet.at("b").via.c_str());
    CHECK(fleet.at("b").online);
    LONGS_EQUAL(1, fleet.at("b").readings);
    CHECK(fleet.at("b").last_seen == kToday + 1s);
    disconnect();
    CHECK(!fleet.at("b").online);
    CHECK(!fleet.at("site").online);
}

TEST(Presence, the_end_of_a_line_is_seen_unless_a_newer_one_took_its_place) {
    greet();
    disconnect();
    CHECK(!fleet.at("a").online);
    CHECK(!fleet.at("a").connected_since);
    connect("a");
    greet();
    end->superseded();
    CHECK(tell(batch(1, 1, 1)));
    disconnect();
    CHECK(fleet.at("a").online);
    LONGS_EQUAL(0, fleet.at("a").readings);
}
