#include "firmware/ports/database.h"

#include <cstdio>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdlib.h>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ports;

TEST_GROUP(Database) {
    std::filesystem::path folder;

    void setup() override {
        char name[] = "/tmp/holdfast-database-XXXXXX";
        folder = ::mkdtemp(name);
    }
    void teardown() override {
        std::filesystem::remove_all(folder);
        folder.clear();
    }

    Database open() {
        auto database = Database::open(folder / "a.db");
        CHECK_TRUE_TEXT(database.has_value(), database ? "" : database.error().message.c_str());
        return std::move(*database);
    }
};

TEST(Database, committed_rows_are_there_after_reopening_and_others_are_not) {
    {
        Database database = open();
        CHECK_TRUE(database.execute("CREATE TABLE t (a INTEGER NOT NULL, b BLOB NOT NULL) STRICT")
                       .has_value());
        const char* insert = "INSERT INTO t (a, b) VALUES (?, ?)";
        {
            auto transaction = Transaction::begin(database);
            CHECK_TRUE(database.prepare(insert)->bind(1, ByteView{}).run().has_value());
            CHECK_TRUE(transaction->commit().has_value());
        }
        auto transaction = Transaction::begin(database);
        CHECK_TRUE(database.prepare(insert)->bind(2, as_bytes("x")).run().has_value());
    }
    Database database = open();
    auto rows = database.prepare("SELECT count(*), max(a) FROM t");
    CHECK_TRUE(rows->step().value());
    LONGS_EQUAL(1, rows->integer(0));
    LONGS_EQUAL(1, rows->integer(1));
    CHECK_TRUE(database.verify().has_value());
}

TEST(Database, there_is_no_shared_memory_file) {
    Database database = open();
    CHECK_TRUE(database.execute("CREATE TABLE t (a INTEGER NOT NULL) STRICT").has_value());
    CHECK_TRUE(std::filesystem::exists(folder / "a.db-wal"));
    CHECK_FALSE(std::filesystem::exists(folder / "a.db-shm"));
}

TEST(Database, a_second_opener_is_refused) {
    Database database = open();
    CHECK_TRUE(Database::open(folder / "a.db").error().code == ErrorCode::refused);
}

TEST(Database, a_missing_folder_is_an_io_error_that_names_the_file) {
    const auto database = Database::open(folder / "missing" / "a.db");
    CHECK_TRUE(database.error().code == ErrorCode::io);
    CHECK_TRUE(database.error().message.find("missing/a.db") != std::string::npos);
}

TEST(Database, what_is_moved_aside_keeps_its_content_and_gets_a_free_name) {
    for (const char* name : {"a.db.unreadable-1", "a.db.unreadable-2"}) {
        {
            Database database = open();
            CHECK_TRUE(database.set_user_version(7).has_value());
        }
        const auto target = Database::move_aside(folder / "a.db");
        STRCMP_EQUAL((folder / name).c_str(), target.value().c_str());
        CHECK_FALSE(std::filesystem::exists(folder / "a.db"));
        LONGS_EQUAL(7, Database::open(*target)->user_version().value());
    }
}

TEST(Database, the_wal_stays_bounded) {
    Database database = open();
    CHECK_TRUE(database.execute("CREATE TABLE t (b BLOB NOT NULL) STRICT").has_value());
    const Bytes bytes(20'000);
    for (int i = 0; i < 500; ++i) {
        auto transaction = Transaction::begin(database);
        CHECK_TRUE(database.prepare("INSERT INTO t (b) VALUES (?)")->bind(bytes).run().has_value());
        CHECK_TRUE(transaction->commit().has_value());
        CHECK_TRUE(std::filesystem::file_size(folder / "a.db-wal") < (1u << 20) + 40'000);
    }
}
