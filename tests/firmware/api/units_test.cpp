#include "firmware/api/units.h"

#include <CppUTest/TestHarness.h>

using namespace holdfast::api;

TEST_GROUP(Units){};

TEST(Units, a_measured_span_is_as_exact_as_one_wants_to_know_it) {
    STRCMP_EQUAL("0 s", span(0).c_str());
    STRCMP_EQUAL("4.2 s", span(4.21).c_str());
    STRCMP_EQUAL("5 s", span(5).c_str());
    STRCMP_EQUAL("10 s", span(9.96).c_str());
    STRCMP_EQUAL("599 s", span(599).c_str());
    STRCMP_EQUAL("10 min", span(600).c_str());
    STRCMP_EQUAL("31 min", span(1860).c_str());
    STRCMP_EQUAL("120 min", span(7199).c_str());
    STRCMP_EQUAL("2 h", span(7200).c_str());
    STRCMP_EQUAL("2.5 h", span(9000).c_str());
}

TEST(Units, how_long_something_lasts_is_told_in_whole_units) {
    STRCMP_EQUAL("less than 1 s", how_long(0.9).c_str());
    STRCMP_EQUAL("5 s", how_long(5.111181).c_str());
    STRCMP_EQUAL("119 s", how_long(119.9).c_str());
    STRCMP_EQUAL("2 min", how_long(120).c_str());
    STRCMP_EQUAL("119 min", how_long(7199).c_str());
    STRCMP_EQUAL("2 h", how_long(7200).c_str());
    STRCMP_EQUAL("47 h", how_long(2 * 86400 - 1).c_str());
    STRCMP_EQUAL("2 days", how_long(2 * 86400).c_str());
    STRCMP_EQUAL("1,000 days", how_long(1000.5 * 86400).c_str());
}

TEST(Units, ages) {
    STRCMP_EQUAL("in the future", ago(-61).c_str());
    STRCMP_EQUAL("just now", ago(-60).c_str());
    STRCMP_EQUAL("just now", ago(1.9).c_str());
    STRCMP_EQUAL("2 s ago", ago(2).c_str());
    STRCMP_EQUAL("31 min ago", ago(1900).c_str());
}

TEST(Units, sizes_have_a_decimal_below_a_hundred) {
    STRCMP_EQUAL("0 B", size(0).c_str());
    STRCMP_EQUAL("1023 B", size(1023).c_str());
    STRCMP_EQUAL("1.0 KiB", size(1024).c_str());
    STRCMP_EQUAL("20.1 KiB", size(20592).c_str());
    STRCMP_EQUAL("1.0 MiB", size(1065984).c_str());
    STRCMP_EQUAL("256 MiB", size(268435456).c_str());
    STRCMP_EQUAL("2048 GiB", size(2048.0 * (1u << 30)).c_str());
}

TEST(Units, counts_are_grouped_and_have_their_number) {
    STRCMP_EQUAL("0 readings", counted(0, "reading").c_str());
    STRCMP_EQUAL("1 reading", counted(1, "reading").c_str());
    STRCMP_EQUAL("999", grouped(999).c_str());
    STRCMP_EQUAL("1,000", grouped(1000).c_str());
    STRCMP_EQUAL("123,456", grouped(123456).c_str());
    STRCMP_EQUAL("1,234,567 readings", counted(1234567, "reading").c_str());
}
