#include "firmware/journal/cursor.h"

#include <cstdint>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::journal;

TEST_GROUP(Cursor){};

TEST(Cursor, what_is_shown_is_understood) {
    for (const std::uint64_t generation : {std::uint64_t{1}, std::uint64_t{0xA0}, UINT64_MAX}) {
        for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{42}, UINT64_MAX}) {
            const Cursor cursor{generation, position};
            CHECK(parse_cursor(to_text(cursor)).value() == cursor);
        }
    }
    STRCMP_EQUAL("a0-42", to_text({0xA0, 42}).c_str());
}

TEST(Cursor, a_plain_number_is_a_position_of_no_said_generation) {
    CHECK(parse_cursor("42").value() == (Cursor{0, 42}));
}

TEST(Cursor, anything_else_is_an_error) {
    for (const char* text : {"", "-", "-1", "a-", "a", "x-1", "a0-42x", "a0-4-2", "a0-+4", " 1",
                             "10000000000000000-1", "1-18446744073709551616"}) {
        CHECK_TRUE_TEXT(parse_cursor(text).error().code == ErrorCode::invalid, text);
    }
}
