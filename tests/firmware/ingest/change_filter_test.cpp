#include "firmware/ingest/change_filter.h"

#include <limits>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using holdfast::ingest::ChangeFilter;
using holdfast::ports::Sample;
using holdfast::telemetry::Value;

namespace {

/// Which of the values pass, one after the other on one channel: "1" or "0" each.
std::string passed(double dead_band, const std::vector<Value>& values) {
    ChangeFilter filter(dead_band);
    std::string out;
    for (const Value& value : values) {
        std::vector<Sample> samples{{{"a channel", ""}, value}};
        filter.apply(samples);
        out += std::to_string(samples.size());
    }
    return out;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
Value integer(std::int64_t number) {
    return number;
}

}  // namespace

TEST_GROUP(ChangeFilter){};

TEST(ChangeFilter, numbers_pass_when_they_differ_from_the_last_kept_by_more_than_the_dead_band) {
    STRCMP_EQUAL("100010", passed(0.5, {1.0, 1.25, 1.5, 0.5, 1.75, 1.5}).c_str());
    STRCMP_EQUAL("1010", passed(0, {1.0, 1.0, 1.5, 1.5}).c_str());
}

TEST(ChangeFilter, a_slow_drift_passes_in_the_end) {
    STRCMP_EQUAL("10101", passed(0.25, {1.0, 1.25, 1.5, 1.75, 2.0}).c_str());
}

TEST(ChangeFilter, integers_compare_without_overflow) {
    const auto least = std::numeric_limits<std::int64_t>::min();
    const auto most = std::numeric_limits<std::int64_t>::max();
    STRCMP_EQUAL("110", passed(1e18, {integer(least), integer(most), integer(most)}).c_str());
    STRCMP_EQUAL("1001", passed(2, {integer(0), integer(2), integer(-2), integer(3)}).c_str());
}

TEST(ChangeFilter, nan_and_infinities_change_once) {
    STRCMP_EQUAL("1010101", passed(0.5, {1.0, 1.0, kNan, kNan, 1.0, 1.0, kInfinity}).c_str());
    STRCMP_EQUAL("101", passed(0.5, {kInfinity, kInfinity, -kInfinity}).c_str());
}

TEST(ChangeFilter, texts_and_booleans_pass_when_they_differ_at_all) {
    STRCMP_EQUAL("101", passed(9, {std::string("a"), std::string("a"), std::string("b")}).c_str());
    STRCMP_EQUAL("1001", passed(9, {true, true, true, false}).c_str());
}

TEST(ChangeFilter, a_change_of_type_is_a_change) {
    STRCMP_EQUAL("1111", passed(9, {1.0, integer(1), true, std::string("1")}).c_str());
}

TEST(ChangeFilter, channels_are_apart) {
    ChangeFilter filter(0);
    std::vector<Sample> samples{{{"a", ""}, 1.0}, {{"b", ""}, 1.0}, {{"a", ""}, 1.0}};
    filter.apply(samples);
    LONGS_EQUAL(2, samples.size());
    STRCMP_EQUAL("b", samples[1].channel.name.c_str());
}
