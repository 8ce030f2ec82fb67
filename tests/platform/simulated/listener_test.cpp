#include "platform/simulated/listener.h"

#include <CppUTest/TestHarness.h>

#include "tests/platform/simulated/two_streams.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedListener) {
    TwoStreams world;
};

TEST(SimulatedListener, counts_its_streams_that_are_alive) {
    STRCMP_EQUAL("hub:80", world.listener->address().c_str());
    CHECK_EQUAL(0u, world.listener->connections());
    world.connect();
    CHECK_EQUAL(1u, world.listener->connections());
    world.hub.stream.reset();
    CHECK_EQUAL(0u, world.listener->connections());
}

TEST(SimulatedListener, its_streams_outlive_it_and_nobody_else_gets_in) {
    world.connect();
    world.listener.reset();
    world.device.say("x");
    world.pass(1s);
    STRCMP_EQUAL("x", world.hub.heard.c_str());
    world.begin();
    world.pass(1s);
    CHECK(world.failure->code == ErrorCode::refused);
    world.listen();
    world.failure.reset();
    world.begin();
    world.pass(1s);
    CHECK_FALSE(world.failure.has_value());
}

TEST(SimulatedListener, one_that_goes_before_its_stream_was_given_ends_it) {
    world.path.latency = 0us;
    world.begin();
    // The stream is there, and its event is not.
    while (world.network.open_sockets("hub") == 0) {
        CHECK(world.clock.step());
    }
    world.listener.reset();
    world.pass(1s);
    CHECK(world.hub.stream == nullptr);
    CHECK(world.device.end.has_value());
}
