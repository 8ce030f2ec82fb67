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

#include "firmware/ports/database.h"
#include "platform/simulated/disk.h"
#include "tests/firmware/journal/store_fixture.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::journal;
using simulated::Disk;

namespace {

StoreOptions options_on(const Disk& disk) {
    StoreOptions options;
    options.origin = "here";
    options.database.vfs = disk.name();
    return options;
}

constexpr std::uint64_t kSoundReadings = 319;

/// A journal of a few dozen pages, with every kind of record, closed in order.
Bytes sound_file() {
    Disk disk("sound");
    CountingEntropy entropy;
    Opened opened;
    auto store = Store::open("/d", options_on(disk), entropy, opened);
    const StreamId own = opened.own.id;
    Write write = write_of({batch_record(own, 1, 1, 300), large_record(own, 301, 301, 20'000),
                            fix_record(own, 302, 302, {.boot = 5, .uptime_us = 1, .wall_us = 2})});
    write.channels = {{.origin = "here",
                       .journal = opened.own.epoch.journal,
                       .id = 1,
                       .channel = {.name = "t1", .unit = "C"}}};
    write.notes = {{"eth0", "direct"}, {"wlan0", "proxy+xhr"}};
    CHECK_TRUE(store->write(write).has_value());
    for (std::uint64_t seq = 303; seq <= kSoundReadings; ++seq) {
        CHECK_TRUE(store->write(write_of({large_record(own, seq, seq, 500)})).has_value());
    }
    store = fail(ErrorCode::closed, "");
    return disk.content("/d/journal.db");
}

/// Opens, reads everything, queries and writes. Whatever answer is right, but a crash, a wrong
/// reading, or a Gap with the number of a reading that is there.
void use(Disk& disk) {
    CountingEntropy entropy;
    Opened opened;
    auto store = Store::open("/d", options_on(disk), entropy, opened);
    if (!store) {
        return;  // a version that is too new, say
    }
    if (opened.moved_aside) {
        CHECK_TRUE(disk.exists(opened.moved_aside->string()));
        CHECK_TRUE(!opened.moved_because.empty());
    }
    CHECK_TRUE(opened.first_position <= opened.next_position);
    for (std::uint64_t position = 0, last_seq = 0;;) {
        const auto records = store->read(position, 4'000);
        if (!records) {
            CHECK_TRUE(records.error().code == ErrorCode::corrupt);
            break;
        }
        if (records->empty()) {
            break;
        }
        for (const Record& record : *records) {
            CHECK_TRUE(record.end_position() > position);
            position = record.end_position();
            CHECK_TRUE(record.stream == 1 && record.first_seq > last_seq);
            last_seq = record.last_seq;
            CHECK_TRUE(last_seq <= kSoundReadings);
            if (record.kind == RecordKind::batch && record.first_seq == 1) {
                CHECK_TRUE(*record.body == *batch_record(1, 1, 1, 300).body);
            }
        }
    }
    for (std::optional<Cursor> after = Cursor{}; after;) {
        const auto page = store->query(
            {.origin = "here", .channel = "", .from_us = {}, .to_us = {}, .after = *after});
        CHECK_TRUE(!page || !page->next || page->next->position > after->position);
        after = page ? page->next : std::nullopt;
    }
    (void)store->gaps("here", 10);
    (void)store->oldest_time_us();
    (void)store->count_readings();
    Write write;
    write.release_before = 100;
    write.notes = {{"wlan0", "direct"}};
    (void)store->write(write);
}

}  // namespace

TEST_GROUP(StoreCorruption){};

TEST(StoreCorruption, a_file_cut_anywhere_is_read_or_moved_aside) {
    const Bytes sound = sound_file();
    for (std::size_t size = 0; size < sound.size(); size += kStride * (size < 2'048 ? 61 : 509)) {
        Disk disk("cut");
        disk.put("/d/journal.db", Bytes(sound.begin(), sound.begin() + static_cast<long>(size)));
        use(disk);
    }
}

TEST(StoreCorruption, a_flipped_bit_anywhere_is_found_or_harmless) {
    const Bytes sound = sound_file();
    for (std::size_t at = 0; at < sound.size(); at += kStride * (at < 4'096 ? 3 : 97)) {
        Disk disk("flip");
        Bytes flipped = sound;
        flipped[at] ^= static_cast<std::byte>(1u << (at % 8));
        disk.put("/d/journal.db", std::move(flipped));
        use(disk);
    }
}

TEST(StoreCorruption, what_is_no_database_is_kept_aside_and_a_new_journal_begins) {
    Disk disk("text");
    const auto text = as_bytes(
        "this is not a database, however long one looks at it "
        ".........................................................................................."
        ".........................................................................................."
        ".........................................................................................."
        ".........................................................................................."
        "..................................................................................");
    disk.put("/d/journal.db", Bytes(text.begin(), text.end()));
    CountingEntropy entropy;
    Opened opened;
    for (int i = 1; i <= 2; ++i) {
        CHECK_TRUE(Store::open("/d", options_on(disk), entropy, opened).has_value());
        const std::string aside = "/d/journal.db.unreadable-" + std::to_string(i);
        STRCMP_EQUAL(aside.c_str(), opened.moved_aside.value_or("").c_str());
        CHECK_TRUE(disk.content(aside) == Bytes(text.begin(), text.end()));
        LONGS_EQUAL(1, opened.own.epoch.run);
        disk.put("/d/journal.db", Bytes(text.begin(), text.end()));
    }
}

TEST(StoreCorruption, a_damaged_body_is_read_as_a_gap_of_its_numbers) {
    Bytes file = sound_file();
    const Bytes body = *large_record(1, 301, 301, 20'000).body;
    const auto found =
        std::search(file.begin(), file.end(), body.begin() + 5'000, body.begin() + 5'016);
    CHECK_TRUE(found != file.end());
    *found ^= std::byte{1};
    Disk disk("body");
    disk.put("/d/journal.db", std::move(file));
    CountingEntropy entropy;
    Opened opened;
    auto store = Store::open("/d", options_on(disk), entropy, opened);
    const auto records = store->read(301, 1).value();
    CHECK_TRUE(records[0].kind == RecordKind::gap);
    CHECK_TRUE(decode_gap(*records[0].body) == GapReason::corrupt);
    LONGS_EQUAL(301, records[0].first_seq);
    LONGS_EQUAL(302, records[0].end_position());
    LONGS_EQUAL(302, store->read(302, 1)->at(0).first_seq);
}

namespace {

/// What is read from `position` on, of a sound file that SQL has changed as flipped bits would.
std::vector<Record> read_after(Disk& disk, const char* change, std::uint64_t position) {
    disk.put("/d/journal.db", sound_file());
    {
        auto database = ports::Database::open("/d/journal.db", {.vfs = disk.name()});
        CHECK_TRUE(database->execute(change).has_value());
    }
    CountingEntropy entropy;
    Opened opened;
    auto store = Store::open("/d", options_on(disk), entropy, opened);
    CHECK_FALSE(opened.moved_aside.has_value());
    return store->read(position, 1 << 20).value();
}

}  // namespace

TEST(StoreCorruption, numbers_of_a_damaged_row_are_not_believed) {
    for (const char* change : {"UPDATE record SET last_seq = last_seq + 64 WHERE position = 305",
                               "UPDATE record SET first_seq = 33 WHERE position = 305",
                               "UPDATE record SET stream = 2 WHERE position = 305"}) {
        Disk disk("numbers");
        const auto records = read_after(disk, change, 303);
        LONGS_EQUAL(kSoundReadings - 303, records.size());
        LONGS_EQUAL(304, records[1].last_seq);
        LONGS_EQUAL(306, records[2].first_seq);
        for (const Record& record : records) {
            CHECK_TRUE(record.kind == RecordKind::batch);
        }
    }
}

TEST(StoreCorruption, damaged_rows_whose_neighbours_say_the_same_are_gaps) {
    struct Case {
        const char* rows;
        std::size_t first;
        std::size_t count;
    };
    for (const auto& [rows, first, count] :
         {Case{"position = 303", 0, 1}, Case{"position IN (305, 306, 307)", 2, 3},
          Case{"position >= 317", 14, 3}, Case{"position = 319", 16, 1}}) {
        Disk disk("times");
        const auto records = read_after(
            disk, ("UPDATE record SET last_time = 5 WHERE " + std::string(rows)).c_str(), 303);
        LONGS_EQUAL(17, records.size());
        for (std::size_t i = 0; i < records.size(); ++i) {
            const bool is_gap = i >= first && i < first + count;
            CHECK_TRUE(is_gap == (records[i].kind == RecordKind::gap));
            LONGS_EQUAL(303 + i, records[i].first_seq);
            LONGS_EQUAL(303 + i, records[i].last_seq);
        }
    }
}
