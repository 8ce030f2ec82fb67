#include "platform/simulated/loop.h"

#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

namespace {

struct NotingTimeout final : ports::Timeout {
    explicit NotingTimeout(Clock& clock) : world(clock) {}
    void expired() override { at = world.now(); }
    Clock& world;
    std::optional<Instant> at;
};

}  // namespace

TEST_GROUP(SimulatedLoop) {
    Clock world;
    MachineClock machine{world, WallTime{1'796'000'000s}, 1};
    std::optional<Loop> loop;
    std::string done;

    void setup() override {
        // An hour of uptime behind what the simulation shows: the two must not be mixed up.
        pass(1h);
        machine.boot(2, true);
        loop.emplace(world, machine);
    }
    void pass(Duration time) {
        world.run_until(world.now() + time);
    }
};

TEST(SimulatedLoop, posted_events_run_after_the_present_one_in_order) {
    loop->post([this] {
        done += "a";
        loop->post([this] { done += "c"; });
        done += "b";
    });
    loop->post([this] { done += "B"; });
    STRCMP_EQUAL("", done.c_str());
    pass(0us);
    STRCMP_EQUAL("abBc", done.c_str());
}

TEST(SimulatedLoop, nothing_happens_after_the_loop_has_ended) {
    NotingTimeout timeout(world);
    loop->post([this] {
        done += "a";
        loop.reset();
    });
    loop->post([this] { done += "b"; });
    loop->schedule(timeout, 1s);
    const auto timer = loop->make_timer([this] { done += "c"; });
    timer->arm(machine.now().monotonic + 1s);
    pass(1min);
    STRCMP_EQUAL("a", done.c_str());
    CHECK_FALSE(timeout.at.has_value());
}

TEST(SimulatedLoop, a_timer_fires_exactly_and_once) {
    int fired = 0;
    std::optional<Instant> at;
    const auto timer = loop->make_timer([&] {
        ++fired;
        at = world.now();
    });
    const Instant due = world.now() + 1234567us;
    timer->arm(machine.now().monotonic + 1234567us);
    pass(1h);
    CHECK(at == due);
    CHECK_EQUAL(1, fired);
}

TEST(SimulatedLoop, arming_again_replaces_the_deadline_and_the_past_is_due_at_once) {
    std::vector<Duration> fired;
    const Instant began = world.now();
    const auto timer = loop->make_timer([&] { fired.push_back(world.now() - began); });
    const Instant now = machine.now().monotonic;
    timer->arm(now + 10s);
    timer->arm(now + 2s);
    pass(5s);
    timer->arm(now + 6s);
    timer->arm(now + 20s);
    pass(10s);
    CHECK_EQUAL(1u, fired.size());
    pass(10s);
    timer->arm(now);
    CHECK_EQUAL(2u, fired.size());
    pass(0us);
    timer->arm(now + 100s);
    timer->arm(kNever);
    pass(1h);
    CHECK(fired == std::vector<Duration>({2s, 20s, 25s}));
}

TEST(SimulatedLoop, a_timer_that_is_moved_on_again_and_again_costs_few_events) {
    int fired = 0;
    const auto timer = loop->make_timer([&] { ++fired; });
    const std::uint64_t before = world.events();
    for (int i = 0; i < 1000; ++i) {
        timer->arm(machine.now().monotonic + 10s);
        pass(10ms);
    }
    CHECK_EQUAL(0, fired);
    CHECK(world.events() - before < 5);
}

TEST(SimulatedLoop, a_destroyed_timer_and_a_cancelled_timeout_do_not_fire) {
    NotingTimeout timeout(world);
    auto timer = loop->make_timer([this] { done += "t"; });
    timer->arm(machine.now().monotonic + 1s);
    loop->schedule(timeout, 1s);
    timer.reset();
    timeout.cancel();
    pass(1min);
    STRCMP_EQUAL("", done.c_str());
    CHECK_FALSE(timeout.at.has_value());
}

TEST(SimulatedLoop, a_timeout_expires_within_a_tick_after_its_time) {
    for (const Duration after :
         {Duration(0us), Duration(1us), Duration(150ms), Duration(52s), Duration(24h)}) {
        NotingTimeout timeout(world);
        const Instant began = world.now();
        loop->schedule(timeout, after);
        pass(after + 2 * TimerWheel::kTick);
        CHECK(timeout.at.has_value());
        CHECK(*timeout.at >= began + after);
        CHECK(*timeout.at <= began + after + TimerWheel::kTick);
        pass(12'345us);
    }
}

TEST(SimulatedLoop, a_fortnight_in_which_little_is_due_costs_few_events) {
    NotingTimeout near(world);
    NotingTimeout far(world);
    const std::uint64_t before = world.events();
    loop->schedule(near, 1min);
    loop->schedule(far, 24h * 14);
    loop->schedule(near, 2min);  // moved on
    pass(24h * 15);
    CHECK(near.at.has_value());
    CHECK(far.at.has_value());
    CHECK(world.events() - before < 6);
}

TEST(SimulatedLoop, a_timeout_may_be_scheduled_again_when_it_expires) {
    struct Beat final : ports::Timeout {
        explicit Beat(Loop& owner) : loop(owner) {}
        void expired() override {
            ++beats;
            loop.schedule(*this, 1s);
        }
        Loop& loop;
        int beats = 0;
    } beat(*loop);
    loop->schedule(beat, 1s);
    pass(10s + 50ms);
    CHECK(beat.beats >= 9);
    CHECK(beat.beats <= 10);
}
