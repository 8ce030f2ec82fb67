#include "platform/simulated/connector.h"

#include <CppUTest/TestHarness.h>

#include "platform/simulated/relay.h"
#include "tests/platform/simulated/two_streams.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedConnector) {
    TwoStreams world;
    Path to_proxy{.to = "proxy", .latency = 10ms};
    std::unique_ptr<Relay> proxy;

    void put_proxy(RelayOptions options) {
        proxy = std::make_unique<Relay>(world.network, "proxy", Path{.to = "hub"});
        proxy->options = options;
        proxy->options.manner = Manner::tunnel;
        world.connector =
            std::make_unique<Connector>(world.clock, world.network,
                                        ConnectorOptions{.from = "device",
                                                         .direct = &world.path,
                                                         .proxied = &to_proxy,
                                                         .proxy = http::Proxy{.host = "proxy",
                                                                              .port = 3128,
                                                                              .user = "user",
                                                                              .password = "secret"},
                                                         .stream = world.options});
    }
    void check_failure(ErrorCode code, const char* part) {
        CHECK(world.failure.has_value());
        CHECK(world.failure->code == code);
        STRCMP_CONTAINS(part, world.failure->message.c_str());
        CHECK(world.attempt == nullptr);
    }
};

TEST(SimulatedConnector, done_is_never_called_before_connect_returns) {
    world.path.latency = 0us;
    world.begin();
    CHECK(world.attempt != nullptr);
    CHECK(world.device.stream == nullptr);
    world.pass(0us);
    CHECK(world.device.stream != nullptr);
}

TEST(SimulatedConnector, tells_why_there_is_no_stream) {
    world.path.resolves = false;
    world.begin();
    world.pass(1min);
    check_failure(ErrorCode::not_found, "hub:80");
    world.path.resolves = true;
    world.path.outage_until = world.clock.now() + 1h;
    world.begin();
    world.pass(1min);
    check_failure(ErrorCode::timeout, "hub:80");
    world.path.outage_until = {};
    world.listener.reset();
    world.begin();
    world.pass(1min);
    check_failure(ErrorCode::refused, "hub:80");
}

TEST(SimulatedConnector, a_destroyed_attempt_is_given_up) {
    world.begin();
    world.attempt.reset();
    world.pass(1min);
    CHECK(world.device.stream == nullptr);
    CHECK_FALSE(world.failure.has_value());
    CHECK_EQUAL(0u, world.network.open_sockets("device"));
}

TEST(SimulatedConnector, goes_through_a_proxy_with_its_credentials) {
    put_proxy({.authorization = "Basic dXNlcjpzZWNyZXQ="});
    world.begin(true);
    world.pass(1s);
    CHECK_FALSE(world.failure.has_value());
    world.device.say("x");
    world.pass(1s);
    STRCMP_EQUAL("x", world.hub.heard.c_str());
}

TEST(SimulatedConnector, what_comes_right_behind_the_proxys_answer_is_not_lost) {
    put_proxy({});
    struct Chatty final : ports::Acceptor {
        NotingOwner owner;
        void accepted(std::unique_ptr<ports::Stream> stream) override {
            owner.take(std::move(stream));
            owner.say("hello");
        }
        void failed(const std::string&, const Error&) override {}
    } chatty;
    world.listener.reset();
    world.listener = std::make_unique<Listener>(world.clock, world.network, "hub", chatty);
    to_proxy.bytes_per_second = 100;  // so that it comes in one piece with the answer
    world.begin(true);
    world.pass(10s);
    STRCMP_EQUAL("hello", world.device.heard.c_str());
}

TEST(SimulatedConnector, a_proxys_refusal_is_told_with_its_name) {
    put_proxy({.status = 403});
    world.begin(true);
    world.pass(1s);
    check_failure(ErrorCode::refused, "proxy:3128");
    put_proxy({.authorization = "Basic other"});
    world.failure.reset();
    world.begin(true);
    world.pass(1s);
    check_failure(ErrorCode::unauthorized, "proxy:3128");
}

TEST(SimulatedConnector, a_proxy_that_does_not_answer_or_goes_away_is_told) {
    put_proxy({});
    world.network.listen("proxy", nullptr);
    world.begin(true);
    world.pass(1s);
    check_failure(ErrorCode::refused, "proxy:3128");
    proxy->start();
    to_proxy.latency = 2s;
    proxy->onward().outage_until = world.clock.now() + 1h;
    world.failure.reset();
    world.begin(true);
    world.pass(1min);
    check_failure(ErrorCode::timeout, "CONNECT");
}

TEST(SimulatedConnector, names_the_network_that_it_is_on) {
    STRCMP_EQUAL("lan", world.connector->network_name().c_str());
    world.connector->move_to("elsewhere");
    STRCMP_EQUAL("elsewhere", world.connector->network_name().c_str());
}
