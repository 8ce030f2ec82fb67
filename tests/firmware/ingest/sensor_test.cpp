#include "firmware/ingest/sensor.h"

#include "tests/firmware/ingest/input_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ingest;

TEST_GROUP(SensorState) {
    InputDesk desk;
    SensorState state{.driver = "hwmon", .channels = 0, .last_time = {}, .last_error = ""};
};

TEST(SensorState, an_error_is_logged_once_per_change) {
    state.report(desk.log_port, "no such file");
    state.report(desk.log_port, "no such file");
    LONGS_EQUAL(1, desk.log.size());
    STRCMP_EQUAL("sensors: hwmon: no such file", desk.log[0].second.c_str());
    CHECK_TRUE(desk.log[0].first == ports::Log::Level::warning);
    STRCMP_EQUAL("no such file", state.last_error.c_str());
    state.report(desk.log_port, "input/output error");
    LONGS_EQUAL(2, desk.log.size());
}

TEST(SensorState, that_it_is_well_again_is_said_once) {
    state.report(desk.log_port, "");
    LONGS_EQUAL(0, desk.log.size());
    state.report(desk.log_port, "no such file");
    state.report(desk.log_port, "");
    state.report(desk.log_port, "");
    LONGS_EQUAL(2, desk.log.size());
    STRCMP_EQUAL("sensors: hwmon: well again", desk.log[1].second.c_str());
    CHECK_TRUE(desk.log[1].first == ports::Log::Level::info);
    STRCMP_EQUAL("", state.last_error.c_str());
}

TEST(SensorState, there_is_room_only_for_a_quarter_of_memory_and_while_storage_is_well) {
    InputContext context = desk.context();
    CHECK_TRUE(context.has_room());
    static_cast<void>(desk.desk.push());
    desk.desk.store.fail_next();
    static_cast<void>(desk.desk.write());
    CHECK_FALSE(context.has_room());
    desk.pass(desk.desk.options.retry_delay);
    desk.commit();
    CHECK_TRUE(context.has_room());
    context.memory_bytes = desk.desk.journal->room() * 4;
    CHECK_FALSE(context.has_room());
    context.memory_bytes -= 4;
    CHECK_TRUE(context.has_room());
}
