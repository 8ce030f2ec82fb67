#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

TEST_GROUP(Journal) {
    Desk desk;
    Journal& journal() {
        return *desk.journal;
    }
};

TEST(Journal, numbers_rise_by_one_and_positions_with_them) {
    LONGS_EQUAL(1, journal().own_next_seq());
    LONGS_EQUAL(4, desk.sample(3));
    LONGS_EQUAL(6, desk.push(2));
    journal().append(ClockFix{1, 2, 3}, desk.now);
    LONGS_EQUAL(7, journal().own_next_seq());
    LONGS_EQUAL(7, journal().next_position());
}

TEST(Journal, each_start_is_a_new_run_that_counts_from_one) {
    desk.push(5);
    desk.write();
    const Epoch before = journal().own().epoch;
    desk.crash();
    CHECK(journal().own().epoch.journal == before.journal);
    LONGS_EQUAL(before.run + 1, journal().own().epoch.run);
    LONGS_EQUAL(1, journal().own_next_seq());
    LONGS_EQUAL(6, journal().next_position());
}

TEST(Journal, by_deadline_is_not_written_when_acknowledged_in_time) {
    desk.warm_up();
    desk.sample();
    desk.acknowledge();
    desk.now += 1h;
    LONGS_EQUAL(-1, desk.write());
    CHECK(journal().clean());
}

TEST(Journal, by_deadline_is_written_at_the_deadline_and_not_before) {
    desk.warm_up();
    desk.sample();
    const Instant due = desk.now + desk.options.commit_interval;
    desk.now = due - 1us;
    LONGS_EQUAL(-1, desk.write());
    CHECK(journal().deadline() == due);
    desk.now = due;
    LONGS_EQUAL(1, desk.write());
    CHECK(journal().deadline() == kNever);
}

TEST(Journal, by_deadline_is_written_at_three_quarters_of_the_memory) {
    desk.options.memory_bytes = 10'000;
    desk.crash();
    desk.warm_up();
    while (journal().memory_used_bytes() <= 7500) {
        LONGS_EQUAL(-1, desk.write());
        desk.sample(10);
    }
    CHECK(desk.write() > 0);
}

TEST(Journal, now_is_written_at_once_with_everything_before_it) {
    desk.warm_up();
    desk.sample(3);
    const std::uint64_t end = desk.push();
    CHECK(journal().durable_before() < end);
    CHECK(desk.write() >= 1);
    LONGS_EQUAL(end, journal().durable_before());
    LONGS_EQUAL(4, desk.stored());
}

TEST(Journal, a_new_channel_is_durable_before_the_first_reading_is_handed_out) {
    desk.warm_up();
    const std::uint64_t before = journal().next_position();
    desk.add(1, Promise::by_deadline, nullptr, "another");
    desk.now += desk.options.linger;
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write.has_value());
    CHECK(!journal().next(before).record);
    LONGS_EQUAL(1, journal().declarable_channels("dev", journal().own().epoch.journal).size());
    journal().written(desk.store.write(*write), desk.now);
    CHECK(journal().next(before).record.has_value());
    LONGS_EQUAL(2, journal().declarable_channels("dev", journal().own().epoch.journal).size());
}

TEST(Journal, a_record_of_a_source_and_what_follows_is_not_handed_out_before_it_is_durable) {
    desk.warm_up();
    const std::uint64_t before = journal().next_position();
    desk.sample();
    desk.now += desk.options.linger;
    LONGS_EQUAL(-1, desk.write());
    const SourcePosition source{"s", 7, 0};
    desk.add(1, Promise::now, &source);
    const std::optional<Write> write = journal().take_write(desk.now);
    desk.sample();
    desk.now += desk.options.linger;
    CHECK(!journal().take_write(desk.now));
    CHECK(journal().next(before).record.has_value());
    CHECK(!journal().next(before + 1).record);
    CHECK(!journal().next(before + 2).record);
    LONGS_EQUAL(7, journal().source("s").position);
    LONGS_EQUAL(0, journal().durable_source("s"));
    journal().written(desk.store.write(*write), desk.now);
    LONGS_EQUAL(7, journal().durable_source("s"));
    CHECK(journal().next(before + 1).record.has_value());
    CHECK(journal().next(before + 2).record.has_value());
}

TEST(Journal, many_readings_become_records_of_bounded_size_in_one_write) {
    desk.options.batch_readings = 100;
    desk.options.batch_bytes = 1'000;
    desk.open();
    desk.warm_up();
    const std::uint64_t before = journal().next_position();
    const SourcePosition source{"s", 7, 0};
    LONGS_EQUAL(before + 1'000, desk.add(1'000, Promise::now, &source));
    CHECK(!journal().next(before).record);
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write->records.size() > 10);
    std::uint64_t next = before;
    for (const Record& record : write->records) {
        LONGS_EQUAL(next, record.position);
        next = record.end_position();
        CHECK(next - record.position <= 1 + desk.options.batch_bytes / 16);
    }
    LONGS_EQUAL(before + 1'000, next);
    LONGS_EQUAL(1, write->sources.size());
    desk.crash();
    LONGS_EQUAL(0, journal().source("s").position);
    LONGS_EQUAL(0, desk.stored());
}

TEST(Journal, readings_of_another_boot_begin_a_record) {
    desk.options.batch_readings = 3;
    desk.open();
    std::vector<telemetry::Reading> readings(4,
                                             {*journal().channel({"t", ""}), 5, std::int64_t{1}});
    for (const std::uint64_t boot : {std::uint64_t{1}, std::uint64_t{1}, std::uint64_t{2}}) {
        auto copy = readings;
        journal().append({.readings = copy, .promise = Promise::now, .boot = boot}, desk.now);
    }
    std::vector<std::uint64_t> sizes;
    const std::optional<Write> write = journal().take_write(desk.now);
    for (const Record& record : write->records) {
        sizes.push_back(record.last_seq - record.first_seq + 1);
        LONGS_EQUAL(record.first_seq <= 8 ? 1 : 2, telemetry::decode(*record.body)->boot);
    }
    CHECK((sizes == std::vector<std::uint64_t>{3, 3, 2, 3, 1}));
}

TEST(Journal, an_acknowledgement_may_overtake_the_write) {
    desk.warm_up();
    const std::uint64_t end = desk.push(2);
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write.has_value());
    journal().release(end, desk.now);
    LONGS_EQUAL(end, journal().durable_before());
    desk.sample();
    journal().written(desk.store.write(*write), desk.now);
    LONGS_EQUAL(end, journal().durable_before());
    LONGS_EQUAL(end, journal().first_position());
    desk.now += desk.options.commit_interval;
    LONGS_EQUAL(1, desk.write());
    LONGS_EQUAL(1, desk.stored());
}

TEST(Journal, nothing_is_written_in_an_hour_of_ten_sensors_on_a_healthy_line) {
    for (int i = 0; i < 10; ++i) {
        desk.add(1, Promise::by_deadline, nullptr, "s" + std::to_string(i));
    }
    desk.write();
    desk.acknowledge();
    desk.now += desk.options.release_delay;
    // The rows of the outage are deleted while young readings wait for the hub.
    desk.add(1, Promise::by_deadline, nullptr, "s0");
    LONGS_EQUAL(0, desk.write());
    LONGS_EQUAL(0, desk.stored());
    desk.acknowledge();
    desk.writes = 0;
    for (int second = 0; second < 3600; ++second) {
        for (int i = 0; i < 10; ++i) {
            desk.add(1, Promise::by_deadline, nullptr, "s" + std::to_string(i));
            desk.now += 40ms;
            desk.write();
            desk.acknowledge();
            desk.now += 50ms;
        }
    }
    LONGS_EQUAL(0, desk.writes);
    CHECK(journal().clean());
}

TEST(Journal, acknowledged_rows_are_deleted_late_or_with_the_next_write) {
    desk.push(4);
    desk.write();
    journal().release(journal().next_position(), desk.now);
    LONGS_EQUAL(-1, desk.write());
    CHECK(journal().deadline() == desk.now + desk.options.release_delay);
    desk.now += desk.options.release_delay;
    LONGS_EQUAL(0, desk.write());
    LONGS_EQUAL(0, desk.stored());
    desk.push(4);
    desk.write();
    journal().release(journal().next_position(), desk.now);
    desk.push(1);
    desk.write();
    LONGS_EQUAL(1, desk.stored());
}

TEST(Journal, refused_readings_become_one_gap_and_memory_stays_bounded) {
    desk.options.memory_bytes = 5000;
    desk.crash();
    desk.warm_up();
    for (int i = 0; i < 100'000; ++i) {
        desk.store.fail_next();
        desk.sample();
        desk.now += 10ms;
        desk.write();
        CHECK(journal().memory_used_bytes() <= 5000 + 500);
    }
    CHECK(journal().dropped() > 90'000);
    LONGS_EQUAL(0, journal().room());
    CHECK(journal().storage_error() != nullptr);
    desk.store.heal();
    desk.now += desk.options.retry_delay;
    CHECK(desk.write() > 0);
    CHECK(journal().storage_error() == nullptr);
    const auto records = desk.store.read(1, 1u << 20);
    const Record& gap = records->back();
    CHECK(gap.kind == RecordKind::gap);
    CHECK(*decode_gap(*gap.body) == GapReason::refused);
    LONGS_EQUAL(journal().own_next_seq() - 1, gap.last_seq);
    LONGS_EQUAL(journal().dropped(), gap.last_seq - gap.first_seq + 1);
}

TEST(Journal, a_gap_that_was_handed_out_does_not_grow) {
    desk.warm_up();
    desk.options.memory_bytes = 1;
    desk.crash();
    desk.push();
    const std::uint64_t gap = journal().next_position();
    desk.sample();
    desk.sample();
    const auto before = journal().next(gap).record;
    CHECK(before.has_value());
    LONGS_EQUAL(2, before->last_seq - before->first_seq + 1);
    desk.sample();
    LONGS_EQUAL(before->last_seq, journal().next(gap).record->last_seq);
    LONGS_EQUAL(before->last_seq + 1, journal().next(gap + 1).record->first_seq);
}

TEST(Journal, kept_readings_are_not_refused) {
    desk.options.memory_bytes = 200;
    desk.crash();
    desk.sample(20);
    LONGS_EQUAL(0, journal().room());
    const auto id = journal().channel({"t", ""});
    std::vector<telemetry::Reading> readings{{*id, 1, 2.0}};
    (void)journal().append({.readings = readings, .keep = true}, desk.now);
    LONGS_EQUAL(0, journal().dropped());
}

TEST(Journal, a_failed_write_is_tried_again_and_nothing_is_lost_or_doubled) {
    desk.warm_up();
    const std::uint64_t end = desk.push(3);
    desk.store.fail_next();
    CHECK(desk.write() > 0);
    CHECK(journal().storage_error() != nullptr);
    CHECK(journal().durable_before() < end);
    LONGS_EQUAL(-1, desk.write());
    CHECK(journal().deadline() == desk.now + desk.options.retry_delay);
    desk.push(2);
    desk.now += desk.options.retry_delay;
    CHECK(desk.write() > 0);
    LONGS_EQUAL(5, desk.stored());
    LONGS_EQUAL(journal().next_position(), journal().durable_before());
}

TEST(Journal, a_failure_is_forgotten_even_where_nothing_is_left_to_write) {
    desk.warm_up();
    desk.push();
    desk.store.fail_next();
    (void)desk.write();
    journal().release(journal().next_position(), desk.now);
    CHECK(journal().deadline() == desk.now + desk.options.retry_delay);
    desk.now += desk.options.retry_delay;
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().storage_error() == nullptr);
    LONGS_EQUAL(-1, desk.write());
}

TEST(Journal, flush_writes_and_deletes_at_once) {
    desk.warm_up();
    desk.sample(3);
    CHECK(!journal().clean());
    journal().flush();
    CHECK(desk.write() > 0);
    CHECK(journal().clean());
    journal().release(journal().next_position(), desk.now);
    CHECK(!journal().clean());
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().clean());
    LONGS_EQUAL(0, desk.stored());
}

TEST(Journal, what_is_stored_is_read_back_through_the_store_and_the_rest_from_memory) {
    desk.push(3);
    desk.write();
    desk.crash();
    LONGS_EQUAL(1, journal().first_position());
    CHECK(journal().next(1).in_store);
    desk.push(2);
    desk.write();
    CHECK(!journal().next(4).in_store);
    LONGS_EQUAL(4, journal().next(4).record->position);
    CHECK(!journal().next(6).in_store);
    CHECK(!journal().next(6).record);
}

TEST(Journal, received_streams_remember_how_far_they_are_and_older_runs_are_done) {
    const StreamId first = journal().open_stream("other", {9, 1}).id;
    CHECK(journal().add_channel("other", 9, 1, {"t", ""}).has_value());
    Record record;
    record.stream = first;
    record.first_seq = 1;
    record.last_seq = 4;
    record.kind = RecordKind::gap;
    record.body = std::make_shared<const Bytes>(encode(GapReason::evicted));
    (void)journal().append_received(record);
    LONGS_EQUAL(4, journal().accepted_through(first));
    const StreamId second = journal().open_stream("other", {9, 2}).id;
    record.stream = second;
    record.last_seq = 2;
    (void)journal().append_received(record);
    CHECK(journal().accepted_through(first) > 1'000'000);
    while (desk.write() >= 0) {
    }
    desk.crash();
    LONGS_EQUAL(2, journal().accepted_through(journal().open_stream("other", {9, 2}).id));
    CHECK(journal().accepted_through(journal().open_stream("other", {9, 1}).id) > 1'000'000);
}

TEST(Journal, channels_of_others_come_in_order_and_keep_their_meaning) {
    CHECK(journal().add_channel("other", 9, 1, {"t", ""}).has_value());
    CHECK(journal().add_channel("other", 9, 1, {"t", ""}).has_value());
    CHECK(!journal().add_channel("other", 9, 1, {"u", ""}));
    CHECK(!journal().add_channel("other", 9, 3, {"u", ""}));
    CHECK(!journal().add_channel("other", 9, 0, {"u", ""}));
    CHECK(journal().add_channel("other", 9, 2, {"u", ""}).has_value());
}

TEST(Journal, a_channel_that_no_message_could_carry_is_an_error) {
    // "\xE9" is Latin-1: a hub would refuse the whole Hello, again and again.
    CHECK(!journal().channel({"caf\xE9", ""}));
    CHECK(!journal().channel({"t",
                              "\xB0"
                              "C"}));
    CHECK(journal().channel({std::string(1024, 'x'), ""}).has_value());
    CHECK(!journal().channel({std::string(1025, 'x'), ""}));
    CHECK(!journal().add_channel("o", 1, 1, {std::string(1025, 'x'), ""}));
}

TEST(Journal, one_channel_too_many_is_an_error) {
    desk.options.channels_per_origin = 2;
    desk.crash();
    CHECK(journal().channel({"a", ""}).has_value());
    CHECK(journal().channel({"a", "m"}).has_value());
    CHECK(journal().channel({"a", ""}).has_value());
    CHECK(!journal().channel({"b", ""}));
    CHECK(journal().add_channel("o", 1, 1, {"a", ""}).has_value());
    CHECK(journal().add_channel("o", 1, 2, {"b", ""}).has_value());
    CHECK(!journal().add_channel("o", 1, 3, {"c", ""}));
}
