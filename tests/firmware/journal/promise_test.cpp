/// One test for each line of the table in firmware/journal/README.md: what a power cut may cost.
#include <CppUTest/TestHarness.h>

#include "firmware/ingest/push.h"
#include "firmware/journal/consumer.h"
#include "firmware/line/hub_end.h"
#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

TEST_GROUP(Promise) {
    Desk desk;
    hub::Fleet fleet;
    hub::LiveFeed live;
    void setup() override {
        desk.warm_up();
    }
    hub::Shared shared() {
        return {*desk.journal, fleet, live};
    }
    /// Samples each 10 ms, for `span`; the storage thread does its work.
    void run(Duration span) {
        for (Duration passed{}; passed < span; passed += 10ms) {
            desk.sample();
            desk.write();
            desk.now += 10ms;
            desk.write();
        }
    }
    std::uint64_t given() {
        return desk.journal->own_next_seq() - 1;
    }
};

TEST(Promise, sampled_sensor_on_a_healthy_line_loses_what_the_hub_has_not_acknowledged) {
    desk.sample(5);
    desk.acknowledge();  // on stable storage, at the hub
    desk.sample(2);
    desk.now += desk.options.commit_interval - 1us;
    desk.write();
    desk.crash();
    LONGS_EQUAL(0, desk.stored());
    LONGS_EQUAL(desk.journal->next_position(), desk.journal->first_position());
}

TEST(Promise, sampled_sensor_in_an_outage_loses_the_last_commit_interval_at_most) {
    run(5s);
    desk.sample(3);
    const std::uint64_t in_interval = 1 + desk.options.commit_interval / 10ms;
    const std::uint64_t before = given() - 1;  // one was written while warming up, and deleted
    desk.crash();
    CHECK(desk.stored() + in_interval >= before);
    CHECK(desk.stored() < before);
}

TEST(Promise, fifo_and_standard_input_lose_the_last_commit_interval_at_most) {
    // Lines of a pipe come by deadline, and are never refused: the reader waits for room instead.
    const auto id = desk.journal->channel({"t", ""});
    for (int i = 0; i < 100; ++i) {
        std::vector<telemetry::Reading> readings{{*id, 1, std::int64_t{i}}};
        (void)desk.journal->append({.readings = readings, .keep = true}, desk.now);
        desk.now += 10ms;
        desk.write();
    }
    desk.crash();
    CHECK(desk.stored() >=
          100 - 1 - static_cast<std::uint64_t>(desk.options.commit_interval / 10ms));
    LONGS_EQUAL(0, desk.journal->dropped());
}

TEST(Promise, followed_file_loses_nothing_and_doubles_nothing) {
    for (std::uint64_t offset = 10; offset <= 500; offset += 10) {
        const SourcePosition source{"file", offset, 42};
        desk.add(1, Promise::now, &source);
        if (offset % 30 == 0) {
            desk.write();
        }
    }
    desk.crash();
    // The file is read on from the position that is remembered: it stands behind what is there.
    LONGS_EQUAL(desk.stored() * 10, desk.journal->source("file").position);
    LONGS_EQUAL(42, desk.journal->source("file").tag);
}

TEST(Promise, push_loses_only_what_was_not_acknowledged) {
    ingest::PushSession push(shared(), "", {});
    CHECK(!push.received(R"([{"channel":"t","value":1},{"channel":"t","value":2}])", {}, desk.now));
    CHECK(!push.durable());
    desk.write();
    STRCMP_EQUAL(R"({"ack":2})", push.durable().value_or("").c_str());
    CHECK(!push.received(R"({"channel":"t","value":3})", {}, desk.now));
    CHECK(!push.durable());
    desk.crash();
    LONGS_EQUAL(2, desk.stored());
}

TEST(Promise, push_with_a_source_loses_nothing_and_doubles_nothing) {
    {
        ingest::PushSession push(shared(), "s", {});
        CHECK(!push.received(R"({"channel":"t","value":1,"n":1})", {}, desk.now));
        desk.write();
        STRCMP_EQUAL(R"({"through":1})", push.durable().value_or("").c_str());
        CHECK(!push.received(R"({"channel":"t","value":2,"n":2})", {}, desk.now));
    }
    desk.crash();
    ingest::PushSession again(shared(), "s", {});
    STRCMP_EQUAL(R"({"through":1})", again.greeting().value_or("").c_str());
    CHECK(!again.received(R"([{"channel":"t","value":1,"n":1},{"channel":"t","value":2,"n":2}])",
                          {}, desk.now));
    desk.write();
    STRCMP_EQUAL(R"({"through":2})", again.durable().value_or("").c_str());
    LONGS_EQUAL(2, desk.stored());
}

TEST(Promise, relayed_readings_lose_nothing_for_they_are_acknowledged_after_the_commit) {
    line::HubEnd line(*desk.journal, {"other", false, ""}, {});
    const Now now{desk.now, WallTime(1s)};
    HelloMessage hello;
    hello.device = "other";
    hello.open.push_back({1, "other", {9, 1}, {{1, {"t", ""}}}});
    CHECK(line.received(to_wire(hello), now).has_value());
    desk.write();
    line.durable();
    while (line.next_message()) {
    }
    Record record;
    record.first_seq = 1;
    record.body = std::make_shared<const Bytes>(telemetry::encode({0, {{1, 5, 1.5}, {1, 6, 2.5}}}));
    Bytes message = wire_head(record, 1);
    append(message, *record.body);
    CHECK(line.received(message, now).has_value());
    line.durable();
    CHECK(!line.next_message());
    desk.write();
    line.durable();
    CHECK(line.next_message().has_value());
    LONGS_EQUAL(2, desk.stored());
}

TEST(Promise, remembered_position_is_never_ahead_of_its_readings) {
    const SourcePosition source{"s", 9, 0};
    desk.add(9, Promise::now, &source);
    desk.store.fail_next();
    desk.write();
    LONGS_EQUAL(0, desk.journal->durable_source("s"));
    desk.crash();
    LONGS_EQUAL(0, desk.stored());
    LONGS_EQUAL(0, desk.journal->source("s").position);
}

TEST(Promise, acknowledgement_state_costs_only_that_some_are_sent_again) {
    desk.push(6);
    desk.write();
    const std::uint64_t end = desk.journal->next_position();
    desk.journal->release(end, desk.now);  // the deletion has not been written
    desk.crash();
    LONGS_EQUAL(6, desk.journal->next_position() - desk.journal->first_position());
    LONGS_EQUAL(end, desk.journal->next_position());
}

TEST(Promise, note_loses_the_last_commit_interval_at_most) {
    CHECK(desk.journal->note("path", "1", desk.now).has_value());
    desk.now += desk.options.commit_interval;
    desk.write();
    CHECK(desk.journal->note("path", "2", desk.now).has_value());
    desk.now += desk.options.commit_interval - 1us;
    desk.write();
    desk.crash();
    CHECK(desk.notes == (std::vector<Note>{{"path", "1"}}));
}

TEST(Promise, confirmed_position_of_a_consumer_loses_the_last_commit_interval_at_most) {
    auto relay = Consumer::open(*desk.journal, {.name = "relay", .holds = true}, desk.now);
    const std::uint64_t first = desk.push(6) - 6;
    desk.write();
    relay->move_to(first + 6);
    relay->confirm(first + 2, desk.now);
    desk.now += desk.options.commit_interval;
    desk.write();
    relay->confirm(first + 4, desk.now);
    desk.now += desk.options.commit_interval - 1us;
    desk.write();
    desk.crash();
    LONGS_EQUAL(first + 2, desk.journal->consumer("relay")->position);
}
