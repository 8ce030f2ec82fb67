#include "platform/system/files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

using holdfast::system::replace_file;
using holdfast::system::SystemFiles;

TEST_GROUP(SystemFiles) {
    std::filesystem::path directory;
    SystemFiles files;

    void setup() override {
        std::string name = (std::filesystem::temp_directory_path() / "holdfast-XXXXXX").string();
        CHECK(::mkdtemp(name.data()) != nullptr);
        directory = name;
    }
    void teardown() override {
        std::filesystem::remove_all(directory);
    }
};

TEST(SystemFiles, what_was_replaced_is_read_whole) {
    const std::string text("with\0a NUL\n", 11);
    CHECK(replace_file(directory / "file", text).has_value());
    const auto read = files.read(directory / "file");
    CHECK(read && *read);
    CHECK(**read == text);
}

TEST(SystemFiles, a_file_that_is_not_there_is_no_error) {
    const auto read = files.read(directory / "nothing");
    CHECK(read.has_value());
    CHECK_FALSE(read->has_value());
    CHECK(files.state(directory / "nothing") == holdfast::ports::FileState{});
}

TEST(SystemFiles, a_replaced_file_has_another_state_however_soon) {
    CHECK(replace_file(directory / "file", "a").has_value());
    auto state = files.state(directory / "file");
    for (int i = 0; i < 20; ++i) {
        CHECK(replace_file(directory / "file", "b").has_value());
        const auto next = files.state(directory / "file");
        CHECK_FALSE(next == state);
        state = next;
    }
}

TEST(SystemFiles, a_replaced_file_is_readable_by_its_owner_only) {
    CHECK(replace_file(directory / "file", "secret").has_value());
    struct stat status{};
    CHECK_EQUAL(0, ::stat((directory / "file").c_str(), &status));
    CHECK_EQUAL(0600u, status.st_mode & 0777u);
}

TEST(SystemFiles, a_directory_that_is_not_there_is_named) {
    const auto written = replace_file(directory / "none" / "file", "text");
    CHECK_FALSE(written.has_value());
    CHECK(written.error().message.find("none/file") != std::string::npos);
}
