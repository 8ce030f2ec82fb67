#include "platform/simulated/disk.h"

#include <cstdio>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/ports/database.h"

using namespace holdfast;
using simulated::Disk;

TEST_GROUP(SimulatedDisk) {
    Disk disk{"disk"};

    Result<ports::Database> open() {
        ports::DatabaseOptions options;
        options.vfs = disk.name();
        return ports::Database::open("/d/a.db", options);
    }
};

TEST(SimulatedDisk, a_commit_survives_a_power_cut) {
    auto database = open();
    CHECK_TRUE(database->set_user_version(3).has_value());
    disk.power_cut();
    CHECK_FALSE(database->set_user_version(4).has_value());
    database = open();
    LONGS_EQUAL(3, database->user_version().value());
}

TEST(SimulatedDisk, without_its_sync_a_commit_does_not_survive) {
    auto database = open();
    CHECK_TRUE(database->set_user_version(3).has_value());
    disk.fail_sync({.nth = 1});
    CHECK_TRUE(database->set_user_version(4).error().code == ErrorCode::io);
    disk.power_cut();
    database = open();
    LONGS_EQUAL(3, database->user_version().value());
}

TEST(SimulatedDisk, the_nth_write_fails_and_a_lasting_failure_goes_on_until_healed) {
    auto database = open();
    disk.fail_write({.nth = 1, .fault = Disk::Fault::full, .lasting = true});
    CHECK_TRUE(database->set_user_version(3).error().code == ErrorCode::full);
    CHECK_TRUE(database->set_user_version(3).error().code == ErrorCode::full);
    disk.heal();
    CHECK_TRUE(database->set_user_version(3).has_value());
}

TEST(SimulatedDisk, a_program_that_ends_loses_nothing_that_it_wrote_and_writes_no_more) {
    auto database = open();
    CHECK_TRUE(database->set_user_version(3).has_value());
    const Bytes wal = disk.content("/d/a.db-wal");
    CHECK_FALSE(wal.empty());
    disk.abandon();
    CHECK_FALSE(database->set_user_version(4).has_value());
    {
        const auto ends = std::move(database);
    }
    CHECK_TRUE(disk.content("/d/a.db-wal") == wal);
    auto again = open();
    LONGS_EQUAL(3, again->user_version().value());
}

TEST(SimulatedDisk, failures_are_counted) {
    auto database = open();
    LONGS_EQUAL(0, disk.counters().failures);
    disk.fail_sync({.nth = 1});
    CHECK_FALSE(database->set_user_version(3).has_value());
    LONGS_EQUAL(1, disk.counters().failures);
}

TEST(SimulatedDisk, the_same_seed_keeps_the_same_sectors) {
    Bytes kept[2];
    for (Bytes& content : kept) {
        Disk same("same");
        ports::DatabaseOptions options;
        options.vfs = same.name();
        auto database = ports::Database::open("/d/a.db", options);
        CHECK_TRUE(
            database
                ->execute("CREATE TABLE t (a INTEGER NOT NULL) STRICT; INSERT INTO t VALUES (1)")
                .has_value());
        CHECK_TRUE(database->checkpoint().has_value());
        same.power_cut(42);
        content = same.content("/d/a.db");
        CHECK_FALSE(content.empty());
    }
    CHECK_TRUE(kept[0] == kept[1]);
}
