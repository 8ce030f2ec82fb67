#include "platform/simulated/machine_clock.h"

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

namespace {

constexpr WallTime kStart{1'796'000'000s};

}  // namespace

TEST_GROUP(SimulatedMachineClock) {
    Clock world;
    MachineClock clock{world, kStart, 7};

    void pass(Duration time) {
        world.run_until(world.now() + time);
    }
};

TEST(SimulatedMachineClock, a_right_clock_shows_the_true_time_and_says_that_it_is_synchronised) {
    pass(10s);
    CHECK(clock.now().monotonic == Instant{} + 13s);
    CHECK(clock.now().wall == kStart + 10s);
    CHECK(clock.true_time() == kStart + 10s);
    CHECK(clock.is_synchronised());
    CHECK_EQUAL(7u, clock.boot_id());
}

TEST(SimulatedMachineClock, a_boot_without_battery_begins_in_1970_until_the_clock_is_set) {
    pass(10s);
    clock.boot(8, false);
    pass(2s);
    CHECK_EQUAL(8u, clock.boot_id());
    CHECK(clock.now().monotonic == Instant{} + 5s);
    CHECK(clock.now().wall == WallTime{5s});
    CHECK_FALSE(clock.is_synchronised());
    clock.set();
    CHECK(clock.now().wall == kStart + 12s);
    CHECK(clock.now().monotonic == Instant{} + 5s);
    CHECK(clock.is_synchronised());
}

TEST(SimulatedMachineClock, a_step_moves_the_wall_clock_alone_until_it_is_set_right) {
    clock.step(-1h);
    CHECK(clock.now().wall == kStart - 1h);
    CHECK(clock.now().monotonic == Instant{} + 3s);
    CHECK_FALSE(clock.is_synchronised());
    clock.set();
    CHECK(clock.now().wall == kStart);
}

TEST(SimulatedMachineClock, some_kernels_never_say_that_the_clock_is_synchronised) {
    clock.synchronises(false);
    CHECK_FALSE(clock.is_synchronised());
}

TEST(SimulatedMachineClock, its_own_time_is_turned_into_that_of_the_simulation) {
    pass(10s);
    clock.boot(8, true);
    pass(1s);
    CHECK(clock.simulated_time(clock.now().monotonic) == world.now());
    CHECK(clock.simulated_time(clock.now().monotonic + 5s) == world.now() + 5s);
    CHECK(clock.simulated_time(kNever) == kNever);
}
