#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "platform/simulated/driver.h"
#include "platform/simulated/files.h"
#include "platform/simulated/log.h"
#include "platform/simulated/supervisor.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedSmallPorts) {
    Clock world;

    void pass(Duration time) {
        world.run_until(world.now() + time);
    }
};

TEST(SimulatedSmallPorts, a_files_state_differs_whenever_it_was_written) {
    Files files(world);
    CHECK(files.state("/node/tokens") == ports::FileState{});
    CHECK_FALSE(files.read("/node/tokens")->has_value());
    files.write("/node/tokens", "same");
    const ports::FileState first = files.state("/node/tokens");
    files.write("/node/tokens", "same");
    CHECK(files.state("/node/tokens") != first);
    STRCMP_EQUAL("same", files.read("/node/tokens")->value().c_str());
    files.fail_reads(true);
    CHECK(files.read("/node/tokens").error().code == ErrorCode::io);
    files.fail_reads(false);
    files.remove("/node/tokens");
    CHECK(files.state("/node/tokens") == ports::FileState{});
    CHECK_FALSE(files.read("/node/tokens")->has_value());
}

TEST(SimulatedSmallPorts, a_supervisor_would_have_ended_who_is_silent_for_too_long) {
    Supervisor supervisor(world, 10s);
    CHECK(supervisor.watchdog_interval() == 10s);
    pass(6s);
    supervisor.alive();
    pass(10s);
    CHECK_FALSE(supervisor.would_have_ended_it());
    pass(1us);
    CHECK(supervisor.would_have_ended_it());
    supervisor.alive();
    CHECK(supervisor.would_have_ended_it());
    CHECK_EQUAL(2u, supervisor.signs());
    CHECK(supervisor.silence() == 10s + 1us);
    Supervisor unwatched(world, std::nullopt);
    pass(1h);
    CHECK_FALSE(unwatched.would_have_ended_it());
}

TEST(SimulatedSmallPorts, a_driver_says_what_its_script_says) {
    Driver driver([](std::vector<ports::Sample>& out) -> Result<void> {
        out.push_back({{"simulated/a", "u"}, std::int64_t{7}});
        return fail(ErrorCode::io, "gone");
    });
    std::vector<ports::Sample> samples;
    CHECK(driver.sample(samples).error().code == ErrorCode::io);
    CHECK_EQUAL(1u, samples.size());
}

TEST(SimulatedSmallPorts, a_log_gives_on_what_it_is_told) {
    std::string told;
    Log log([&](Log::Level level, std::string_view message) {
        told += (level == Log::Level::warning ? "warning " : "") + std::string(message);
    });
    log.warning("x");
    STRCMP_EQUAL("warning x", told.c_str());
    Log nobody;
    nobody.info("x");
}
