#include "firmware/telemetry/json.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/base/text.h"

using namespace holdfast;
using namespace holdfast::telemetry;

namespace {

/// The one value of a text like 21.5, or a string that says what was wrong.
Value value_of(const std::string& text) {
    auto readings = parse_readings("{\"channel\":\"c\",\"value\":" + text + "}");
    return readings ? readings->front().value : Value("error: " + readings.error().message);
}

std::string error_of(const std::string& text, const JsonLimits& limits = {}) {
    const auto readings = parse_readings(text, limits);
    return readings ? "no error" : readings.error().message;
}

std::string written(const Value& value) {
    std::string out;
    append_json(out, value);
    return out;
}

bool same_bits(const Value& left, double right) {
    const auto* number = std::get_if<double>(&left);
    return number != nullptr &&
           std::bit_cast<std::uint64_t>(*number) == std::bit_cast<std::uint64_t>(right);
}

const std::string kGood = R"({"channel":"a","value":1})";

}  // namespace

TEST_GROUP(ReadingsFromJson){};

TEST(ReadingsFromJson, one_object_has_all_its_fields) {
    const auto readings = parse_readings(
        R"( {"channel":"t1","value":21.5,"time":"2026-11-20T10:00:00Z","unit":"°C","n":17} )");
    CHECK(readings && readings->size() == 1);
    const JsonReading& reading = readings->front();
    STRCMP_EQUAL("t1", reading.channel.name.c_str());
    STRCMP_EQUAL("°C", reading.channel.unit.c_str());
    CHECK(reading.value == Value(21.5));
    CHECK(reading.n == 17u);
    CHECK(reading.time == *parse_time("2026-11-20T10:00:00Z"));
}

TEST(ReadingsFromJson, an_array_keeps_its_order_and_may_be_empty) {
    const auto readings =
        parse_readings(R"([{"value":1,"channel":"a"},{"channel":"b","value":2}])");
    CHECK(readings && readings->size() == 2);
    STRCMP_EQUAL("b", readings->back().channel.name.c_str());
    CHECK(!readings->back().time && !readings->back().n);
    CHECK(parse_readings("[]") && parse_readings("[]")->empty());
}

TEST(ReadingsFromJson, values_have_the_type_they_are_written_in) {
    CHECK(value_of("21") == Value(std::int64_t{21}));
    CHECK(value_of("-9223372036854775808") == Value(std::numeric_limits<std::int64_t>::min()));
    CHECK(value_of("9223372036854775807") == Value(std::numeric_limits<std::int64_t>::max()));
    CHECK(value_of("9223372036854775808") == Value(9223372036854775808.0));
    CHECK(value_of("-9223372036854775809") == Value(-9223372036854775808.0));
    CHECK(value_of("21.0") == Value(21.0));
    CHECK(value_of("2e1") == Value(20.0));
    CHECK(value_of("true") == Value(true));
    CHECK(value_of("\"on\\n\\u20ac\"") == Value(std::string("on\n€")));
    CHECK(value_of("\"\\u0000\"") == Value(std::string(1, '\0')));
    CHECK(value_of("\"\"") == Value(std::string()));
    CHECK(value_of(R"({"base64":"AP8="})") == Value(Bytes{std::byte{0}, std::byte{0xFF}}));
    CHECK(same_bits(value_of(R"({"double":"Infinity"})"), HUGE_VAL));
    CHECK(same_bits(value_of(R"({"double":"-Infinity"})"), -HUGE_VAL));
    CHECK(same_bits(value_of("-0.0"), -0.0));
    CHECK(std::isnan(std::get<double>(value_of(R"({"double":"NaN"})"))));
}

TEST(ReadingsFromJson, doubles_are_rounded_correctly) {
    for (const std::string text :
         {"74.93588199999998", "0.1", "2.2250738585072011e-308", "5e-324", "1.7976931348623157e308",
          "9007199254740993.0", "0.500000000000000166533453693773481063544750213623046875", "1e23",
          "123456789012345678901234567890", "1e-400", "-1e-400", "0.3e-323"}) {
        CHECK_TEXT(same_bits(value_of(text), std::strtod(text.c_str(), nullptr)), text.c_str());
    }
    const unsigned seed = std::random_device{}();
    std::mt19937_64 random(seed);
    for (int i = 0; i < 20'000; ++i) {
        const auto number = std::bit_cast<double>(random());
        if (std::isfinite(number)) {
            CHECK_TEXT(same_bits(value_of(written(number)), number),
                       (written(number) + ", seed " + std::to_string(seed)).c_str());
        }
    }
}

TEST(ReadingsFromJson, unknown_keys_are_ignored_whatever_they_hold) {
    const auto readings = parse_readings(
        R"({"x":[1,{"value":2,"channel":"no"},[[]]],"channel":"a","y":{"n":{"z":null}},"value":3,"w":null,"v":true,"u":1e999,"t":"s"})");
    CHECK(readings && readings->size() == 1);
    STRCMP_EQUAL("a", readings->front().channel.name.c_str());
    CHECK(readings->front().value == Value(std::int64_t{3}));
    CHECK(!readings->front().n);
}

TEST(ReadingsFromJson, an_error_names_the_reading_and_what_is_wrong) {
    const std::vector<std::pair<std::string, std::string>> table{
        {R"({"channel":"a"})", "reading 0: \"value\" is missing"},
        {R"({"value":1})", "reading 0: \"channel\" is missing"},
        {"[" + kGood + "," + kGood + R"(,{"channel":"a"}])", "reading 2: \"value\" is missing"},
        {"[" + kGood + ",5]", "reading 1: is a number, not an object"},
        {"[" + kGood + ",[]]", "reading 1: is not an object"},
        {"true", "reading 0: is true or false, not an object"},
        {R"({"channel":5,"value":1})", "reading 0: \"channel\" is a number, not a string"},
        {R"({"channel":"","value":1})", "reading 0: \"channel\" is empty"},
        {R"({"channel":"a","value":1,"unit":null})", "reading 0: \"unit\" is null, not a string"},
        {R"({"channel":"a","value":null})",
         "reading 0: \"value\" is null, not a number, true, false, a string, {\"base64\":…} or "
         "{\"double\":…}"},
        {R"({"channel":"a","value":[1]})",
         "reading 0: \"value\" is an array, not a number, true, false, a string, {\"base64\":…} or "
         "{\"double\":…}"},
        {R"({"channel":"a","value":1,"n":-1})",
         "reading 0: \"n\" is another number, not a whole number from 0"},
        {R"({"channel":"a","value":1,"n":1.5})",
         "reading 0: \"n\" is another number, not a whole number from 0"},
        {R"({"channel":"a","value":1,"value":2})", "reading 0: \"value\" appears twice"},
        {R"({"channel":"a","value":{}})", "reading 0: \"value\" is an empty object"},
        {R"({"channel":"a","value":{"hex":"00"}})",
         "reading 0: \"value\" is an object other than {\"base64\":…} or {\"double\":…}"},
        {R"({"channel":"a","value":{"base64":"A"}})",
         "reading 0: \"value\": base64 text's length is not a multiple of four"},
        {R"({"channel":"a","value":{"double":"inf"}})",
         "reading 0: \"double\" is neither \"NaN\", \"Infinity\" nor \"-Infinity\""},
        {R"({"channel":"a","value":1e999})", "reading 0: \"value\" is too large for a double"},
        {R"({"channel":"a","value":1,"time":"yesterday"})",
         "reading 0: \"time\": \"yesterday\" is not a time of RFC 3339; write it like "
         "\"2026-11-20T10:00:00Z\""},
    };
    for (const auto& [text, expected] : table) {
        STRCMP_EQUAL(expected.c_str(), error_of(text).c_str());
    }
    LONGS_EQUAL(2, parse_readings("[" + kGood + "," + kGood + ",{}]").error().at);
    LONGS_EQUAL(1, parse_readings("[" + kGood + ",5]").error().at);
}

TEST(ReadingsFromJson, text_that_is_not_json_is_refused_wherever_it_is_cut) {
    const std::string text =
        R"([{"channel":"t1","value":{"base64":"AA=="},"x":[1,"é\n"]},{"channel":"b","value":-2.5e3}])";
    CHECK(parse_readings(text).has_value());
    for (std::size_t size = 0; size < text.size(); ++size) {
        CHECK(!parse_readings(text.substr(0, size)));
    }
    for (const std::string bad :
         {"", " ", "{", "[1", "{} {}", "nul", "[{}],", R"({"channel":"a","value":01})",
          R"({"channel":"a","value":NaN})", R"({"channel":"a","value":1,})"}) {
        CHECK_TEXT(!parse_readings(bad), bad.c_str());
    }
    CHECK(!parse_readings(kGood + kGood));
    CHECK(!parse_readings(kGood + std::string(1, '\0')));
    CHECK(!parse_readings(std::string(1000, '[')));
}

TEST(ReadingsFromJson, text_that_is_not_utf8_is_refused) {
    for (const std::string bad : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                  "\xE2\x82", "\\ud800", "\\udc00x"}) {
        CHECK(!parse_readings(R"({"channel":"a","value":")" + bad + "\"}"));
        CHECK(!parse_readings(R"({"channel":"a","value":1,"x":")" + bad + "\"}"));
        CHECK(!parse_readings(R"({"channel":"a","value":1,")" + bad + "\":1}"));
    }
}

TEST(ReadingsFromJson, each_limit_holds_at_the_limit_and_one_past_it) {
    JsonLimits limits;
    limits.readings = 2;
    STRCMP_EQUAL("no error", error_of("[" + kGood + "," + kGood + "]", limits).c_str());
    STRCMP_EQUAL("reading 2: is one more than the 2 that one message may hold",
                 error_of("[" + kGood + "," + kGood + "," + kGood + "]", limits).c_str());
    limits = {};
    limits.text_size_bytes = kGood.size();
    STRCMP_EQUAL("no error", error_of(kGood, limits).c_str());
    CHECK(error_of(kGood + " ", limits) != "no error");
    limits = {};
    limits.channel_name_bytes = 3;
    limits.unit_bytes = 3;
    STRCMP_EQUAL("no error",
                 error_of(R"({"channel":"abc","unit":"°C","value":1})", limits).c_str());
    STRCMP_EQUAL("reading 0: \"channel\" is longer than 3 bytes",
                 error_of(R"({"channel":"abcd","value":1})", limits).c_str());
    STRCMP_EQUAL("reading 0: \"unit\" is longer than 3 bytes",
                 error_of(R"({"channel":"abc","unit":"°°","value":1})", limits).c_str());
}

TEST_GROUP(ValuesToJson){};

TEST(ValuesToJson, are_as_short_as_they_can_be) {
    STRCMP_EQUAL("21.0", written(21.0).c_str());
    STRCMP_EQUAL("-0.0", written(-0.0).c_str());
    STRCMP_EQUAL("0.1", written(0.1).c_str());
    STRCMP_EQUAL("1e+300", written(1e300).c_str());
    STRCMP_EQUAL("74.93588199999998", written(74.93588199999998).c_str());
    STRCMP_EQUAL("21", written(std::int64_t{21}).c_str());
    STRCMP_EQUAL("-9223372036854775808", written(std::numeric_limits<std::int64_t>::min()).c_str());
    STRCMP_EQUAL("false", written(false).c_str());
    STRCMP_EQUAL(R"({"double":"NaN"})", written(std::nan("")).c_str());
    STRCMP_EQUAL(R"({"double":"-Infinity"})", written(-HUGE_VAL).c_str());
    STRCMP_EQUAL(R"({"base64":"AP8="})", written(Bytes{std::byte{0}, std::byte{0xFF}}).c_str());
    STRCMP_EQUAL(R"("a\"b\\c\n\u0001é")", written(std::string("a\"b\\c\n\x01é")).c_str());
}

TEST(ValuesToJson, come_back) {
    std::string every(128, '\0');
    for (std::size_t i = 0; i < every.size(); ++i) {
        every[i] = static_cast<char>(i);
    }
    for (const Value& value :
         {Value(21.0), Value(1e22), Value(5e-324), Value(std::int64_t{-5}), Value(true),
          Value(every), Value(std::string("€😀")), Value(Bytes(5, std::byte{0xAB}))}) {
        CHECK(value_of(written(value)) == value);
    }
}

TEST(ValuesToJson, what_is_not_utf8_becomes_the_replacement_character) {
    STRCMP_EQUAL("\"a\uFFFDb\uFFFD\uFFFDé\"", written(std::string("a\xFF"
                                                                  "b\xE2\x82"
                                                                  "é"))
                                                  .c_str());
}
