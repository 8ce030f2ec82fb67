#include "firmware/journal/store_schema.h"

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

namespace {

Result<void> first(ports::Database& database) {
    return database.execute("CREATE TABLE t (a INTEGER NOT NULL) STRICT; INSERT INTO t VALUES (1)");
}
Result<void> second(ports::Database& database) {
    return database.execute("UPDATE t SET a = 2");
}
Result<void> broken(ports::Database& database) {
    auto done = database.execute("UPDATE t SET a = 3");
    return done ? database.execute("UPDATE missing SET a = 3") : done;
}

}  // namespace

TEST_GROUP(StoreSchema) {
    Disk disk{"schema"};

    ports::Database open() {
        ports::DatabaseOptions options;
        options.vfs = disk.name();
        auto database = ports::Database::open("/d/journal.db", options);
        CHECK_TRUE(database.has_value());
        return std::move(*database);
    }
    std::int64_t value(ports::Database & database) {
        auto statement = database.prepare("SELECT a FROM t");
        CHECK_TRUE(statement->step().value());
        return statement->integer(0);
    }
    Result<Store> open_store(Opened & opened) {
        StoreOptions options;
        options.origin = "here";
        options.database.vfs = disk.name();
        CountingEntropy entropy;
        return Store::open("/d", options, entropy, opened);
    }
};

TEST(StoreSchema, an_old_file_is_brought_to_the_newest_version_step_by_step) {
    ports::Database database = open();
    const Migration steps[] = {first, second};
    CHECK_TRUE(migrate(database, std::span(steps).first(1)).has_value());
    LONGS_EQUAL(1, value(database));
    CHECK_TRUE(migrate(database, steps).has_value());
    LONGS_EQUAL(2, value(database));
    LONGS_EQUAL(2, database.user_version().value());
}

TEST(StoreSchema, a_step_that_fails_leaves_the_version_before_it) {
    ports::Database database = open();
    const Migration steps[] = {first, second, broken};
    CHECK_TRUE(!migrate(database, steps).has_value());
    LONGS_EQUAL(2, value(database));
    LONGS_EQUAL(2, database.user_version().value());
}

TEST(StoreSchema, an_empty_database_of_version_0_becomes_a_journal) {
    {
        ports::Database database = open();
    }
    Opened opened;
    CHECK_TRUE(open_store(opened).has_value());
    CHECK_TRUE(!opened.moved_aside);
}

TEST(StoreSchema, a_newer_version_is_unsupported_and_untouched) {
    {
        ports::Database database = open();
        CHECK_TRUE(database.set_user_version(99).has_value());
    }
    const Bytes before = disk.content("/d/journal.db");
    Opened opened;
    CHECK_TRUE(open_store(opened).error().code == ErrorCode::unsupported);
    CHECK_TRUE(disk.content("/d/journal.db") == before);
    LONGS_EQUAL(1, disk.files().size());
}

TEST(StoreSchema, a_database_of_something_else_is_moved_aside) {
    {
        ports::Database database = open();
        CHECK_TRUE(first(database).has_value());
    }
    Opened opened;
    CHECK_TRUE(open_store(opened).has_value());
    CHECK_TRUE(opened.moved_aside.has_value());
}

TEST(StoreSchema, a_journal_that_is_open_elsewhere_is_refused) {
    Opened opened;
    auto store = open_store(opened);
    CHECK_TRUE(open_store(opened).error().code == ErrorCode::refused);
}

TEST(StoreSchema, a_file_of_schema_1_keeps_all_it_has_and_takes_what_is_new) {
    {
        ports::Database database = open();
        CHECK_TRUE(migrate(database, migrations().first(1)).has_value());
        CHECK_TRUE(database
                       .execute("INSERT INTO node VALUES (1, 77, 4);"
                                "INSERT INTO stream VALUES (1, 'here', 77, 4, 0);"
                                "INSERT INTO stream VALUES (2, 'there', 9, 1, 30);"
                                "INSERT INTO channel VALUES ('here', 77, 1, 't1', 'C');"
                                "INSERT INTO source VALUES ('file', 500, 42);"
                                "INSERT INTO clock_fix VALUES ('here', 5, 1, 1000);"
                                "INSERT INTO record VALUES (10, 1, 1, 1, 3, 0, 0, 0, x'01')")
                       .has_value());
        LONGS_EQUAL(1, database.user_version().value());
    }
    std::uint64_t generation = 0;
    const ConsumerPosition consumer{"relay", 11, true};
    const Note note{"eth0 52:54:00:12:34:56", "direct+xhr"};
    for (int start = 1; start <= 2; ++start) {
        Opened opened;
        auto store = open_store(opened);
        CHECK_TRUE_TEXT(store.has_value(), store ? "" : store.error().message.c_str());
        CHECK_TRUE(!opened.moved_aside);
        CHECK_TRUE(opened.own.epoch == (Epoch{77, 4u + static_cast<unsigned>(start)}));
        LONGS_EQUAL(10, opened.first_position);
        LONGS_EQUAL(11, opened.next_position);
        LONGS_EQUAL(11, opened.store_end);
        CHECK_TRUE(opened.generation != 0 && (start == 1 || opened.generation == generation));
        generation = opened.generation;
        CHECK_TRUE(opened.consumers == (start == 1 ? std::vector<ConsumerPosition>{}
                                                   : std::vector<ConsumerPosition>{consumer}));
        CHECK_TRUE(opened.channels.at(0).channel == (telemetry::Channel{"t1", "C"}));
        LONGS_EQUAL(500, opened.sources.at(0).position);
        LONGS_EQUAL(42, opened.sources.at(0).tag);
        const auto there = std::ranges::find(opened.streams, "there", &Stream::origin);
        CHECK_TRUE(there != opened.streams.end() && there->through == 30);
        CHECK_TRUE(opened.notes == (start == 1 ? std::vector<Note>{} : std::vector<Note>{note}));
        Write write;
        write.notes = {note};
        write.consumers = {consumer};
        CHECK_TRUE(store->write(write).has_value());
    }
    LONGS_EQUAL(3, open().user_version().value());
}

TEST(StoreSchema, a_newer_file_that_has_only_got_additions_is_written_and_they_are_left) {
    {
        Opened opened;
        auto store = open_store(opened);
        CHECK_TRUE(store->write(write_of({batch_record(opened.own.id, 1, 1, 10)})).has_value());
    }
    {
        ports::Database database = open();
        CHECK_TRUE(database
                       .execute("CREATE TABLE t (a INTEGER NOT NULL) STRICT;"
                                "INSERT INTO t VALUES (5);"
                                "ALTER TABLE node ADD COLUMN more INTEGER NOT NULL DEFAULT 6;"
                                "ALTER TABLE stream ADD COLUMN more INTEGER NOT NULL DEFAULT 7")
                       .has_value());
        CHECK_TRUE(database.set_user_version(9).has_value());
    }
    Opened opened;
    {
        auto store = open_store(opened);
        CHECK_TRUE_TEXT(store.has_value(), store ? "" : store.error().message.c_str());
        CHECK_TRUE(!opened.moved_aside);
        CHECK_TRUE(store->write(write_of({batch_record(opened.own.id, 11, 1, 10)})).has_value());
    }
    ports::Database database = open();
    LONGS_EQUAL(9, database.user_version().value());
    LONGS_EQUAL(5, value(database));
}

TEST(StoreSchema, a_newer_file_that_only_newer_programs_may_write_is_unsupported_and_untouched) {
    {
        Opened opened;
        CHECK_TRUE(open_store(opened).has_value());
        ports::Database database = open();
        CHECK_TRUE(database.execute("UPDATE node SET oldest_writer = 4").has_value());
        CHECK_TRUE(database.set_user_version(4).has_value());
    }
    const Bytes before = disk.content("/d/journal.db");
    Opened opened;
    CHECK_TRUE(open_store(opened).error().code == ErrorCode::unsupported);
    CHECK_TRUE(disk.content("/d/journal.db") == before);
}

TEST(StoreSchema, a_program_that_knows_an_older_schema_says_so_and_leaves_the_file) {
    ports::Database database = open();
    CHECK_TRUE(migrate(database, migrations()).has_value());
    const auto done = migrate(database, migrations().first(1));
    CHECK_TRUE(done.error().code == ErrorCode::unsupported);
    STRCMP_EQUAL("written by a newer version: schema 3, known up to 1",
                 done.error().message.c_str());
    LONGS_EQUAL(3, database.user_version().value());
}
