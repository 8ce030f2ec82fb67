#include "firmware/base/text.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;

namespace {

std::int64_t microseconds(std::string_view text) {
    const auto time = parse_time(text);
    return time ? time->time_since_epoch().count() : std::numeric_limits<std::int64_t>::min();
}

std::string format(std::int64_t microseconds_since_1970) {
    return format_time(WallTime(std::chrono::microseconds(microseconds_since_1970)));
}

constexpr std::int64_t kSecond = 1'000'000;

}  // namespace

TEST_GROUP(Time){};

TEST(Time, reads_every_form_of_rfc_3339) {
    const std::vector<std::pair<std::string, std::int64_t>> table{
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2026-11-20T10:00:00Z", 1'795'168'800 * kSecond},
        {"2026-11-20t10:00:00z", 1'795'168'800 * kSecond},
        {"2026-11-20 10:00:00Z", 1'795'168'800 * kSecond},
        {"2026-11-20T11:30:00+01:30", 1'795'168'800 * kSecond},
        {"2026-11-19T22:00:00-12:00", 1'795'168'800 * kSecond},
        {"2026-11-20T10:00:00-00:00", 1'795'168'800 * kSecond},
        {"2026-11-20T10:00:00.5Z", 1'795'168'800 * kSecond + 500'000},
        {"2026-11-20T10:00:00.123456789Z", 1'795'168'800 * kSecond + 123'456},
        {"2024-02-29T00:00:00Z", 1'709'164'800 * kSecond},
        {"2000-02-29T00:00:00Z", 951'782'400 * kSecond},
        {"2016-12-31T23:59:60Z", 1'483'228'799 * kSecond},
        {"0000-01-01T00:00:00Z", -62'167'219'200 * kSecond},
        {"9999-12-31T23:59:59.999999Z", 253'402'300'799 * kSecond + 999'999},
    };
    for (const auto& [text, expected] : table) {
        CHECK_TEXT(microseconds(text) == expected, text.c_str());
    }
}

TEST(Time, refuses_what_rfc_3339_does_not_allow) {
    const std::vector<std::string> table{
        "",
        "2026",
        "2026-11-20",
        "2026-11-20T10:00:00",
        "2026-11-20T10:00Z",
        "2026-13-20T10:00:00Z",
        "2026-00-20T10:00:00Z",
        "2026-11-31T10:00:00Z",
        "2026-11-00T10:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T10:60:00Z",
        "2026-11-20T10:00:61Z",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567890Z",
        "2026-11-20T10:00:00+1:00",
        "2026-11-20T10:00:00+0100",
        "2026-11-20T10:00:00+24:00",
        "2026-11-20T10:00:00+01:60",
        "2026-11-20T10:00:00ZZ",
        " 2026-11-20T10:00:00Z",
        "+2026-11-20T10:00:00Z",
        "2026-11-20_10:00:00Z",
    };
    for (const std::string& text : table) {
        const auto time = parse_time(text);
        CHECK_TEXT(!time && time.error().code == ErrorCode::invalid, text.c_str());
    }
}

TEST(Time, is_written_with_no_more_digits_than_it_takes) {
    STRCMP_EQUAL("2026-11-20T10:00:00Z", format(1'795'168'800 * kSecond).c_str());
    STRCMP_EQUAL("2026-11-20T10:00:00.500Z", format(1'795'168'800 * kSecond + 500'000).c_str());
    STRCMP_EQUAL("2026-11-20T10:00:00.000001Z", format(1'795'168'800 * kSecond + 1).c_str());
    STRCMP_EQUAL("1969-12-31T23:59:59.999999Z", format(-1).c_str());
}

TEST(Time, outside_of_four_digit_years_is_written_all_the_same) {
    STRCMP_EQUAL("+294247-01-10T04:00:54.775807Z",
                 format(std::numeric_limits<std::int64_t>::max()).c_str());
    STRCMP_EQUAL("-290308-12-21T19:59:05.224192Z",
                 format(std::numeric_limits<std::int64_t>::min()).c_str());
}

TEST(Time, comes_back_as_it_was_written) {
    const unsigned seed = std::random_device{}();
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<std::int64_t> any(-62'167'219'200 * kSecond,
                                                    253'402'300'799 * kSecond);
    for (int i = 0; i < 20'000; ++i) {
        const std::int64_t time = any(random);
        const std::string text = format(time);
        CHECK_TEXT(microseconds(text) == time, (text + ", seed " + std::to_string(seed)).c_str());
    }
}

TEST_GROUP(Units){};

TEST(Units, durations_are_read) {
    const std::vector<std::pair<std::string, std::int64_t>> table{
        {"25 s", 25 * kSecond},
        {"25s", 25 * kSecond},
        {"200 ms", 200'000},
        {"1.5 min", 90 * kSecond},
        {"2 h", 7200 * kSecond},
        {"7 d", 604'800 * kSecond},
        {"50 us", 50},
        {"50 µs", 50},
        {"0 s", 0},
        {"0.000001 s", 1},
        {"1.9 us", 1},
        {"106751991 d", 106'751'991 * 86'400'000'000},
    };
    for (const auto& [text, expected] : table) {
        const auto duration = parse_duration(text);
        CHECK_TEXT(duration && duration->count() == expected, text.c_str());
    }
}

TEST(Units, a_duration_without_unit_or_number_is_invalid) {
    for (const std::string text :
         {"", "25", "25 ", "s", " 25 s", "25  s", "25 s ", "-1 s", "1. s", ".5 s", "1.0000000 s",
          "25 S", "25 sec", "1,5 s", "1e3 s", "106751992 d", "99999999999999999999 s"}) {
        const auto duration = parse_duration(text);
        CHECK_TEXT(!duration && duration.error().code == ErrorCode::invalid, text.c_str());
    }
}

TEST(Units, an_error_says_what_would_be_right) {
    STRCMP_EQUAL("\"25\" has no unit; write it like \"25 s\" or \"200 ms\"",
                 parse_duration("25").error().message.c_str());
    STRCMP_EQUAL("\"64 k\" has an unknown unit; write it like \"256 MiB\" or \"64 KiB\"",
                 parse_size("64 k").error().message.c_str());
}

TEST(Units, long_texts_are_cut_between_characters_in_messages) {
    const std::string text = std::string(39, '1') + "\u00e9 weeks";  // é is bytes 39 and 40
    const std::string message = parse_duration(text).error().message;
    CHECK(message.starts_with("\"" + std::string(39, '1') + "\u2026\""));
}

TEST(Units, durations_are_written_in_the_largest_unit_that_is_whole) {
    const std::vector<std::pair<std::int64_t, std::string>> table{
        {0, "0 s"},
        {1, "1 us"},
        {1500, "1500 us"},
        {200'000, "200 ms"},
        {kSecond, "1 s"},
        {90 * kSecond, "90 s"},
        {-kSecond, "-1 s"},
        {3600 * kSecond, "1 h"},
        {86'400 * kSecond, "1 d"},
    };
    for (const auto& [count, expected] : table) {
        STRCMP_EQUAL(expected.c_str(), format_duration(Duration(count)).c_str());
    }
}

TEST(Units, sizes_are_read) {
    const std::vector<std::pair<std::string, std::uint64_t>> table{
        {"512 B", 512},
        {"1 kB", 1000},
        {"1KB", 1000},
        {"10 MB", 10'000'000},
        {"64 KiB", 65'536},
        {"256 MiB", 268'435'456},
        {"1 GiB", 1'073'741'824},
        {"1.5 KiB", 1536},
        {"0.1 B", 0},
        {"16777215 TiB", 18'446'742'974'197'923'840u},
        {"18446744073709551615 B", std::numeric_limits<std::uint64_t>::max()},
    };
    for (const auto& [text, expected] : table) {
        const auto size = parse_size(text);
        CHECK_TEXT(size && *size == expected, text.c_str());
    }
    for (const std::string text :
         {"", "1", "1 b", "1 mib", "-1 B", "16777216 TiB", "18446744073709551616 B"}) {
        CHECK_TEXT(!parse_size(text), text.c_str());
    }
}

TEST_GROUP(BinaryAsText){};

TEST(BinaryAsText, hexadecimal_comes_back) {
    const Bytes bytes{std::byte{0x00}, std::byte{0x9F}, std::byte{0xFF}};
    STRCMP_EQUAL("009fff", to_hex(bytes).c_str());
    CHECK(from_hex("009fff") == bytes);
    CHECK(from_hex("009FFF") == bytes);
    CHECK(from_hex("") == Bytes{});
    for (const std::string text : {"0", "0g", "g0", "00 "}) {
        CHECK_TEXT(!from_hex(text), text.c_str());
    }
}

TEST(BinaryAsText, base64_has_the_vectors_of_rfc_4648) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xFB\xFF", "+/8="},
    };
    for (const auto& [plain, encoded] : table) {
        STRCMP_EQUAL(encoded.c_str(), to_base64(as_bytes(plain)).c_str());
        const auto decoded = from_base64(encoded);
        CHECK_TEXT(decoded && as_text(*decoded) == plain, encoded.c_str());
    }
}

TEST(BinaryAsText, base64_is_strict) {
    for (const std::string text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=",
                                   "Zm 9v", "Zm9v\n", "Zg==Zg==", "Zm-_", "Z=g="}) {
        CHECK_TEXT(!from_base64(text), text.c_str());
    }
}

TEST_GROUP(Utf8){};

TEST(Utf8, agrees_with_the_definition_for_every_code_point) {
    for (std::uint32_t point = 0; point <= 0x110FFF; ++point) {
        std::string text = "12345678";
        const auto add = [&text](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
        if (point < 0x80) {
            add(point);
        } else if (point < 0x800) {
            add(0xC0 | point >> 6u);
            add(0x80 | (point & 0x3Fu));
        } else if (point < 0x10000) {
            add(0xE0 | point >> 12u);
            add(0x80 | (point >> 6u & 0x3Fu));
            add(0x80 | (point & 0x3Fu));
        } else {
            add(0xF0 | point >> 18u);
            add(0x80 | (point >> 12u & 0x3Fu));
            add(0x80 | (point >> 6u & 0x3Fu));
            add(0x80 | (point & 0x3Fu));
        }
        const bool is_character = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
        if (is_utf8(as_bytes(text)) != is_character) {
            FAIL(std::to_string(point).c_str());
        }
        // Nor is a part of it one.
        if (point >= 0x80 && is_utf8(as_bytes(text).first(text.size() - 1))) {
            FAIL(std::to_string(point).c_str());
        }
    }
}

TEST(Utf8, refuses_overlong_and_stray_bytes) {
    for (const std::string text :
         {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF",
          "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xC3(",
          "\xE2\x82(", "\xF0\x9F\x92("}) {
        CHECK(!is_utf8(as_bytes(text)));
    }
    CHECK(is_utf8({}));
}
