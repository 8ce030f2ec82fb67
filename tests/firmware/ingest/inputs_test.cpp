#include "firmware/ingest/inputs.h"

#include "platform/simulated/driver.h"
#include "platform/simulated/line_source.h"
#include "tests/firmware/ingest/input_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ingest;
using namespace std::chrono_literals;

TEST_GROUP(Inputs) {
    InputDesk desk;
    simulated::LineFile file;
    std::vector<std::string> asked;
    std::unique_ptr<Inputs> inputs;

    void open(const std::vector<SensorOptions>& sensors) {
        inputs = std::make_unique<Inputs>(
            desk.context(), sensors,
            [this](const std::string& name) {
                return std::make_unique<simulated::Driver>(
                    [this, name](std::vector<ports::Sample>& out) -> Result<void> {
                        asked.push_back(name);
                        out.push_back({{name, "V"}, 1.0});
                        return {};
                    });
            },
            [this](const std::string&, ports::LinePosition start,
                   ports::LineSource::Handler handler) {
                return std::make_unique<simulated::LineSource>(desk.clock, file, start,
                                                               std::move(handler));
            });
    }
    void teardown() override {
        inputs.reset();
    }
    Instant turn() {
        return inputs->turn(desk.machine.now());
    }
};

TEST(Inputs, a_turn_asks_the_sensors_that_are_due_and_tells_when_the_next_one_is) {
    open(
        {{.driver = "a", .interval = 1s, .path = ""}, {.driver = "b", .interval = 3s, .path = ""}});
    CHECK_TRUE(turn() == desk.machine.now().monotonic + 1s);
    LONGS_EQUAL(2, asked.size());
    CHECK_TRUE(turn() == desk.machine.now().monotonic + 1s);
    LONGS_EQUAL(2, asked.size());  // nothing is due a second time
    desk.pass(1s);
    static_cast<void>(turn());
    LONGS_EQUAL(3, asked.size());
    STRCMP_EQUAL("a", asked.back().c_str());
    desk.pass(2s);
    static_cast<void>(turn());
    LONGS_EQUAL(5, asked.size());
}

TEST(Inputs, without_sensors_no_turn_is_needed) {
    open({{.driver = "lines", .path = "/log"}});
    CHECK_TRUE(turn() == kNever);
}

TEST(Inputs, lines_come_without_a_turn) {
    open({{.driver = "lines", .path = "/log"}});
    file.append(R"({"channel":"t","value":1})");
    desk.pass(1ms);
    LONGS_EQUAL(1, desk.appended);
    LONGS_EQUAL(2, desk.desk.journal->own_next_seq());
}

TEST(Inputs, states_tell_of_sensors_and_of_lines) {
    open({{.driver = "lines", .path = "/log"}, {.driver = "a", .path = ""}});
    static_cast<void>(turn());
    const std::vector<SensorState> states = inputs->states();
    LONGS_EQUAL(2, states.size());
    STRCMP_EQUAL("a", states[0].driver.c_str());
    LONGS_EQUAL(1, states[0].channels);
    STRCMP_EQUAL("lines /log", states[1].driver.c_str());
}

TEST(Inputs, after_a_stop_nothing_is_asked_and_no_line_is_taken) {
    open({{.driver = "a", .path = ""}, {.driver = "lines", .path = "/log"}});
    inputs->stop();
    file.append(R"({"channel":"t","value":1})");
    desk.pass(1min);
    CHECK_TRUE(turn() == kNever);
    LONGS_EQUAL(0, asked.size());
    LONGS_EQUAL(1, desk.desk.journal->own_next_seq());
    LONGS_EQUAL(0, inputs->states().size());
}

TEST(Inputs, that_the_journal_has_moved_is_told_to_all_lines) {
    open({{.driver = "lines", .path = "/log"}});
    static_cast<void>(desk.desk.push());
    desk.desk.store.fail_next();
    static_cast<void>(desk.desk.write());
    file.append(R"({"channel":"t","value":1})");
    desk.pass(1ms);
    file.append(R"({"channel":"t","value":2})");
    desk.pass(1ms);
    const std::uint64_t held = desk.desk.journal->own_next_seq();
    desk.pass(desk.desk.options.retry_delay);
    desk.commit();
    inputs->journal_moved();
    desk.pass(1ms);
    LONGS_EQUAL(held + 1, desk.desk.journal->own_next_seq());
}
