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
