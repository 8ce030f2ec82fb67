#include "firmware/ingest/timekeeper.h"

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kBoot = 7;
constexpr std::int64_t kHubTime = 1'800'000'000'000'000;

Now at(Duration uptime, WallTime wall) {
    return {Instant(uptime), wall};
}
Now in_1970(Duration uptime) {
    return at(uptime, WallTime(uptime));
}
Now in_2027(Duration uptime) {
    return at(uptime, WallTime(std::chrono::sys_days{std::chrono::year{2027} / 1 / 1}) + uptime);
}

}  // namespace

TEST_GROUP(Timekeeper) {
    ingest::Timekeeper keeper{kBoot};
};

TEST(Timekeeper, a_set_clock_stamps_wall_time_to_the_millisecond_and_owes_no_fix) {
    const Now now = in_2027(1234567us);
    const ingest::Stamp stamp = keeper.stamp(now);
    CHECK(stamp.boot == 0);
    CHECK(stamp.time_us == now.wall.time_since_epoch().count() / 1000 * 1000);
    keeper.told(now, kHubTime);
    CHECK_FALSE(keeper.fix(now).has_value());
}

TEST(Timekeeper, an_unset_clock_stamps_boot_and_uptime) {
    const ingest::Stamp stamp = keeper.stamp(in_1970(5s + 1999us));
    CHECK(stamp.boot == kBoot);
    CHECK(stamp.time_us == 5'001'000);
    CHECK_FALSE(keeper.fix(in_1970(6s)).has_value());
}

TEST(Timekeeper, the_hubs_word_fixes_readings_stamped_before_it) {
    static_cast<void>(keeper.stamp(in_1970(5s)));
    keeper.told(in_1970(8s), kHubTime);
    const auto fix = keeper.fix(in_1970(9s));
    CHECK(fix == (journal::ClockFix{kBoot, 8'000'000, kHubTime}));
    CHECK_FALSE(keeper.fix(in_1970(10s)).has_value());
}

TEST(Timekeeper, the_hubs_word_fixes_readings_stamped_after_it) {
    keeper.told(in_1970(8s), kHubTime);
    CHECK_FALSE(keeper.fix(in_1970(8s)).has_value());
    static_cast<void>(keeper.stamp(in_1970(9s)));
    CHECK(keeper.fix(in_1970(9s)) == (journal::ClockFix{kBoot, 8'000'000, kHubTime}));
}

TEST(Timekeeper, a_clock_that_is_set_later_fixes_what_was_stamped_before) {
    static_cast<void>(keeper.stamp(in_1970(5s)));
    const Now set = in_2027(20s);
    const auto fix = keeper.fix(set);
    CHECK(fix == (journal::ClockFix{kBoot, 20'000'000, set.wall.time_since_epoch().count()}));
    CHECK(keeper.stamp(set).boot == 0);
}

TEST(Timekeeper, a_hub_whose_clock_is_not_set_tells_nothing) {
    static_cast<void>(keeper.stamp(in_1970(5s)));
    keeper.told(in_1970(8s), 12'000'000);
    CHECK_FALSE(keeper.fix(in_1970(9s)).has_value());
    keeper.told(in_1970(10s), kHubTime);
    CHECK(keeper.fix(in_1970(11s)) == (journal::ClockFix{kBoot, 10'000'000, kHubTime}));
}

TEST(Timekeeper, others_are_told_the_clock_or_the_hubs_word) {
    CHECK(keeper.wall(in_1970(5s)) == WallTime(5s));
    keeper.told(in_1970(8s), kHubTime);
    CHECK(keeper.wall(in_1970(10s)) == WallTime(Duration(kHubTime) + 2s));
    CHECK(keeper.wall(in_2027(11s)) == in_2027(11s).wall);
}

TEST(Timekeeper, a_fix_that_a_program_owed_when_it_stopped_is_given_by_the_next) {
    CHECK_FALSE(keeper.owes_fix());
    static_cast<void>(keeper.stamp(in_1970(5s)));
    CHECK(keeper.owes_fix());
    ingest::Timekeeper next(kBoot, true);
    CHECK(next.owes_fix());
    CHECK(next.fix(in_2027(20s)).has_value());
    CHECK_FALSE(next.owes_fix());
}
