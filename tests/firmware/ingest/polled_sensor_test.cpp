#include "firmware/ingest/polled_sensor.h"

#include "platform/simulated/driver.h"
#include "tests/firmware/ingest/input_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ingest;
using namespace std::chrono_literals;

namespace {

journal::JournalOptions two_channels() {
    journal::JournalOptions options;
    options.channels_per_origin = 2;
    return options;
}

}  // namespace

TEST_GROUP(PolledSensor) {
    InputDesk desk{two_channels()};
    InputContext context = desk.context();
    std::vector<ports::Sample> found{{{"a", "V"}, 1.0}};
    Result<void> answer;
    std::vector<Instant> asked;

    std::unique_ptr<PolledSensor> make(const SensorOptions& options) {
        auto driver = std::make_unique<simulated::Driver>(
            [this](std::vector<ports::Sample>& out) -> Result<void> {
                asked.push_back(desk.machine.now().monotonic);
                out.insert(out.end(), found.begin(), found.end());
                return answer;
            });
        return std::make_unique<PolledSensor>(context, options, std::move(driver),
                                              desk.machine.now().monotonic);
    }
    /// Asks it so many times, each when it is due.
    void run(PolledSensor & sensor, int times) {
        for (int i = 0; i < times; ++i) {
            desk.pass(std::max(Duration{}, sensor.due() - desk.machine.now().monotonic));
            sensor.sample(desk.machine.now());
        }
    }
    Duration interval(std::size_t n) {
        return asked.at(n) - asked.at(n - 1);
    }
};

// ---- The schedule

TEST(PolledSensor, the_first_values_come_at_once_and_then_at_multiples_of_the_interval) {
    desk.pass(1234ms);
    const auto sensor = make({.driver = "d", .interval = 5s, .path = ""});
    CHECK_TRUE(sensor->due() == desk.machine.now().monotonic);
    run(*sensor, 4);
    CHECK_TRUE(asked[0].time_since_epoch() == 4234ms);
    CHECK_TRUE(asked[1].time_since_epoch() == 5s);
    CHECK_TRUE(asked[2].time_since_epoch() == 10s);
    CHECK_TRUE(asked[3].time_since_epoch() == 15s);
}

TEST(PolledSensor, one_that_was_asked_late_keeps_to_the_multiples_and_makes_up_for_nothing) {
    const auto sensor = make({.driver = "d", .interval = 5s, .path = ""});
    desk.pass(14s);  // 17 s after the boot
    sensor->sample(desk.machine.now());
    CHECK_TRUE(sensor->due().time_since_epoch() == 20s);
}

TEST(PolledSensor, sensors_of_one_interval_carry_one_stamp_and_share_a_batch) {
    const auto one = make({.driver = "d", .interval = 5s, .path = ""});
    run(*one, 1);
    desk.pass(1s);
    const auto other = make({.driver = "e", .interval = 5s, .path = ""});
    run(*other, 1);
    desk.commit();
    found = {{{"b", "V"}, 2.0}};
    CHECK_TRUE(one->due() == other->due());
    run(*one, 1);
    run(*other, 1);
    desk.commit();
    const auto readings = desk.readings();
    LONGS_EQUAL(4, readings.size());
    CHECK_TRUE(readings[2].time_us == readings[3].time_us);
    CHECK_TRUE(readings[1].time_us != readings[2].time_us);
}

TEST(PolledSensor, readings_carry_boot_and_uptime_while_the_clock_is_not_set) {
    desk.machine.boot(7, false);
    const auto sensor = make({.driver = "d", .path = ""});
    run(*sensor, 1);
    desk.commit();
    LONGS_EQUAL(7, desk.batches().at(0).boot);
    LONGS_EQUAL(3'000'000, desk.batches().at(0).readings.at(0).time_us);
}

// ---- Failures

TEST(PolledSensor, one_that_gives_nothing_but_errors_is_asked_less_and_less_often_up_to_a_minute) {
    const auto sensor = make({.driver = "d", .interval = 1s, .path = ""});
    found.clear();
    answer = fail(ErrorCode::io, "the bus hangs");
    run(*sensor, 30);
    CHECK_TRUE(interval(1) == 1s);  // 3 s after the boot to the next multiple of 2 s
    CHECK_TRUE(interval(2) == 4s);
    CHECK_TRUE(interval(3) == 8s);
    for (std::size_t n = 10; n < asked.size(); ++n) {
        CHECK_TRUE(interval(n) == 60s);
    }
    answer = {};
    found = {{{"a", "V"}, 1.0}};
    run(*sensor, 3);
    CHECK_TRUE(interval(asked.size() - 1) == 1s);
}

TEST(PolledSensor, one_whose_interval_is_longer_than_a_minute_keeps_it) {
    const auto sensor = make({.driver = "d", .interval = 1h, .path = ""});
    found.clear();
    answer = fail(ErrorCode::io, "the bus hangs");
    run(*sensor, 5);
    CHECK_TRUE(interval(4) == 1h);
}

TEST(PolledSensor, one_that_gives_something_beside_its_error_is_asked_as_ever) {
    const auto sensor = make({.driver = "d", .interval = 1s, .path = ""});
    answer = fail(ErrorCode::not_found, "one of them vanished");
    run(*sensor, 5);
    CHECK_TRUE(interval(4) == 1s);
    desk.commit();
    LONGS_EQUAL(5, desk.readings().size());
}

TEST(PolledSensor, an_error_is_logged_once_and_its_end_too) {
    const auto sensor = make({.driver = "d", .interval = 1s, .path = ""});
    answer = fail(ErrorCode::io, "the bus hangs");
    run(*sensor, 5);
    LONGS_EQUAL(1, desk.logged("sensors: d: the bus hangs"));
    STRCMP_EQUAL("the bus hangs", sensor->state().last_error.c_str());
    answer = {};
    run(*sensor, 5);
    LONGS_EQUAL(1, desk.logged("sensors: d: well again"));
    LONGS_EQUAL(2, desk.log.size());
}

// ---- What is kept

TEST(PolledSensor, only_what_changes_is_kept_where_that_is_asked_for) {
    const auto sensor =
        make({.driver = "d", .interval = 1s, .on_change = true, .dead_band = 0.5, .path = ""});
    run(*sensor, 5);
    found[0].value = 1.4;
    run(*sensor, 1);
    found[0].value = 1.6;
    run(*sensor, 5);
    desk.commit();
    const auto readings = desk.readings();
    LONGS_EQUAL(2, readings.size());
    CHECK_TRUE(readings[1].value == telemetry::Value(1.6));
}

TEST(PolledSensor, a_channel_that_is_refused_costs_itself_only_and_is_logged_once) {
    const auto sensor = make({.driver = "d", .interval = 1s, .path = ""});
    found = {{{"a", "V"}, 1.0}, {{"b", "V"}, 2.0}, {{"c", "V"}, 3.0}};
    run(*sensor, 5);
    desk.commit();
    LONGS_EQUAL(10, desk.readings().size());
    STRCMP_CONTAINS("channel", sensor->state().last_error.c_str());
    LONGS_EQUAL(1, desk.log.size());
}

TEST(PolledSensor, its_state_tells_the_channels_and_the_time_of_the_last_values) {
    const auto sensor = make({.driver = "d", .interval = 1s, .path = ""});
    LONGS_EQUAL(0, sensor->state().channels);
    CHECK_FALSE(sensor->state().last_time.has_value());
    found = {{{"a", "V"}, 1.0}, {{"b", "V"}, 2.0}};
    run(*sensor, 1);
    LONGS_EQUAL(2, sensor->state().channels);
    CHECK_TRUE(sensor->state().last_time == desk.machine.now().wall);
    found.pop_back();
    run(*sensor, 1);
    LONGS_EQUAL(2, sensor->state().channels);
    STRCMP_EQUAL("d", sensor->state().driver.c_str());
}
