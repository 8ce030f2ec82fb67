#include <chrono>

#include <CppUTest/TestHarness.h>

#include "firmware/uplink/uplink.h"
#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

/// An Uplink whose heartbeat learns. What the heartbeat does is tested by itself; here, that it is
/// told what happens on the line.
TEST_GROUP(AdaptiveUplink) {
    Desk desk;
    UplinkOptions options;
    std::optional<Uplink> uplink;

    void setup() override {
        options.device = "dev";
        options.adaptive.emplace();
        desk.warm_up();
        uplink.emplace(*desk.journal, options, desk.random);
    }
    void connect() {
        while (!uplink->connect_due(desk.now)) {
            desk.now = uplink->deadline();
        }
        uplink->connected(desk.now);
    }
    void welcome(std::uint32_t advice_ms = 0) {
        CHECK(uplink->next_message(desk.now).has_value());
        uplink->heard(desk.now);
        const auto bytes =
            to_wire(WelcomeMessage{{{desk.journal->own().id, 1}}, 5, 1 << 20, 0, advice_ms});
        CHECK(uplink->received(bytes, desk.now).has_value());
        while (uplink->adaptive()->next(desk.now)) {
        }
    }
    void know() {
        uplink->adaptive()->on_path(
            PathKnowledge{235s, 240s, CutKind::silent, Counts::either_way, {}, 0},
            {desk.now, WallTime{}});
    }
    void close() {
        desk.now += desk.options.linger;
        (void)desk.write();
    }
};

TEST(AdaptiveUplink, is_off_unless_asked_for) {
    Uplink fixed(*desk.journal, UplinkOptions{}, desk.random);
    CHECK(fixed.adaptive() == nullptr);
}

TEST(AdaptiveUplink, times_the_pings_of_the_line) {
    connect();
    welcome();
    CHECK(!uplink->ping_due(desk.now + 3s));
    CHECK(uplink->ping_due(desk.now + 4s));
    know();
    CHECK(!uplink->ping_due(desk.now + 180s));
    CHECK(uplink->ping_due(desk.now + 235s));
}

TEST(AdaptiveUplink, an_acknowledged_record_is_a_beat) {
    know();
    connect();
    welcome();
    desk.now += 150s;
    desk.sample(1);
    close();
    CHECK(uplink->next_message(desk.now).has_value());
    uplink->heard(desk.now);
    CHECK(uplink->received(to_wire(AckMessage{desk.journal->own().id, 2}), desk.now).has_value());
    CHECK(!uplink->ping_due(desk.now + 180s));
}

TEST(AdaptiveUplink, a_dead_line_brings_it_to_the_floor_and_a_goodbye_does_not) {
    know();
    connect();
    welcome();
    uplink->disconnected({ErrorCode::closed, "bye"}, desk.now, LineEnd{EndKind::closed, 1001});
    connect();
    CHECK(uplink->adaptive()->interval() > 180s);
    welcome();
    desk.now += 230s;
    uplink->ping_sent(desk.now);
    desk.now += 10s;
    CHECK(uplink->give_up(desk.now).has_value());
    uplink->disconnected(*uplink->give_up(desk.now), desk.now);
    connect();
    CHECK(uplink->adaptive()->interval() == 4s);
}

TEST(AdaptiveUplink, a_failed_try_tells_that_the_link_was_gone) {
    know();
    connect();
    welcome();
    uplink->disconnected({ErrorCode::timeout, "silent"}, desk.now);
    while (!uplink->connect_due(desk.now)) {
        desk.now = uplink->deadline();
    }
    uplink->disconnected({ErrorCode::refused, "unreachable"}, desk.now);
    connect();
    CHECK(uplink->adaptive()->interval() > 180s);
}

TEST(AdaptiveUplink, absurd_advice_is_clamped_and_told) {
    connect();
    welcome(1);
    CHECK(uplink->adaptive()->interval() == 4s);
    const auto notices = uplink->take_notices();
    LONGS_EQUAL(1, notices.size());
    STRCMP_EQUAL("the hub advises a heartbeat of 1 ms; taken as 4 s", notices[0].c_str());
}

TEST(AdaptiveUplink, a_renewed_line_resumes_without_backoff_and_counts_no_reconnect) {
    connect();
    welcome();
    desk.sample(3);
    close();
    CHECK(uplink->next_message(desk.now).has_value());
    CHECK(uplink->in_flight_bytes() > 0);
    uplink->renewed(desk.now);
    CHECK(uplink->state() == Uplink::State::greeting);
    LONGS_EQUAL(0, uplink->in_flight_bytes());
    welcome();
    CHECK(uplink->state() == Uplink::State::live);
    CHECK(uplink->next_message(desk.now).has_value());
    CHECK(uplink->in_flight_bytes() > 0);
    LONGS_EQUAL(0, uplink->reconnects());
}
