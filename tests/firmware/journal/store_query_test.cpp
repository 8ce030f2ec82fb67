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
using simulated::Disk;

TEST_GROUP(StoreQuery) {
    Disk disk{"query"};
    CountingEntropy entropy;
    Opened opened;
    std::unique_ptr<Store> store;

    void setup() override {
        StoreOptions options;
        options.origin = "here";
        options.database.vfs = disk.name();
        store = std::make_unique<Store>(std::move(*Store::open("/d", options, entropy, opened)));
        Write write;
        write.channels = {{.origin = "here",
                           .journal = opened.own.epoch.journal,
                           .id = 1,
                           .channel = {.name = "t1", .unit = "C"}}};
        write.streams = {{.id = 50, .origin = "there", .epoch = {9, 1}, .through = 0}};
        CHECK_TRUE(store->write(write).has_value());
    }
    void teardown() override {
        store.reset();
    }

    std::vector<QueryRow> pages(Query query) {
        std::vector<QueryRow> rows;
        for (;;) {
            auto page = store->query(query);
            CHECK_TRUE(page.has_value());
            std::ranges::move(page->rows, std::back_inserter(rows));
            if (!page->next) {
                return rows;
            }
            CHECK_TRUE(page->next->position > query.after.position);
            CHECK_TRUE(page->next->generation == opened.generation);
            CHECK_TRUE(!page->missed);
            query.after = *page->next;
        }
    }
    static Query all(std::size_t limit) {
        return {.origin = "here", .channel = "", .from_us = {}, .to_us = {}, .limit = limit};
    }
};

TEST(StoreQuery, every_reading_of_the_origin_comes_once_in_order_at_any_page_size) {
    std::uint64_t position = 1;
    for (std::uint64_t i = 0; i < 30; ++i) {
        CHECK_TRUE(store
                       ->write(write_of({batch_record(opened.own.id, position, 1 + 40 * i, 40),
                                         batch_record(50, position + 40, 1 + 10 * i, 10)}))
                       .has_value());
        position += 50;
    }
    for (const std::size_t limit : {1u, 7u, 40u, 1'000u, 5'000u}) {
        const auto rows = pages(all(limit));
        LONGS_EQUAL(1'200, rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            LONGS_EQUAL(i + 1, rows[i].seq);
            CHECK_TRUE(rows[i].value == reading(i + 1).value);
            CHECK_TRUE(rows[i].time_us == reading(i + 1).time_us);
            CHECK_TRUE(rows[i].channel.name == "t1");
        }
    }
    Query query = all(100);
    query.from_us = reading(100).time_us;
    query.to_us = reading(200).time_us;
    LONGS_EQUAL(100, pages(query).size());
    query.channel = "t2";
    LONGS_EQUAL(0, pages(query).size());
    CHECK_TRUE(store->query({.origin = "nowhere", .channel = "", .from_us = {}, .to_us = {}})
                   .error()
                   .code == ErrorCode::not_found);
    query = all(100);
    query.after.position = position - 1;
    const auto page = store->query(query);
    STRCMP_EQUAL("", page ? "" : page.error().message.c_str());
    CHECK_TRUE(page->rows.empty() && !page->next && !page->missed);
    LONGS_EQUAL(1'500, store->count_readings().value());
}

TEST(StoreQuery, boot_clock_times_are_resolved_when_the_fix_has_come_and_after_it_was_trimmed) {
    Record record = batch_record(opened.own.id, 1, 1, 1);
    telemetry::Batch batch{.boot = 77, .readings = {{.channel = 1, .time_us = 5, .value = true}}};
    record.first_time_us = record.last_time_us = 5;
    record.body = std::make_shared<const Bytes>(telemetry::encode(batch));
    CHECK_TRUE(store->write(write_of({record})).has_value());
    CHECK_TRUE(!pages(all(10)).at(0).time_us);
    CHECK_TRUE(!store->oldest_time_us().value());
    const ClockFix fix{.boot = 77, .uptime_us = 100, .wall_us = kStartUs};
    const ClockFix later{.boot = 77, .uptime_us = 100, .wall_us = kStartUs + 9};
    CHECK_TRUE(store
                   ->write(write_of({fix_record(opened.own.id, 2, 2, fix),
                                     fix_record(opened.own.id, 3, 3, later)}))
                   .has_value());
    CHECK_TRUE(pages(all(10)).at(0).time_us == kStartUs - 95);
    CHECK_TRUE(store->oldest_time_us().value() == kStartUs - 95);
    record.position = record.first_seq = record.last_seq = 4;
    Write write = write_of({record});
    write.release_before = 4;
    CHECK_TRUE(store->write(write).has_value());
    CHECK_TRUE(pages(all(10)).at(0).time_us == kStartUs - 95);
}

TEST(StoreQuery, a_backlog_larger_than_a_page_of_work_is_read_in_steps) {
    for (std::uint64_t seq = 1; seq <= 200; ++seq) {
        CHECK_TRUE(
            store->write(write_of({large_record(opened.own.id, seq, seq, 20'000)})).has_value());
    }
    const auto page = store->query(all(1'000)).value();
    CHECK_TRUE(page.next.has_value() && page.rows.size() < 100);
    LONGS_EQUAL(200, pages(all(1'000)).size());
    std::uint64_t seq = 1;
    while (seq <= 200) {
        const auto records = store->read(seq, 100'000).value();
        CHECK_TRUE(!records.empty() && records.size() <= 5);
        for (const Record& record : records) {
            LONGS_EQUAL(seq++, record.first_seq);
        }
    }
}

TEST(StoreQuery, a_cursor_of_this_file_is_gone_on_from_with_or_without_its_generation) {
    CHECK_TRUE(store->write(write_of({batch_record(opened.own.id, 1, 1, 40)})).has_value());
    for (const std::uint64_t generation : {std::uint64_t{0}, opened.generation}) {
        Query query = all(100);
        query.after = {generation, 30};
        const auto page = store->query(query).value();
        LONGS_EQUAL(10, page.rows.size());
        LONGS_EQUAL(31, page.rows.at(0).seq);
        CHECK_TRUE(!page.missed);
    }
}

TEST(StoreQuery, a_cursor_of_another_generation_or_of_the_future_is_told_and_begins_anew) {
    CHECK_TRUE(store->write(write_of({batch_record(opened.own.id, 1, 1, 40)})).has_value());
    const std::uint64_t mine = opened.generation;
    const std::pair<Cursor, Missed> cases[] = {
        {{mine + 1, 30}, {.why = Missed::Why::other_generation}},
        {{mine + 1, 300}, {.why = Missed::Why::other_generation}},
        {{mine, 41}, {.why = Missed::Why::future, .first = 41, .end = 41}},
        {{0, INT64_MAX}, {.why = Missed::Why::future, .first = 41, .end = INT64_MAX}},
        {{mine, UINT64_MAX}, {.why = Missed::Why::future, .first = 41, .end = UINT64_MAX}}};
    for (const auto& [after, missed] : cases) {
        Query query = all(25);
        query.after = after;
        const auto page = store->query(query).value();
        CHECK_TRUE(page.missed == missed);
        LONGS_EQUAL(25, page.rows.size());
        LONGS_EQUAL(1, page.rows.at(0).seq);
        query.after = *page.next;
        const auto second = store->query(query).value();
        LONGS_EQUAL(15, second.rows.size());
        CHECK_TRUE(!second.missed);
    }
}

TEST(StoreQuery, rows_behind_a_cursor_that_are_gone_are_told) {
    CHECK_TRUE(store
                   ->write(write_of({batch_record(opened.own.id, 1, 1, 40),
                                     large_record(opened.own.id, 41, 41, 5'000),
                                     batch_record(opened.own.id, 42, 42, 10)}))
                   .has_value());
    Write write;
    write.release_before = 42;
    CHECK_TRUE(store->write(write).has_value());
    Query query = all(100);
    query.after = {opened.generation, 20};
    auto page = store->query(query).value();
    CHECK_TRUE(page.missed == (Missed{.why = Missed::Why::gone, .first = 21, .end = 42}));
    LONGS_EQUAL(10, page.rows.size());
    query.after = {opened.generation, 41};
    page = store->query(query).value();
    CHECK_TRUE(!page.missed);
    LONGS_EQUAL(10, page.rows.size());
    CHECK_TRUE(!store->query(all(100))->missed);
}
