#include "firmware/base/timer_wheel.h"

#include <memory>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

const Instant kStart{12345678us};

int expired(TimerWheel& wheel, Instant now) {
    wheel.advance(now);
    int count = 0;
    while (wheel.next_expired() != nullptr) {
        ++count;
    }
    return count;
}

}  // namespace

TEST_GROUP(TimerWheel){};

TEST(TimerWheel, expires_within_a_tick_after_the_deadline_and_never_before) {
    for (const Duration after : {Duration(0us), Duration(1us), Duration(99ms), Duration(100ms),
                                 Duration(5s), Duration(51s), Duration(52s), Duration(10min)}) {
        TimerWheel wheel(kStart);
        TimerWheel::Entry entry;
        wheel.schedule(entry, kStart + after);
        Instant now = kStart;
        while (expired(wheel, now) == 0) {
            now += 10ms;
        }
        CHECK(now >= kStart + after);
        CHECK(now <= kStart + after + TimerWheel::kTick + 10ms);
        CHECK_FALSE(entry.scheduled());
        CHECK_EQUAL(0u, wheel.size());
    }
}

TEST(TimerWheel, one_long_step_expires_all_that_is_due_and_no_more) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry soon;
    TimerWheel::Entry turn_later;
    TimerWheel::Entry never;
    wheel.schedule(soon, kStart + 1s);
    wheel.schedule(turn_later, kStart + 60s);
    wheel.schedule(never, kNever);
    CHECK_EQUAL(2, expired(wheel, kStart + 24h));
    CHECK(never.scheduled());
}

TEST(TimerWheel, cancelled_and_destroyed_entries_do_not_expire) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry cancelled;
    wheel.schedule(cancelled, kStart + 1s);
    TimerWheel::cancel(cancelled);
    TimerWheel::cancel(cancelled);
    {
        TimerWheel::Entry destroyed;
        wheel.schedule(destroyed, kStart + 1s);
    }
    CHECK_EQUAL(0u, wheel.size());
    CHECK_EQUAL(0, expired(wheel, kStart + 2s));
}

TEST(TimerWheel, rescheduling_moves_the_deadline) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry entry;
    wheel.schedule(entry, kStart + 1s);
    wheel.schedule(entry, kStart + 3s);
    CHECK_EQUAL(1u, wheel.size());
    CHECK_EQUAL(0, expired(wheel, kStart + 2s));
    CHECK_EQUAL(1, expired(wheel, kStart + 3s + 100ms));
}

TEST(TimerWheel, an_entry_may_be_cancelled_or_rescheduled_while_others_expire) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry first;
    auto second = std::make_unique<TimerWheel::Entry>();
    TimerWheel::Entry third;
    wheel.schedule(first, kStart + 1s);
    wheel.schedule(*second, kStart + 1s);
    wheel.schedule(third, kStart + 1s);
    wheel.advance(kStart + 2s);
    POINTERS_EQUAL(&first, wheel.next_expired());
    second.reset();
    wheel.schedule(third, kStart + 5s);
    POINTERS_EQUAL(nullptr, wheel.next_expired());
    CHECK_EQUAL(1u, wheel.size());
    CHECK_EQUAL(1, expired(wheel, kStart + 6s));
}

TEST(TimerWheel, time_that_goes_back_is_ignored) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry entry;
    wheel.schedule(entry, kStart + 1s);
    CHECK_EQUAL(0, expired(wheel, kStart - 5s));
    CHECK_EQUAL(1, expired(wheel, kStart + 2s));
}

TEST(TimerWheel, many_random_deadlines_are_each_met_once) {
    const unsigned seed = std::random_device{}();
    std::mt19937 random(seed);
    TimerWheel wheel(kStart);
    std::vector<std::unique_ptr<TimerWheel::Entry>> entries;
    for (int i = 0; i < 2000; ++i) {
        entries.push_back(std::make_unique<TimerWheel::Entry>());
        wheel.schedule(*entries.back(), kStart + std::chrono::milliseconds(random() % 200'000));
    }
    int met = 0;
    for (Instant now = kStart; now < kStart + 201s;
         now += std::chrono::milliseconds(random() % 700)) {
        met += expired(wheel, now);
    }
    met += expired(wheel, kStart + 202s);
    CHECK_EQUAL_TEXT(2000, met, ("seed " + std::to_string(seed)).c_str());
}

TEST(TimerWheel, next_due_is_the_tick_at_which_the_first_entry_expires) {
    TimerWheel wheel(kStart);
    CHECK(wheel.next_due() == kNever);
    TimerWheel::Entry never;
    wheel.schedule(never, kNever);
    CHECK(wheel.next_due() == kNever);
    for (const Duration after : {Duration(0us), Duration(1us), Duration(100ms), Duration(5s),
                                 Duration(51s), Duration(52s), Duration(10min), Duration(24h)}) {
        TimerWheel::Entry entry;
        TimerWheel::Entry later;
        wheel.schedule(later, kStart + after + 52s);
        wheel.schedule(entry, kStart + after);
        const Instant due = wheel.next_due();
        CHECK(due >= kStart + after);
        CHECK(due <= kStart + after + 2 * TimerWheel::kTick);
    }
    CHECK(wheel.next_due() == kNever);
}

TEST(TimerWheel, a_loop_that_sleeps_until_next_due_meets_every_deadline_in_time) {
    TimerWheel wheel(kStart);
    std::mt19937 random(7);
    std::vector<std::unique_ptr<TimerWheel::Entry>> entries;
    std::vector<Instant> deadlines;
    for (int i = 0; i < 300; ++i) {
        deadlines.push_back(kStart + std::chrono::milliseconds(random() % 400'000));
        entries.push_back(std::make_unique<TimerWheel::Entry>());
        wheel.schedule(*entries.back(), deadlines.back());
    }
    int met = 0;
    for (Instant now = wheel.next_due(); now != kNever; now = wheel.next_due()) {
        const int before = met;
        met += expired(wheel, now);
        CHECK(met > before);
        for (std::size_t i = 0; i < deadlines.size(); ++i) {
            CHECK(entries[i]->scheduled() || deadlines[i] <= now);
            CHECK(!entries[i]->scheduled() || deadlines[i] > now - TimerWheel::kTick);
        }
    }
    CHECK_EQUAL(300, met);
}

TEST(TimerWheel, next_due_is_now_while_something_has_expired_and_was_not_given) {
    TimerWheel wheel(kStart);
    TimerWheel::Entry entry;
    wheel.schedule(entry, kStart + 1s);
    wheel.advance(kStart + 2s);
    CHECK(wheel.next_due() <= kStart + 2s);
    CHECK(wheel.next_due() > kStart + 2s - TimerWheel::kTick);
}
