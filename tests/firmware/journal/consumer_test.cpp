#include "firmware/journal/consumer.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

TEST_GROUP(Consumer) {
    Desk desk;
    Journal& journal() {
        return *desk.journal;
    }
    /// Carries out the read that the consumer asks for, if it asks for one.
    bool read(Consumer & consumer) {
        const auto read = consumer.take_read(desk.now);
        if (read) {
            CHECK(consumer.fetched(desk.store.read(read->position, read->max_bytes), desk.now)
                      .has_value());
        }
        return read.has_value();
    }
    /// How many readings it is given until there are no more.
    std::uint64_t take_all(Consumer & consumer) {
        std::uint64_t count = 0;
        do {
            while (const auto record = consumer.next()) {
                CHECK(record->end_position() > consumer.position());
                count += record->end_position() - std::max(record->position, consumer.position());
                consumer.move_to(record->end_position());
            }
        } while (read(consumer));
        return count;
    }
};

TEST(Consumer, reads_the_rows_of_the_store_and_then_the_memory) {
    desk.push(30);
    desk.write();
    desk.crash();
    desk.sample(5);
    desk.now += desk.options.linger;
    (void)journal().take_write(desk.now);
    Consumer consumer(journal(), {});
    consumer.rewind();
    CHECK(!consumer.next());
    LONGS_EQUAL(35, take_all(consumer));
    LONGS_EQUAL(journal().next_position(), consumer.position());
    CHECK(!consumer.take_read(desk.now));
}

TEST(Consumer, rewind_goes_back_to_what_is_not_confirmed_and_passes_over_the_answer_that_is_out) {
    desk.push(30);
    desk.write();
    desk.crash();
    Consumer consumer(journal(), {});
    consumer.rewind();
    LONGS_EQUAL(30, take_all(consumer));
    consumer.confirm(11, desk.now);
    LONGS_EQUAL(11, journal().first_position());
    consumer.rewind();
    const auto read = consumer.take_read(desk.now);
    LONGS_EQUAL(11, read->position);
    consumer.rewind();
    CHECK(!consumer.fetched(desk.store.read(read->position, read->max_bytes), desk.now).value());
    CHECK(!consumer.next());
    LONGS_EQUAL(20, take_all(consumer));
}

TEST(Consumer, a_read_that_fails_is_tried_again_after_a_while) {
    desk.push(3);
    desk.write();
    desk.crash();
    Consumer consumer(journal(), {});
    consumer.rewind();
    CHECK(consumer.take_read(desk.now).has_value());
    CHECK(!consumer.take_read(desk.now));
    CHECK(!consumer.fetched(fail(ErrorCode::io, "bad sector"), desk.now));
    CHECK(!consumer.take_read(desk.now));
    CHECK(consumer.deadline() > desk.now);
    desk.now = consumer.deadline();
    CHECK(consumer.take_read(desk.now).has_value());
}

TEST(Consumer, rows_that_are_gone_are_passed) {
    desk.push(3);
    desk.write();
    desk.crash();
    Consumer consumer(journal(), {});
    consumer.rewind();
    CHECK(consumer.take_read(desk.now).has_value());
    CHECK(consumer.fetched(std::vector<Record>{}, desk.now).value());
    LONGS_EQUAL(4, consumer.position());
    CHECK(!consumer.take_read(desk.now));
}

TEST(Consumer, reads_no_further_ahead_than_it_may) {
    for (int i = 0; i < 10; ++i) {
        desk.push(24);
        desk.write();
    }
    desk.crash();
    Consumer consumer(journal(), {.read_bytes = 1});
    consumer.rewind();
    CHECK(read(consumer));
    CHECK(!consumer.take_read(desk.now));
    LONGS_EQUAL(240, take_all(consumer));
}

TEST(Consumer, rows_are_given_back_when_the_uplink_and_all_that_hold_have_confirmed) {
    Consumer uplink(journal(), {});
    auto relay = Consumer::open(journal(), {.name = "relay", .holds = true}, desk.now);
    auto watch = Consumer::open(journal(), {.name = "watch"}, desk.now);
    desk.push(30);
    desk.write();
    LONGS_EQUAL(30, take_all(uplink));
    LONGS_EQUAL(30, take_all(*relay));
    LONGS_EQUAL(30, take_all(*watch));
    uplink.confirm(31, desk.now);
    LONGS_EQUAL(31, journal().durable_before());
    LONGS_EQUAL(1, journal().first_position());
    LONGS_EQUAL(0, journal().backlog());
    relay->confirm(31, desk.now);
    LONGS_EQUAL(31, journal().first_position());
    desk.now += desk.options.release_delay;
    while (desk.write() >= 0) {
    }
    LONGS_EQUAL(0, desk.stored());
    CHECK(journal().clean());
}

TEST(Consumer, a_position_is_kept_from_the_next_write_on_and_does_not_fall) {
    {
        auto relay = Consumer::open(journal(), {.name = "relay", .holds = true}, desk.now);
        desk.push(30);
        desk.write();
        LONGS_EQUAL(30, take_all(*relay));
        relay->confirm(21, desk.now);
        CHECK(!journal().clean());
        LONGS_EQUAL(1, relay->durable_position());
        CHECK(journal().deadline() == desk.now + desk.options.commit_interval);
        desk.now += desk.options.commit_interval;
        desk.store.fail_next();
        LONGS_EQUAL(0, desk.write());
        LONGS_EQUAL(1, relay->durable_position());
        desk.now += desk.options.retry_delay;
        LONGS_EQUAL(0, desk.write());
        LONGS_EQUAL(21, relay->durable_position());
        relay->confirm(11, desk.now);
        LONGS_EQUAL(21, journal().consumer("relay")->position);
        CHECK(journal().clean());
    }
    desk.crash();
    auto relay = Consumer::open(journal(), {.name = "relay", .holds = true}, desk.now);
    LONGS_EQUAL(21, relay->position());
    LONGS_EQUAL(10, take_all(*relay));
    CHECK(!relay->take_missed());
}

TEST(Consumer, what_nobody_reads_any_more_is_ended_and_holds_nothing) {
    (void)Consumer::open(journal(), {.name = "relay", .holds = true}, desk.now);
    desk.push(3);
    desk.write();
    journal().release(journal().next_position(), desk.now);
    LONGS_EQUAL(1, journal().first_position());
    journal().end_consumer("relay", desk.now);
    LONGS_EQUAL(4, journal().first_position());
    journal().flush();
    while (desk.write() >= 0) {
    }
    CHECK(journal().clean());
    desk.crash();
    CHECK(journal().consumer("relay") == nullptr);
    LONGS_EQUAL(0, desk.stored());
}

TEST(Consumer, one_that_follows_and_is_too_slow_is_told_what_it_missed) {
    auto watch = Consumer::open(journal(), {.name = "watch"}, desk.now);
    desk.push(10);
    desk.write();
    LONGS_EQUAL(10, take_all(*watch));
    desk.push(5);
    desk.write();
    journal().release(journal().next_position(), desk.now);
    desk.push(1);
    desk.write();
    LONGS_EQUAL(1, desk.stored());
    CHECK(!watch->next());
    CHECK(read(*watch));
    CHECK(!watch->next());
    CHECK(watch->take_missed() == (Missed{.why = Missed::Why::gone, .first = 11, .end = 16}));
    LONGS_EQUAL(1, take_all(*watch));
    CHECK(!watch->take_missed());
}

TEST(Consumer, a_cursor_that_is_not_of_this_file_is_told_and_the_oldest_record_comes_first) {
    desk.push(10);
    desk.write();
    const std::uint64_t mine = journal().generation();
    const std::pair<Cursor, std::optional<Missed>> cases[] = {
        {{mine, 4}, std::nullopt},
        {{0, 4}, std::nullopt},
        {{mine, 11}, std::nullopt},
        {{mine + 1, 4}, Missed{.why = Missed::Why::other_generation}},
        {{mine, 12}, Missed{.why = Missed::Why::future, .first = 11, .end = 12}}};
    for (const bool holds : {false, true}) {
        for (const auto& [from, missed] : cases) {
            auto consumer = Consumer::open(
                journal(), {.name = holds ? "relay" : "watch", .holds = holds, .from = from},
                desk.now);
            CHECK(!missed || !consumer->next());
            CHECK(consumer->take_missed() == missed);
            CHECK(consumer->cursor() == (Cursor{mine, missed ? 1 : from.position}));
            const std::uint64_t left = 11 - consumer->position();
            LONGS_EQUAL(left, take_all(*consumer));
        }
    }
}

TEST(Consumer, one_that_holds_is_told_when_it_asks_for_what_is_gone) {
    desk.push(10);
    desk.write();
    journal().release(8, desk.now);
    const Cursor from{journal().generation(), 3};
    auto relay =
        Consumer::open(journal(), {.name = "relay", .holds = true, .from = from}, desk.now);
    CHECK(relay->take_missed() == (Missed{.why = Missed::Why::gone, .first = 3, .end = 8}));
    LONGS_EQUAL(3, take_all(*relay));
}

TEST(Consumer, only_an_early_one_is_given_what_is_not_durable_and_its_positions_are_reserved) {
    desk.warm_up();
    const std::uint64_t first = journal().next_position();
    auto watch = Consumer::open(journal(), {.name = "watch", .begins_with_next = true}, desk.now);
    auto early = Consumer::open(
        journal(), {.name = "early", .begins_with_next = true, .early = true}, desk.now);
    desk.now += desk.options.commit_interval;
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().deadline() == kNever);
    desk.sample(5);
    desk.now += desk.options.linger;
    LONGS_EQUAL(-1, desk.write());
    LONGS_EQUAL(0, take_all(*watch));
    LONGS_EQUAL(0, take_all(*early));
    LONGS_EQUAL(0, desk.write());
    LONGS_EQUAL(0, take_all(*watch));
    LONGS_EQUAL(5, take_all(*early));
    const Cursor shown = early->cursor();
    desk.crash();
    CHECK(journal().next_position() >= shown.position);
    LONGS_EQUAL(0, journal().backlog());
    auto again = Consumer::open(journal(), {.from = shown}, desk.now);
    CHECK(!again->next());
    CHECK(read(*again));
    const auto missed = again->take_missed();
    CHECK(missed && missed->why == Missed::Why::gone && missed->first == shown.position);
    LONGS_EQUAL(first + 5, shown.position);
}

TEST(Consumer, unused_positions_between_two_runs_count_for_nothing) {
    auto early = Consumer::open(journal(), {.name = "early", .early = true}, desk.now);
    desk.push();
    desk.write();
    desk.sample(9);
    desk.now += desk.options.linger;
    LONGS_EQUAL(-1, desk.write());
    LONGS_EQUAL(1, take_all(*early));
    LONGS_EQUAL(0, desk.write());
    desk.now += desk.options.commit_interval;
    LONGS_EQUAL(1, desk.write());
    desk.crash();
    CHECK(journal().next_position() > 1'000'000);
    LONGS_EQUAL(10, journal().backlog());
    auto watch = Consumer::open(journal(), {.name = "watch"}, desk.now);
    LONGS_EQUAL(10, take_all(*watch));
    desk.push(5);
    desk.write();
    LONGS_EQUAL(15, journal().backlog());
    LONGS_EQUAL(5, take_all(*watch));
    CHECK(!watch->take_missed());
    desk.crash();
    LONGS_EQUAL(15, journal().backlog());
    Consumer uplink(journal(), {});
    LONGS_EQUAL(15, take_all(uplink));
    uplink.confirm(11, desk.now);
    LONGS_EQUAL(5, journal().backlog());
    uplink.confirm(uplink.position(), desk.now);
    LONGS_EQUAL(0, journal().backlog());
    LONGS_EQUAL(journal().next_position(), journal().first_position());
}

TEST(Consumer, names_have_their_limits) {
    CHECK(!Consumer::open(journal(), {.name = "caf\xE9"}, desk.now));
    CHECK(!Consumer::open(journal(), {.name = std::string(kConsumerNameBytes + 1, 'x')}, desk.now));
    for (std::size_t i = 0; i < kConsumers; ++i) {
        CHECK(Consumer::open(journal(), {.name = std::to_string(i)}, desk.now).has_value());
    }
    CHECK(Consumer::open(journal(), {.name = "7"}, desk.now).has_value());
    CHECK(!Consumer::open(journal(), {.name = "one more"}, desk.now));
    CHECK(Consumer::open(journal(), {}, desk.now).has_value());
}
