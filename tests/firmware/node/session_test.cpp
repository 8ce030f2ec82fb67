#include "firmware/node/session.h"

#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

namespace {

/// How exact the wheel of the coarse deadlines is, and a round trip.
constexpr Duration kLate = 1s;

}  // namespace

TEST_GROUP(Session) {
    World world;
    NodeDesk hub{world, "hub"};

    void setup() override {
        hub.listens().idle_timeout = 20s;
        hub.listens().message_timeout = 60s;
        hub.start();
    }
    std::string token() {
        return hub.give_token("dev");
    }
    /// What a device announces: how long its line may be silent.
    static Bytes silence(std::uint32_t milliseconds) {
        Bytes out;
        for (int shift = 24; shift >= 0; shift -= 8) {
            out.push_back(static_cast<std::byte>(milliseconds >> shift & 0xffu));
        }
        return out;
    }
    std::size_t connections() {
        return hub.node().server()->connections();
    }
};

// ---- Silence

TEST(Session, a_silent_peer_is_pinged_after_half_of_the_idle_timeout_and_dropped_after_all_of_it) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.answers_pings = false;
    const Instant opened = world.clock.now();
    world.pass(9s);
    LONGS_EQUAL(0, peer.pings);
    world.pass(1s + kLate);
    LONGS_EQUAL(1, peer.pings);
    CHECK_TRUE(peer.pinged_at - opened >= 9900ms);
    world.pass(7s);
    CHECK_FALSE(peer.ended_here);
    world.pass(3s + kLate);
    CHECK_TRUE(peer.ended_here);
    LONGS_EQUAL(1, peer.pings);
    LONGS_EQUAL(1, hub.logged("has been silent for too long"));
    LONGS_EQUAL(0, connections());
}

TEST(Session, a_peer_that_answers_pings_stays) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    world.pass(10min);
    CHECK_FALSE(peer.ended_here);
    CHECK_TRUE(peer.pings >= 50);
}

TEST(Session, a_peer_that_speaks_is_not_pinged) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    for (int i = 0; i < 20; ++i) {
        world.pass(8s);
        peer.ping();
    }
    LONGS_EQUAL(0, peer.pings);
    LONGS_EQUAL(20, peer.pongs);
}

TEST(Session, the_silence_that_a_device_announces_is_added_to_what_is_usual) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.answers_pings = false;
    device.ping(silence(299'001));
    const Instant announced = world.clock.now();
    world.pass(300s + 9s);
    LONGS_EQUAL(0, device.pings);
    world.pass(1s + kLate);
    LONGS_EQUAL(1, device.pings);
    world.pass(10s + kLate);
    CHECK_TRUE(device.ended_here);
    CHECK_TRUE(device.ended_at - announced >= 319s);
}

TEST(Session, a_shorter_announcement_replaces_a_longer_one) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.answers_pings = false;
    device.ping(silence(300'000));
    device.ping(silence(0));
    world.pass(20s + 2 * kLate);
    CHECK_TRUE(device.ended_here);
}

TEST(Session, no_announcement_keeps_a_dead_line_for_more_than_an_hour) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.answers_pings = false;
    device.ping(silence(0xffff'ffff));
    world.pass(1h + 20s + 10 * kLate);
    CHECK_TRUE(device.ended_here);
}

TEST(Session, only_a_line_announces_silence) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.answers_pings = false;
    peer.ping(silence(300'000));
    world.pass(20s + 2 * kLate);
    CHECK_TRUE(peer.ended_here);
}

// ---- Long messages

TEST(Session, a_message_that_is_not_finished_in_time_is_1008) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.begin_message();
    for (int i = 0; i < 59 - 9; ++i) {
        world.pass(1s - 50ms);
        device.go_on_with_message();
    }
    CHECK_FALSE(device.close_code.has_value());
    for (int i = 0; i < 11; ++i) {
        world.pass(1s - 50ms);
        device.go_on_with_message();
    }
    LONGS_EQUAL(1008, device.close_code.value_or(0));
    LONGS_EQUAL(1, hub.logged("did not finish a message in time"));
}

TEST(Session, while_a_message_is_still_arriving_a_sign_of_life_comes_every_four_seconds) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.begin_message();
    for (int i = 0; i < 40; ++i) {
        world.pass(1s - 50ms);
        device.go_on_with_message();
    }
    LONGS_EQUAL(10, device.pongs);
    LONGS_EQUAL(0, device.pings);
    CHECK_FALSE(device.ended_here);
}

TEST(Session, a_message_that_stands_still_gets_no_signs_and_is_dropped_as_silent) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.answers_pings = false;
    device.begin_message();
    world.pass(19s);
    LONGS_EQUAL(0, device.pongs);
    LONGS_EQUAL(1, device.pings);
    world.pass(1s + 2 * kLate);
    CHECK_TRUE(device.ended_here);
}

// ---- Peers that do not read

TEST(Session, a_live_reader_that_is_too_slow_is_closed_with_1013) {
    SocketClient slow(world), quick(world), pusher(world);
    LONGS_EQUAL(101, slow.open("/v1/live"));
    LONGS_EQUAL(101, quick.open("/v1/live"));
    LONGS_EQUAL(101, pusher.open("/v1/push"));
    slow.pause();
    const std::string large(100'000, 'x');
    for (int i = 0; i < 15; ++i) {
        pusher.text(R"({"channel":"t","value":")" + large + R"("})");
        world.pass(100ms);
    }
    LONGS_EQUAL(15, quick.messages.size());
    CHECK_FALSE(quick.ended_here);
    slow.resume();
    world.pass(1s);
    LONGS_EQUAL(1013, slow.close_code.value_or(0));
    CHECK_TRUE(slow.messages.size() < 15);
    LONGS_EQUAL(0, slow.frames_after_close);
}

TEST(Session, a_slow_live_reader_that_reads_nothing_is_gone_after_the_farewell) {
    SocketClient slow(world), pusher(world);
    LONGS_EQUAL(101, slow.open("/v1/live"));
    LONGS_EQUAL(101, pusher.open("/v1/push"));
    slow.pause();
    const std::string large(100'000, 'x');
    for (int i = 0; i < 15; ++i) {
        pusher.text(R"({"channel":"t","value":")" + large + R"("})");
        world.pass(100ms);
    }
    world.pass(3s);
    LONGS_EQUAL(1, connections());
}

TEST(Session, a_peer_that_does_not_take_its_answers_is_not_read_from) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.pause();
    // Each question has an answer that is longer than it: 4 MiB of them wait before the end is
    // read.
    constexpr std::size_t kQuestions = 120'000;
    peer.cork();
    for (std::size_t i = 0; i < kQuestions; ++i) {
        peer.put_text("{}");
    }
    peer.put_text(R"({"channel":"t","value":1})");
    peer.say_corked();
    world.pass(5s);
    LONGS_EQUAL(1, hub.node().journal().own_next_seq());
    peer.resume();
    world.pass(5s);
    LONGS_EQUAL(2, hub.node().journal().own_next_seq());
    LONGS_EQUAL(kQuestions + 1, peer.messages.size());
}

TEST(Session, a_peer_that_is_held_back_is_not_taken_for_silent) {
    hub.kill();
    hub.config.journal.memory_bytes = 64u << 10;
    hub.start();
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    hub.storage_takes = 5min;
    const std::string large(10'000, 'x');
    for (int i = 0; i < 100 && hub.node().journal().room() > 0; ++i) {
        peer.text(R"({"channel":"t","value":")" + large + R"("})");
    }
    LONGS_EQUAL(0, hub.node().journal().room());
    world.pass(2min);  // its pongs are not read
    CHECK_FALSE(peer.ended_here);
    hub.storage_takes = 1ms;
    world.pass(4min);
    CHECK_FALSE(peer.ended_here);
    CHECK_FALSE(peer.messages.empty());
}

// ---- The end

TEST(Session, nothing_follows_our_close_frame) {
    for (int i = 0; i < 10; ++i) {
        SocketClient peer(world);
        LONGS_EQUAL(101, peer.open("/v1/live"));
        peer.cork();
        peer.ping();
        peer.put_text("nothing is to be sent here");
        peer.ping();
        peer.put_text("nor this");
        peer.say_corked();
        world.settle();
        LONGS_EQUAL(1008, peer.close_code.value_or(0));
        LONGS_EQUAL(1, peer.pongs);
        LONGS_EQUAL(0, peer.frames_after_close);
        CHECK_TRUE(peer.ended_here);
    }
}

TEST(Session, what_comes_before_a_refused_message_in_one_read_is_answered) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.cork();
    peer.put_text("nonsense");
    peer.binary(as_bytes(std::string_view("no text")));
    peer.say_corked();
    LONGS_EQUAL(1, peer.messages.size());
    STRCMP_CONTAINS("error", peer.messages[0].c_str());
    LONGS_EQUAL(1003, peer.close_code.value_or(0));
}

TEST(Session, a_peer_that_breaks_the_protocol_is_told_its_code_and_named_in_the_log) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.say(std::string_view("\x81\x01x", 3));  // not masked
    LONGS_EQUAL(1002, peer.close_code.value_or(0));
    CHECK_TRUE(peer.ended_here);
    LONGS_EQUAL(1, hub.logged("broke the WebSocket protocol"));
}

TEST(Session, a_closing_handshake_of_the_peer_is_answered_and_ends_the_connection) {
    SocketClient peer(world);
    LONGS_EQUAL(101, peer.open("/v1/push"));
    peer.close(1000, "bye");
    LONGS_EQUAL(1000, peer.close_code.value_or(0));
    CHECK_TRUE(peer.ended_here);
    world.settle();
    LONGS_EQUAL(0, connections());
}

TEST(Session, a_peer_that_only_ends_its_connection_leaves_nothing_behind) {
    LineClient device(world);
    device.open_line(token());
    device.greet("dev");
    device.shut();
    LONGS_EQUAL(0, connections());
    LONGS_EQUAL(1, hub.logged("device dev is gone"));
}
