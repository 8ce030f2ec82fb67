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

Result<void> first(storage::Database& database) {
    return database.execute("CREATE TABLE t (a INTEGER NOT NULL) STRICT; INSERT INTO t VALUES (1)");
}
Result<void> second(storage::Database& database) {
    return database.execute("UPDATE t SET a = 2");
}
Result<void> broken(storage::Database& database) {
    auto done = database.execute("UPDATE t SET a = 3");
    return done ? database.execute("UPDATE missing SET a = 3") : done;
}

}  // namespace

TEST_GROUP(StoreSchema) {
    Disk disk{"schema"};

    storage::Database open() {
        storage::DatabaseOptions options;
        options.vfs = disk.name();
        auto database = storage::Database::open("/d/journal.db", options);
        CHECK_TRUE(database.has_value());
        return std::move(*database);
    }
    std::int64_t value(storage::Database & database) {
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
    storage::Database database = open();
    const Migration steps[] = {first, second};
    CHECK_TRUE(migrate(database, std::span(steps).first(1)).has_value());
    LONGS_EQUAL(1, value(database));
    CHECK_TRUE(migrate(database, steps).has_value());
    LONGS_EQUAL(2, value(database));
    LONGS_EQUAL(2, database.user_version().value());
}

TEST(StoreSchema, a_step_that_fails_leaves_the_version_before_it) {
    storage::Database database = open();
    const Migration steps[] = {first, second, broken};
    CHECK_TRUE(!migrate(database, steps).has_value());
    LONGS_EQUAL(2, value(database));
    LONGS_EQUAL(2, database.user_version().value());
}

TEST(StoreSchema, an_empty_database_of_version_0_becomes_a_journal) {
    {
        storage::Database database = open();
    }
    Opened opened;
    CHECK_TRUE(open_store(opened).has_value());
    CHECK_TRUE(!opened.moved_aside);
}

TEST(StoreSchema, a_newer_version_is_unsupported_and_untouched) {
    {
        storage::Database database = open();
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
        storage::Database database = open();
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
