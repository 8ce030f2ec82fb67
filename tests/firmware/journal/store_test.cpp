#include <algorithm>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "platform/simulated/disk.h"
#include "tests/firmware/journal/store_fixture.h"

using namespace holdfast;
using namespace holdfast::journal;

namespace {

StoreOptions options_on(const simulated::Disk& disk) {
    StoreOptions options;
    options.origin = "here";
    options.database.vfs = disk.name();
    return options;
}

/// A journal on a simulated disk, with one channel of its own.
struct Journaled {
    explicit Journaled(StoreOptions given) : options(std::move(given)) { reopen(); }

    void reopen() {
        store.reset();
        auto result = Store::open("/d", options, entropy, opened);
        CHECK_TRUE_TEXT(result.has_value(), result ? "" : result.error().message.c_str());
        store = std::make_unique<Store>(std::move(*result));
        next_seq = 1;
    }
    Result<Written> put(std::uint64_t count) {
        const std::uint64_t position = next_position;
        next_position += count;
        next_seq += count;
        return store->write(
            write_of({batch_record(opened.own.id, position, next_seq - count, count)}));
    }
    std::vector<Record> all() {
        auto records = store->read(0, 100 << 20);
        CHECK_TRUE(records.has_value());
        return *records;
    }

    StoreOptions options;
    CountingEntropy entropy;
    Opened opened;
    std::unique_ptr<Store> store;
    std::uint64_t next_seq = 1;
    std::uint64_t next_position = 1;
};

Write note_write(std::vector<Note> notes) {
    Write write;
    write.notes = std::move(notes);
    return write;
}

Write channel_write(const Opened& opened) {
    Write write;
    write.channels.push_back({.origin = "here",
                              .journal = opened.own.epoch.journal,
                              .id = 1,
                              .channel = {.name = "t1", .unit = "C"}});
    return write;
}

}  // namespace

TEST_GROUP(Store) {
    simulated::Disk disk{"store"};
};

TEST(Store, what_was_written_is_read_after_reopening) {
    Journaled journal(options_on(disk));
    CHECK_TRUE(journal.store->write(channel_write(journal.opened)).has_value());
    CHECK_TRUE(journal.put(10).has_value());
    const Epoch epoch = journal.opened.own.epoch;
    journal.reopen();
    const auto records = journal.all();
    LONGS_EQUAL(1, records.size());
    LONGS_EQUAL(1, records[0].position);
    LONGS_EQUAL(10, records[0].last_seq);
    CHECK_TRUE(*records[0].body == *batch_record(1, 1, 1, 10).body);
    CHECK_TRUE(journal.opened.own.epoch == (Epoch{epoch.journal, epoch.run + 1}));
    LONGS_EQUAL(2, journal.opened.streams.size());
    LONGS_EQUAL(1, journal.opened.channels.size());
    LONGS_EQUAL(11, journal.opened.next_position);
    LONGS_EQUAL(1, journal.opened.first_position);
    CHECK_TRUE(journal.opened.newest_time_us == reading(10).time_us);
    CHECK_TRUE(!journal.opened.moved_aside);
}

TEST(Store, consecutive_small_batches_become_one_row) {
    Journaled journal(options_on(disk));
    for (int i = 0; i < 10; ++i) {
        CHECK_TRUE(journal.put(10).has_value());
    }
    const auto records = journal.all();
    LONGS_EQUAL(1, records.size());
    LONGS_EQUAL(100, records[0].last_seq);
    const auto batch = telemetry::decode(*records[0].body);
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK_TRUE(batch->readings[i].value == reading(i + 1).value);
        CHECK_TRUE(batch->readings[i].time_us == reading(i + 1).time_us);
    }
    LONGS_EQUAL(100, journal.store->count_readings().value());
}

TEST(Store, notes_come_back_in_the_order_of_writing) {
    Journaled journal(options_on(disk));
    CHECK_TRUE(journal.opened.notes.empty());
    CHECK_TRUE(journal.store->write(note_write({{"a", "1"}, {"b", "2"}})).has_value());
    CHECK_TRUE(journal.store->write(note_write({{"c", ""}})).has_value());
    CHECK_TRUE(journal.store->write(note_write({{"a", "3"}, {"", "no name"}})).has_value());
    journal.reopen();
    CHECK_TRUE(journal.opened.notes ==
               (std::vector<Note>{{"b", "2"}, {"c", ""}, {"a", "3"}, {"", "no name"}}));
    LONGS_EQUAL(1, journal.opened.next_position);
}

TEST(Store, of_more_notes_than_are_kept_the_one_written_longest_ago_goes) {
    Journaled journal(options_on(disk));
    const std::string longest(kNoteBytes - 2, 'x');
    std::vector<Note> expected;
    for (std::size_t i = 10; i < 10 + kNotes; ++i) {
        expected.push_back({longest + std::to_string(i), longest + "\xC3\xA9"});
    }
    CHECK_TRUE(journal.store->write(note_write(expected)).has_value());
    journal.reopen();
    CHECK_TRUE(journal.opened.notes == expected);
    // Written again, the first one is no longer the oldest.
    std::ranges::rotate(expected, expected.begin() + 1);
    CHECK_TRUE(journal.store->write(note_write({expected.back()})).has_value());
    CHECK_TRUE(journal.store->write(note_write({{"one more", "y"}})).has_value());
    expected.erase(expected.begin());
    expected.push_back({"one more", "y"});
    journal.reopen();
    CHECK_TRUE(journal.opened.notes == expected);
}

TEST(Store, an_observer_is_told_each_write_that_was_committed_and_no_other) {
    struct Observer : WriteObserver {
        void written(const Write& write) override { records += write.records.size(); }
        std::size_t records = 0;
    } observer;
    StoreOptions options = options_on(disk);
    options.observer = &observer;
    Journaled journal(options);
    LONGS_EQUAL(0, observer.records);
    CHECK_TRUE(journal.put(10).has_value());
    LONGS_EQUAL(1, observer.records);
    disk.fail_sync({.nth = 1, .fault = simulated::Disk::Fault::io});
    CHECK_TRUE(!journal.put(10).has_value());
    LONGS_EQUAL(1, observer.records);
}

TEST(Store, positions_go_on_where_all_rows_are_gone) {
    Journaled journal(options_on(disk));
    CHECK_TRUE(journal.put(10).has_value());
    Write write;
    write.release_before = 11;
    CHECK_TRUE(journal.store->write(write).has_value());
    for (int start = 0; start < 2; ++start) {
        journal.reopen();
        LONGS_EQUAL(11, journal.opened.next_position);
        LONGS_EQUAL(11, journal.opened.first_position);
        LONGS_EQUAL(11, journal.opened.store_end);
        CHECK_TRUE(journal.opened.holes.empty());
    }
    CHECK_TRUE(journal.put(5).has_value());
    journal.reopen();
    LONGS_EQUAL(16, journal.opened.next_position);
    LONGS_EQUAL(11, journal.opened.first_position);
}

TEST(Store, what_is_reserved_is_passed_by_the_next_run_and_leaves_a_hole) {
    Journaled journal(options_on(disk));
    Write write = write_of({batch_record(journal.opened.own.id, 1, 1, 10)});
    write.reserve_before = 101;
    CHECK_TRUE(journal.store->write(write).has_value());
    for (int start = 0; start < 2; ++start) {
        journal.reopen();
        LONGS_EQUAL(101, journal.opened.next_position);
        LONGS_EQUAL(11, journal.opened.store_end);
        CHECK_TRUE(journal.opened.holes == (std::vector<Hole>{{11, 101}}));
    }
    journal.next_position = 101;
    CHECK_TRUE(journal.put(10).has_value());
    LONGS_EQUAL(2, journal.all().size());
    // A hole before all rows means nothing to anyone.
    write = {};
    write.release_before = 101;
    CHECK_TRUE(journal.store->write(write).has_value());
    journal.reopen();
    CHECK_TRUE(journal.opened.holes.empty());
    LONGS_EQUAL(111, journal.opened.next_position);
}

TEST(Store, consumers_are_kept_their_positions_do_not_fall_and_are_not_given_again) {
    Journaled journal(options_on(disk));
    Write write;
    write.consumers = {{"a", 5, true}, {"b", 7, false}, {"c", 900, false}};
    CHECK_TRUE(journal.store->write(write).has_value());
    write.ended = {"c", "b"};
    write.consumers = {{"a", 4, true}, {"b", 3, true}};
    CHECK_TRUE(journal.store->write(write).has_value());
    journal.reopen();
    CHECK_TRUE(journal.opened.consumers ==
               (std::vector<ConsumerPosition>{{"a", 5, true}, {"b", 3, true}}));
    LONGS_EQUAL(5, journal.opened.next_position);
}

TEST(Store, each_file_has_a_generation_of_its_own_and_keeps_it) {
    Journaled journal(options_on(disk));
    const std::uint64_t first = journal.opened.generation;
    CHECK_TRUE(first != 0);
    journal.reopen();
    CHECK_TRUE(journal.opened.generation == first);
    journal.store.reset();
    CHECK_TRUE(Store::move_aside("/d", options_on(disk)).has_value());
    journal.reopen();
    CHECK_TRUE(journal.opened.generation != first && journal.opened.generation != 0);
}
