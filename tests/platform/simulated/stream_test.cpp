#include "platform/simulated/stream.h"

#include <string>

#include <CppUTest/TestHarness.h>

#include "tests/platform/simulated/two_streams.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedStream) {
    TwoStreams world;
    NotingOwner& device = world.device;
    NotingOwner& hub = world.hub;
};

TEST(SimulatedStream, bytes_pass_both_ways_and_are_counted) {
    world.connect();
    device.say("one ");
    device.say("two");
    STRCMP_EQUAL("", hub.heard.c_str());
    world.pass(1s);
    STRCMP_EQUAL("one two", hub.heard.c_str());
    hub.say("three");
    world.pass(1s);
    STRCMP_EQUAL("three", device.heard.c_str());
    CHECK_EQUAL(7u, device.stream->bytes_sent());
    CHECK_EQUAL(7u, device.stream->bytes_acknowledged());
    CHECK_EQUAL(5u, device.stream->bytes_received());
    CHECK_EQUAL(7u, hub.stream->bytes_received());
    STRCMP_EQUAL("hub:80", device.stream->peer().c_str());
    STRCMP_CONTAINS("device:", hub.stream->peer().c_str());
}

TEST(SimulatedStream, what_is_given_during_on_bytes_leaves_in_one_piece_after_it) {
    world.connect();
    hub.then = [&] {
        hub.say("a");
        append(hub.stream->cork(), "b");
        hub.stream->send_corked();
        hub.stream->send_in_place(as_bytes("c"));
        hub.stream->send(std::make_shared<const Bytes>(1, std::byte{'d'}));
        CHECK_EQUAL(4u, hub.stream->unsent_bytes());
    };
    device.say("x");
    world.pass(1s);
    STRCMP_EQUAL("abcd", device.heard.c_str());
    CHECK_EQUAL(4u, device.stream->bytes_received());
    CHECK_EQUAL(0u, hub.stream->unsent_bytes());
}

TEST(SimulatedStream, bytes_are_acknowledged_when_they_are_there) {
    world.connect();
    device.say("x");
    world.pass(0us);
    CHECK_EQUAL(1u, device.stream->bytes_sent());
    CHECK_EQUAL(0u, device.stream->bytes_acknowledged());
    world.pass(1s);
    CHECK_EQUAL(1u, device.stream->bytes_acknowledged());
}

TEST(SimulatedStream, send_says_when_more_waits_than_the_limit_and_on_writable_follows_at_half) {
    world.connect();
    hub.stream->pause();
    const Bytes block(2000, std::byte{'x'});
    bool taken = true;
    std::size_t sent = 0;
    for (; taken && sent < 50'000; sent += block.size()) {
        taken = device.stream->send(ByteView(block));
    }
    CHECK_FALSE(taken);
    CHECK_EQUAL(12'000u, sent);
    world.pass(1min);
    CHECK_EQUAL(0u, device.writables);
    CHECK(device.stream->unsent_bytes() > 6000);
    CHECK(device.stream->bytes_sent() <= 4001);
    std::size_t unsent_then = 0;
    device.when_writable = [&] { unsent_then = device.stream->unsent_bytes(); };
    hub.stream->resume();
    world.pass(1min);
    CHECK_EQUAL(1u, device.writables);
    CHECK(unsent_then <= 6000);
    CHECK_EQUAL(12'000u, hub.heard.size());
}

TEST(SimulatedStream, a_paused_one_hears_nothing_until_it_is_resumed) {
    world.connect();
    hub.stream->pause();
    device.say("x");
    world.pass(1min);
    STRCMP_EQUAL("", hub.heard.c_str());
    hub.stream->resume();
    STRCMP_EQUAL("", hub.heard.c_str());
    world.pass(0us);
    STRCMP_EQUAL("x", hub.heard.c_str());
}

TEST(SimulatedStream, what_came_before_the_start_is_heard_after_it) {
    world.starts = false;
    world.connect();
    device.say("early");
    world.pass(1s);
    hub.take(std::move(world.waiting));
    STRCMP_EQUAL("", hub.heard.c_str());
    world.pass(0us);
    STRCMP_EQUAL("early", hub.heard.c_str());
}

TEST(SimulatedStream, an_end_before_the_start_is_told_after_it) {
    world.starts = false;
    world.connect();
    device.say("x");
    device.stream->abort();
    world.pass(1s);
    hub.take(std::move(world.waiting));
    CHECK_FALSE(hub.end.has_value());
    world.pass(0us);
    CHECK(hub.end.has_value());
}

TEST(SimulatedStream, shutdown_sends_what_waits_and_ends_when_the_peer_does) {
    world.connect();
    device.say(std::string(9000, 'x'));
    device.stream->shutdown(10s);
    CHECK_FALSE(device.end.has_value());
    world.pass(1s);
    CHECK_EQUAL(9000u, hub.heard.size());
    CHECK(hub.end.has_value());
    CHECK(hub.end->code == ErrorCode::closed);
    CHECK(device.end.has_value());
    CHECK(device.end->code == ErrorCode::closed);
}

TEST(SimulatedStream, the_peer_may_answer_the_last_bytes_before_its_end) {
    world.connect();
    hub.then = [&] { hub.say("answer"); };
    device.say("x");
    device.stream->shutdown(10s);
    world.pass(1s);
    CHECK(hub.end->code == ErrorCode::closed);
    CHECK(device.end->code == ErrorCode::closed);
    STRCMP_EQUAL("", device.heard.c_str());  // nobody hears it any more
}

TEST(SimulatedStream, shutdown_waits_for_the_peer_no_longer_than_it_is_told) {
    world.connect();
    hub.stream->pause();
    device.say(std::string(20'000, 'x'));
    device.stream->shutdown(10s);
    world.pass(9s);
    CHECK_FALSE(device.end.has_value());
    world.pass(2s);
    CHECK(device.end->code == ErrorCode::timeout);
    STRCMP_CONTAINS("did not take the last", device.end->message.c_str());
    hub.stream->resume();
    world.pass(1s);
    CHECK(hub.end->code == ErrorCode::io);
}

TEST(SimulatedStream, shutdown_while_the_peer_ends_too_sends_the_rest) {
    world.connect();
    hub.stream->pause();
    device.say(std::string(20'000, 'x'));
    device.stream->shutdown(10s);
    world.pass(1s);
    hub.stream->resume();
    hub.stream->shutdown(10s);
    world.pass(1s);
    CHECK(device.end->code == ErrorCode::closed);
    CHECK(hub.end->code == ErrorCode::closed);
}

TEST(SimulatedStream, abort_is_told_to_the_peer_and_not_to_the_owner) {
    world.connect();
    device.say("x");
    world.pass(0us);
    device.stream->abort();
    world.pass(1s);
    CHECK_FALSE(device.end.has_value());
    CHECK(hub.end->code == ErrorCode::io);
    CHECK_EQUAL(0u, world.network.open_sockets("device"));
    CHECK_EQUAL(0u, world.network.open_sockets("hub"));
}

TEST(SimulatedStream, the_owner_may_destroy_it_in_each_call) {
    world.connect();
    hub.then = [&] {
        hub.say("y");
        hub.stream.reset();
    };
    device.say("x");
    world.pass(1s);
    CHECK(device.end.has_value());
    CHECK(hub.stream == nullptr);
}

TEST(SimulatedStream, whoever_listens_is_told_what_the_owner_is_told_and_no_more) {
    std::string overheard;
    world.options.heard = [&](SocketId, ByteView bytes) { overheard += as_text(bytes); };
    world.listener.reset();
    world.listen();
    world.connect();
    device.say("x");
    world.pass(1s);
    STRCMP_EQUAL("x", overheard.c_str());
    device.say("y");
    hub.stream->shutdown(10s);
    world.pass(1s);
    STRCMP_EQUAL("x", overheard.c_str());
}

TEST(SimulatedStream, a_peer_that_has_no_power_ends_it_by_its_retransmissions) {
    world.connect();
    world.network.power_off("hub");
    device.say("x");
    world.pass(16min);
    CHECK(device.end->code == ErrorCode::timeout);
}
