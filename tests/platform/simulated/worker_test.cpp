#include "platform/simulated/worker.h"

#include <optional>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedWorker) {
    Clock world;
    Duration took = 10ms;
    std::string said;
    std::optional<Worker> worker;

    void setup() override {
        worker.emplace(world, Worker::Times{[] { return 1ms; }, [this] { return took; }});
    }
    void run(const std::string& name) {
        worker->run([this, name] { say(name); }, [this, name] { say(name + " done"); });
    }
    void say(const std::string& what) {
        said += what + "@" + std::to_string(world.now().time_since_epoch() / 1ms) + " ";
    }
};

TEST(SimulatedWorker, tasks_run_one_after_the_other_and_take_their_time) {
    run("a");
    run("b");
    STRCMP_EQUAL("", said.c_str());
    world.run_until(Instant{} + 1s);
    STRCMP_EQUAL("a@1 a done@11 b@12 b done@22 ", said.c_str());
    run("c");
    world.run_until(Instant{} + 2s);
    STRCMP_EQUAL("a@1 a done@11 b@12 b done@22 c@1001 c done@1011 ", said.c_str());
}

TEST(SimulatedWorker, how_long_work_took_is_asked_after_it) {
    worker->run([this] { took = 5s; }, [this] { say("done"); });
    world.run_until(Instant{} + 1min);
    STRCMP_EQUAL("done@5001 ", said.c_str());
}

TEST(SimulatedWorker, a_destroyed_one_drops_what_waits_and_what_is_under_way) {
    run("a");
    run("b");
    world.run_until(Instant{} + 5ms);
    worker.reset();
    world.run_until(Instant{} + 1s);
    STRCMP_EQUAL("a@1 ", said.c_str());
}

TEST(SimulatedWorker, it_may_be_destroyed_and_given_work_within_done) {
    worker->run([] {}, [this] { run("next"); });
    world.run_until(Instant{} + 1s);
    STRCMP_EQUAL("next@12 next done@22 ", said.c_str());
    worker->run([] {}, [this] { worker.reset(); });
    run("never");
    world.run_until(Instant{} + 2s);
    STRCMP_EQUAL("next@12 next done@22 ", said.c_str());
}
