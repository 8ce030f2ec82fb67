#include "firmware/node/tokens_file.h"

#include "platform/simulated/files.h"
#include "platform/simulated/random.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace std::chrono_literals;

TEST_GROUP(TokensFile) {
    simulated::Clock clock;
    simulated::Files files{clock};
    simulated::Random random{1};
};

TEST(TokensFile, an_absent_file_is_an_empty_table) {
    const Result<hub::TokenTable> table = node::load_tokens(files, "/data");
    CHECK_TRUE(table.has_value());
    LONGS_EQUAL(0, table->tokens().size());
}

TEST(TokensFile, what_was_written_is_found_in_the_data_directory) {
    hub::TokenTable made;
    const std::string token = made.create("dev", true, WallTime(1h), random);
    files.write("/data/tokens", made.to_text());
    const Result<hub::TokenTable> table = node::load_tokens(files, "/data");
    CHECK_TRUE(table.has_value());
    const hub::Token* const found = table->find(token);
    CHECK_TRUE(found != nullptr);
    STRCMP_EQUAL("dev", found->device.c_str());
    CHECK_TRUE(found->relay);
}

TEST(TokensFile, a_malformed_line_is_invalid_and_names_file_and_line) {
    hub::TokenTable made;
    static_cast<void>(made.create("dev", false, WallTime(1h), random));
    files.write("/data/tokens", made.to_text() + "nonsense\n");
    const Result<hub::TokenTable> table = node::load_tokens(files, "/data");
    CHECK_TRUE(!table && table.error().code == ErrorCode::invalid);
    STRCMP_CONTAINS("/data/tokens", table.error().message.c_str());
    STRCMP_CONTAINS("2", table.error().message.c_str());
}

TEST(TokensFile, a_file_that_cannot_be_read_is_io_and_no_empty_table) {
    files.write("/data/tokens", "");
    files.fail_reads(true);
    const Result<hub::TokenTable> table = node::load_tokens(files, "/data");
    CHECK_TRUE(!table && table.error().code == ErrorCode::io);
}
