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
#include "tests/firmware/journal/store_model.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::journal;
using simulated::Disk;

namespace {

StoreOptions small_journal(const Disk& disk) {
    StoreOptions options;
    options.origin = "here";
    options.max_size_bytes = 200 << 10;
    options.database.vfs = disk.name();
    return options;
}

constexpr StreamId kLarge = 1'000;

/// Random small and large records of several streams.
struct Traffic {
    explicit Traffic(std::uint64_t seed) : random(seed) {}

    Write next() {
        Write write;
        const std::size_t count = 1 + random.below(3);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t which = random.below(4);
            const StreamId stream = which == 3 ? kLarge : static_cast<StreamId>(10 + which);
            Record record =
                which == 3 ? large_record(stream, position, seqs[which], 100 + random.below(12'000))
                           : batch_record(stream, position, seqs[which], 1 + random.below(200));
            position = record.end_position();
            seqs[which] = record.last_seq + 1;
            write.records.push_back(std::move(record));
        }
        return write;
    }
    static std::vector<Stream> streams() {
        return {{.id = 10, .origin = "a", .epoch = {1, 1}, .through = 0},
                {.id = 11, .origin = "b", .epoch = {2, 1}, .through = 0},
                {.id = 12, .origin = "c", .epoch = {3, 1}, .through = 0},
                {.id = kLarge, .origin = "d", .epoch = {4, 1}, .through = 0}};
    }

    Random random;
    std::uint64_t position = 1;
    std::uint64_t seqs[4] = {1, 1, 1, 1};
};

}  // namespace

TEST_GROUP(StoreEviction) {
    Disk disk{"evict"};
    CountingEntropy entropy;
    Opened opened;

    Store open(const StoreOptions& options) {
        auto store = Store::open("/d", options, entropy, opened);
        CHECK_TRUE(store.has_value());
        return std::move(*store);
    }
    /// Writes large records of our own from there on, until so many readings have been evicted.
    void fill(Store & store, std::uint64_t position, std::uint64_t seq, std::uint64_t readings) {
        for (std::uint64_t evicted = 0; evicted < readings; ++seq, ++position) {
            const Record record = large_record(opened.own.id, position, seq, 9'000);
            evicted += store.write(write_of({record}))->evicted_readings;
        }
    }
};

TEST(StoreEviction, every_number_is_either_stored_or_in_one_gap_per_stream) {
    for (std::uint64_t seed = 1; seed <= 12; seed += kStride) {
        std::printf("seed %llu ", static_cast<unsigned long long>(seed));
        Disk own_disk("evict-" + std::to_string(seed));
        Store store = open(small_journal(own_disk));
        Traffic traffic(seed);
        StoreModel model;
        for (int i = 0; i < 400; ++i) {
            Write write = traffic.next();
            if (i == 0) {
                write.streams = Traffic::streams();
            }
            if (traffic.random.below(50) == 0 && traffic.position > 600) {
                write.release_before = traffic.position - 600;
            }
            const auto written = store.write(write);
            CHECK_TRUE_TEXT(written.has_value(), written ? "" : written.error().message.c_str());
            // Gaps are taken beyond the limit: a page for each of the four streams at most.
            CHECK_TRUE(written->used_bytes <= (204u << 10));
            model.apply(write);
            model.evicted += written->evicted_readings;
        }
        CHECK_TRUE(model.evicted > 1'000);
        const auto records = store.read(0, 10 << 20).value();
        STRCMP_EQUAL("", model.difference(records, kLarge).c_str());
        std::map<StreamId, int> gaps;
        for (const Record& record : records) {
            CHECK_TRUE(record.kind != RecordKind::gap || ++gaps[record.stream] == 1);
        }
    }
}

TEST(StoreEviction, a_reader_within_an_evicted_batch_meets_its_gap) {
    Store store = open(small_journal(disk));
    const StreamId own = opened.own.id;
    CHECK_TRUE(store.write(write_of({batch_record(own, 1, 1, 300)})).has_value());
    fill(store, 301, 301, 1);
    const auto records = store.read(150, 1).value();
    CHECK_TRUE(records.at(0).kind == RecordKind::gap);
    LONGS_EQUAL(1, records[0].first_seq);
    CHECK_TRUE(records[0].last_seq >= 300);
    CHECK_TRUE(decode_gap(*records[0].body) == GapReason::evicted);
}

TEST(StoreEviction, a_gap_that_was_no_loss_is_not_swallowed) {
    Store store = open(small_journal(disk));
    const StreamId own = opened.own.id;
    CHECK_TRUE(store
                   .write(write_of({gap_record(own, 1, 1, 50, GapReason::unknown_past),
                                    batch_record(own, 2, 51, 10),
                                    gap_record(own, 12, 61, 70, GapReason::refused)}))
                   .has_value());
    fill(store, 13, 71, 15);
    const auto gaps = store.gaps("here", 10).value();
    LONGS_EQUAL(2, gaps.size());
    CHECK_TRUE(gaps[0].reason == GapReason::evicted);
    LONGS_EQUAL(51, gaps[0].first_seq);
    CHECK_TRUE(gaps[0].last_seq > 70);
    CHECK_TRUE(gaps[1].reason == GapReason::unknown_past);
    LONGS_EQUAL(50, gaps[1].last_seq);
}

TEST(StoreEviction, a_clock_fix_is_kept_for_the_readings_whose_time_it_tells) {
    Store store = open(small_journal(disk));
    const StreamId own = opened.own.id;
    const ClockFix fix{.boot = 7, .uptime_us = 5, .wall_us = kStartUs};
    CHECK_TRUE(store
                   .write(write_of({batch_record(own, 1, 1, 10),
                                    {.position = 11,
                                     .stream = own,
                                     .kind = RecordKind::clock_fix,
                                     .first_seq = 11,
                                     .last_seq = 11,
                                     .body = std::make_shared<const Bytes>(encode(fix))},
                                    batch_record(own, 12, 12, 10)}))
                   .has_value());
    fill(store, 22, 22, 30);
    const auto gaps = store.gaps("here", 10).value();
    LONGS_EQUAL(2, gaps.size());
    LONGS_EQUAL(12, gaps[0].first_seq);
    LONGS_EQUAL(1, gaps[1].first_seq);
    LONGS_EQUAL(10, gaps[1].last_seq);
    const auto records = store.read(11, 1).value();
    CHECK_TRUE(!records.empty() && records[0].kind == RecordKind::clock_fix);
    LONGS_EQUAL(11, records[0].position);
}

TEST(StoreEviction, without_an_uplink_nothing_is_left_of_what_was_evicted) {
    StoreOptions options = small_journal(disk);
    options.owes_upstream = false;
    Store store = open(options);
    Traffic traffic(1);
    StoreModel model;
    model.gaps_are_kept = false;
    for (int i = 0; i < 400; ++i) {
        Write write = traffic.next();
        if (i == 0) {
            write.streams = Traffic::streams();
        }
        const auto written = store.write(write);
        CHECK_TRUE(written.has_value());
        model.apply(write);
        model.evicted += written->evicted_readings;
    }
    const auto records = store.read(0, 10 << 20).value();
    STRCMP_EQUAL("", model.difference(records, kLarge).c_str());
    for (const Record& record : records) {
        CHECK_TRUE(record.kind == RecordKind::batch);
    }
}

TEST(StoreEviction, refuse_new_is_full_at_the_limit_and_takes_again_after_a_release) {
    StoreOptions options = small_journal(disk);
    options.when_full = WhenFull::refuse_new;
    Store store = open(options);
    const StreamId own = opened.own.id;
    std::uint64_t seq = 1;
    Result<Written> written;
    while (written) {
        written = store.write(write_of({large_record(own, seq, seq, 9'000)}));
        seq += written ? 1 : 0;
    }
    CHECK_TRUE(written.error().code == ErrorCode::full);
    CHECK_TRUE(seq > 10);
    CHECK_TRUE(store.write(write_of({gap_record(own, seq, seq, seq + 5, GapReason::refused)}))
                   .has_value());
    Write release = write_of({large_record(own, seq + 1, seq + 6, 9'000)});
    release.release_before = 3;
    CHECK_TRUE(store.write(release).has_value());
    LONGS_EQUAL(3, store.read(0, 1)->at(0).position);
}

TEST(StoreEviction, a_record_larger_than_the_journal_is_too_large) {
    Store store = open(small_journal(disk));
    const auto written = store.write(write_of({large_record(opened.own.id, 1, 1, 190 << 10)}));
    CHECK_TRUE(written.error().code == ErrorCode::too_large);
    CHECK_TRUE(store.write(write_of({large_record(opened.own.id, 1, 1, 90 << 10)})).has_value());
}

TEST(StoreEviction, files_stay_bounded_while_fifty_times_the_limit_goes_through) {
    for (const bool released : {false, true}) {
        Disk own_disk(released ? "released" : "evicted");
        Store store = open(small_journal(own_disk));
        const std::uint64_t limit = 200 << 10;
        std::uint64_t largest = 0;
        std::uint64_t position = 1;
        for (std::uint64_t total = 0; total < 50 * limit; ++position) {
            Record record = position % 2 == 0
                                ? large_record(opened.own.id, position, position, 6'000)
                                : large_record(opened.own.id, position, position, 600);
            total += record.body->size();
            Write write = write_of({std::move(record)});
            if (released && position > 20) {
                write.release_before = position - 20;
            }
            CHECK_TRUE(store.write(write).has_value());
            largest = std::max(largest, own_disk.used_bytes());
        }
        // The limit holds the WAL's ordinary size already; beyond it are the last transaction
        // before a checkpoint and the step in which the file grows.
        CHECK_TRUE(largest <= limit + (64 << 10) + (20 << 10));
    }
}

TEST(StoreEviction, without_an_uplink_a_gap_is_kept_only_where_a_consumer_holds) {
    StoreOptions options = small_journal(disk);
    options.owes_upstream = false;
    Store store = open(options);
    std::uint64_t evicted = 0;
    std::uint64_t seq = 1;
    for (; evicted < 30; ++seq) {
        Write write = write_of({large_record(opened.own.id, seq, seq, 9'000)});
        write.held_from = 11;
        const auto written = store.write(write).value();
        evicted += written.evicted_readings;
        LONGS_EQUAL(written.evicted_readings > 0 ? evicted + 1 : 0, written.evicted_before);
    }
    auto records = store.read(0, 100 << 20).value();
    CHECK_TRUE(records.at(0).kind == RecordKind::gap);
    LONGS_EQUAL(11, records.at(0).first_seq);
    LONGS_EQUAL(evicted, records.at(0).last_seq);
    CHECK_TRUE(records.at(1).kind == RecordKind::batch);
    // Nobody holds it any more: it goes with the next ones.
    for (const std::uint64_t before = evicted; evicted == before; ++seq) {
        evicted +=
            store.write(write_of({large_record(opened.own.id, seq, seq, 9'000)}))->evicted_readings;
    }
    records = store.read(0, 100 << 20).value();
    CHECK_TRUE(records.at(0).kind == RecordKind::batch);
    LONGS_EQUAL(evicted + 1, records.at(0).first_seq);
}
