#include "firmware/ingest/push.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::simulation;

TEST_GROUP(Push) {
    Desk desk;
    hub::Fleet fleet;
    hub::LiveFeed live;
    std::unique_ptr<ingest::PushSession> push;

    void setup() override {
        connect("");
    }
    void connect(const std::string& source) {
        push = std::make_unique<ingest::PushSession>(hub::Shared{*desk.journal, fleet, live},
                                                     source, telemetry::JsonLimits{});
    }
    std::string tell(const std::string& text, ingest::Stamp stamp = {0, 5}) {
        return push->received(text, stamp, desk.now).value_or("");
    }
    std::string commit() {
        while (desk.write() >= 0) {
        }
        return push->durable().value_or("");
    }
    static std::string numbered(int first, int last) {
        std::string out = "[";
        for (int n = first; n <= last; ++n) {
            out += (n > first ? "," : "") + std::string(R"({"channel":"t","value":)") +
                   std::to_string(n) + R"(,"n":)" + std::to_string(n) + "}";
        }
        return out + "]";
    }
};

TEST(Push, what_is_durable_is_acknowledged_with_its_count) {
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":1})").c_str());
    STRCMP_EQUAL("", tell(R"([{"channel":"t","value":2},{"channel":"u","value":true}])").c_str());
    CHECK(!push->durable());
    CHECK(!push->idle());
    STRCMP_EQUAL(R"({"ack":3})", commit().c_str());
    CHECK(push->idle());
    STRCMP_EQUAL("", push->durable().value_or("").c_str());
    LONGS_EQUAL(3, desk.stored());
    CHECK(!push->greeting());
}

TEST(Push, an_empty_array_is_acknowledged_too) {
    STRCMP_EQUAL("", tell("[]").c_str());
    STRCMP_EQUAL(R"({"ack":0})", commit().c_str());
}

TEST(Push, what_adds_nothing_to_a_durable_journal_is_acknowledged_at_once) {
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":1})").c_str());
    STRCMP_EQUAL(R"({"ack":1})", commit().c_str());
    STRCMP_EQUAL("", tell("[]").c_str());
    STRCMP_EQUAL("", tell("[]").c_str());
    STRCMP_EQUAL(R"({"ack":1})", push->durable().value_or("").c_str());
    CHECK(push->idle());
}

TEST(Push, a_bad_message_gets_an_error_and_costs_nothing_else) {
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":1})").c_str());
    STRCMP_CONTAINS(R"("at":1)", tell(R"([{"channel":"t","value":1},{"channel":"t"}])").c_str());
    STRCMP_CONTAINS("error", tell("nonsense").c_str());
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":2})").c_str());
    STRCMP_EQUAL(R"({"ack":2})", commit().c_str());
    LONGS_EQUAL(2, desk.stored());
}

TEST(Push, one_channel_too_many_takes_nothing_of_the_message) {
    desk.options.channels_per_origin = 1;
    desk.crash();
    connect("");
    STRCMP_CONTAINS(R"("at":1)",
                    tell(R"([{"channel":"t","value":1},{"channel":"u","value":1}])").c_str());
    LONGS_EQUAL(1, desk.journal->own_next_seq());
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":1})").c_str());
}

TEST(Push, a_source_is_greeted_with_its_durable_number) {
    connect("s");
    STRCMP_EQUAL(R"({"through":0})", push->greeting().value_or("").c_str());
    STRCMP_EQUAL("", tell(numbered(1, 3)).c_str());
    STRCMP_EQUAL(R"({"through":0})", push->greeting().value_or("").c_str());
    STRCMP_EQUAL(R"({"through":3})", commit().c_str());
    connect("s");
    STRCMP_EQUAL(R"({"through":3})", push->greeting().value_or("").c_str());
    connect("other");
    STRCMP_EQUAL(R"({"through":0})", push->greeting().value_or("").c_str());
}

TEST(Push, of_a_source_what_is_there_is_ignored_and_acknowledged) {
    connect("s");
    (void)tell(numbered(1, 3));
    STRCMP_EQUAL("", tell(numbered(1, 3)).c_str());
    STRCMP_EQUAL("", tell(numbered(2, 5)).c_str());
    STRCMP_EQUAL(R"({"through":5})", commit().c_str());
    LONGS_EQUAL(5, desk.stored());
    STRCMP_EQUAL("", tell(numbered(1, 5)).c_str());
    STRCMP_EQUAL(R"({"through":5})", commit().c_str());
    LONGS_EQUAL(5, desk.stored());
}

TEST(Push, of_a_source_a_hole_or_a_missing_number_is_an_error) {
    connect("s");
    STRCMP_CONTAINS("1 is next", tell(numbered(2, 3)).c_str());
    STRCMP_CONTAINS("\\\"n\\\" is missing", tell(R"({"channel":"t","value":1})").c_str());
    STRCMP_CONTAINS(
        R"("at":1)",
        tell(R"([{"channel":"t","value":1,"n":1},{"channel":"t","value":1,"n":3}])").c_str());
    LONGS_EQUAL(1, desk.journal->own_next_seq());
    STRCMP_EQUAL("", tell(numbered(1, 1)).c_str());
    STRCMP_EQUAL(R"({"through":1})", commit().c_str());
}

TEST(Push, of_a_source_no_part_of_a_message_is_sent_before_all_is_durable) {
    desk.warm_up();
    connect("s");
    // The first has a time of its own, the second is stamped with the boot's clock: two batches.
    STRCMP_EQUAL("", tell(R"([{"channel":"t","value":1,"n":1,"time":"2026-11-20T10:00:00Z"},
                              {"channel":"t","value":2,"n":2}])",
                          {77, 5})
                         .c_str());
    desk.now += desk.options.linger;
    const auto write = desk.journal->take_write(desk.now);
    LONGS_EQUAL(2, write->records.size());
    CHECK(!desk.journal->next(write->records[0].position).record);
    desk.journal->written(desk.store.write(*write), desk.now);
    CHECK(desk.journal->next(write->records[0].position).record.has_value());
}

TEST(Push, while_storage_fails_the_sender_is_told) {
    (void)tell(R"({"channel":"t","value":1})");
    desk.store.fail_next();
    STRCMP_EQUAL("",
                 [&] {
                     (void)desk.write();
                     return push->durable().value_or("");
                 }()
                     .c_str());
    STRCMP_CONTAINS("cannot store", tell(R"({"channel":"t","value":2})").c_str());
    desk.now += desk.options.retry_delay;
    STRCMP_EQUAL(R"({"ack":1})", commit().c_str());
    STRCMP_EQUAL("", tell(R"({"channel":"t","value":2})").c_str());
}

TEST_GROUP(LiveFeed) {
    hub::LiveFeed live;
    std::vector<telemetry::Channel> channels{{"t", "°C"}};
    void add(std::uint64_t end, std::uint64_t boot = 0) {
        live.add(end, "d", channels, {boot, {{1, 0, 1.5}, {1, 1'000'000, std::int64_t{2}}}}, 7);
    }
};

TEST(LiveFeed, readings_come_when_they_are_durable_and_in_order) {
    live.add_listener();
    add(3);
    add(5);
    LONGS_EQUAL(0, live.take(2).size());
    const auto first = live.take(4);
    LONGS_EQUAL(1, first.size());
    STRCMP_EQUAL(
        R"([{"device":"d","seq":7,"time":"1970-01-01T00:00:00Z","channel":"t","value":1.5,"unit":"°C"},)"
        R"({"device":"d","seq":8,"time":"1970-01-01T00:00:01Z","channel":"t","value":2,"unit":"°C"}])",
        first[0].json.c_str());
    LONGS_EQUAL(1, live.take(5).size());
    LONGS_EQUAL(0, live.take(5).size());
}

TEST(LiveFeed, without_a_listener_nothing_is_made) {
    add(3);
    live.add_listener();
    LONGS_EQUAL(0, live.take(9).size());
    add(12);
    live.remove_listener();
    LONGS_EQUAL(0, live.take(20).size());
}

TEST(LiveFeed, a_time_that_is_not_known_yet_is_null) {
    live.add_listener();
    add(3, 77);
    STRCMP_CONTAINS(R"("time":null)", live.take(3)[0].json.c_str());
}

TEST(LiveFeed, what_waits_beyond_the_limit_is_dropped_and_told_once) {
    const std::string large(hub::LiveFeed::kWaitingBytes / 2, 'x');
    live.add_listener();
    live.add(1, "d", channels, {0, {{1, 0, large}}}, 1);
    CHECK(!live.take_overflow());
    live.add(2, "d", channels, {0, {{1, 0, large}}}, 2);
    CHECK(live.take_overflow());
    CHECK(!live.take_overflow());
    LONGS_EQUAL(0, live.take(2).size());
    add(3);
    LONGS_EQUAL(1, live.take(3).size());
}
