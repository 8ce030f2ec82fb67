#include "firmware/websocket/connection.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

namespace holdfast::websocket {
namespace {

using Kind = Event::Kind;

const Bytes kRfcMask = hex("37 fa 21 3d");

Connection server(const Limits& limits = {}) {
    return Connection(Role::server, limits, nullptr);
}

/// What a server makes of a client's bytes; it must not depend on how they were split.
Outcome served(ByteView bytes, const Limits& limits = {}) {
    bool same = false;
    const Outcome outcome = feed_every_way([&limits] { return server(limits); }, bytes, same);
    CHECK_TRUE(same);
    return outcome;
}

/// From a server to a client, whose answers bear the mask of the RFC's examples.
Outcome received(ByteView bytes) {
    FixedEntropy entropy(kRfcMask);
    bool same = false;
    const Outcome outcome =
        feed_every_way([&entropy] { return Connection(Role::client, {}, &entropy); }, bytes, same);
    CHECK_TRUE(same);
    return outcome;
}

bool is_error(const Outcome& outcome, CloseCode code) {
    return !outcome.events.empty() && outcome.closed && outcome.events.back().kind == Kind::error &&
           outcome.events.back().code == static_cast<std::uint16_t>(code) &&
           outcome.buffered_bytes == 0;
}

RawFrame masked(RawFrame frame) {
    frame.masked = true;
    return frame;
}

Bytes from_client(const RawFrame& frame) {
    return raw(masked(frame));
}

}  // namespace

// RFC 6455, Section 5.7.
TEST_GROUP(RfcExamples){};

TEST(RfcExamples, unmasked_text_message) {
    const Bytes bytes = hex("81 05 48 65 6c 6c 6f");
    CHECK_TRUE((received(bytes).events == std::vector{Seen{Kind::text, "Hello"}}));
    Bytes out;
    CHECK_TRUE(server().send_text("Hello", out));
    CHECK_TRUE(out == bytes);
}

TEST(RfcExamples, masked_text_message) {
    const Bytes bytes = hex("81 85 37 fa 21 3d 7f 9f 4d 51 58");
    CHECK_TRUE((served(bytes).events == std::vector{Seen{Kind::text, "Hello"}}));
    FixedEntropy entropy(kRfcMask);
    Connection client(Role::client, {}, &entropy);
    Bytes out;
    CHECK_TRUE(client.send_text("Hello", out));
    CHECK_TRUE(out == bytes);
}

TEST(RfcExamples, fragmented_text_message) {
    const Outcome outcome = received(hex("01 03 48 65 6c 80 02 6c 6f"));
    CHECK_TRUE((outcome.events == std::vector{Seen{Kind::text, "Hello"}}));
}

TEST(RfcExamples, ping_and_its_masked_pong) {
    const Outcome outcome = received(hex("89 05 48 65 6c 6c 6f"));
    CHECK_TRUE((outcome.events == std::vector{Seen{Kind::ping, "Hello"}}));
    CHECK_TRUE(outcome.out == hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"));
}

TEST(RfcExamples, binary_messages_of_256_bytes_and_64_kibibytes) {
    for (const auto& [size, head] : {std::pair<std::size_t, Bytes>{256, hex("82 7e 01 00")},
                                     {65536, hex("82 7f 00 00 00 00 00 01 00 00")}}) {
        const Bytes payload(size, std::byte{0x5a});
        Bytes out;
        CHECK_TRUE(server().send_binary(payload, out));
        CHECK_TRUE(out == joined({head, payload}));
        CHECK_TRUE(*encode_shared(Opcode::binary, payload) == out);
        FixedEntropy entropy(kRfcMask);
        const Outcome outcome =
            feed_in_pieces(Connection(Role::client, {}, &entropy), out, {1, 3, 100});
        CHECK_TRUE(outcome.events ==
                   std::vector{(Seen{Kind::binary, std::string(as_text(payload))})});
    }
}

TEST_GROUP(Connection){};

TEST(Connection, is_small_and_owns_nothing_while_idle) {
    CHECK_TRUE(sizeof(Connection) <= 80);
    Connection connection = server();
    LONGS_EQUAL(0, connection.buffered_bytes());
    std::vector<Seen> events;
    Bytes out;
    const Bytes bytes = joined({from_client({.opcode = 1, .payload = "a", .fin = false}),
                                from_client({.opcode = 9, .payload = "p"}),
                                from_client({.opcode = 0, .payload = "b"})});
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        feed(connection, ByteView(bytes).subspan(i, 1), events, out);
    }
    LONGS_EQUAL(2, events.size());
    LONGS_EQUAL(0, connection.buffered_bytes());
}

TEST(Connection, whole_message_is_viewed_in_place) {
    Connection connection = server();
    Bytes bytes = from_client({.opcode = 2, .payload = "abc"});
    std::span<std::byte> input(bytes);
    Bytes out;
    const auto event = connection.next(input, out);
    POINTERS_EQUAL(bytes.data() + 6, event->payload.data());
    LONGS_EQUAL(0, connection.buffered_bytes());
}

TEST(Connection, memory_grows_with_what_came_not_with_what_was_claimed) {
    Connection connection = server();
    std::vector<Seen> events;
    Bytes out;
    feed(connection, raw({.opcode = 2, .payload = std::string(10, 'x'), .claimed = 16u << 20}),
         events, out);
    // Unmasked, so refused: nothing may be kept.
    LONGS_EQUAL(0, connection.buffered_bytes());
    Connection other = server();
    feed(other, from_client({.opcode = 2, .payload = std::string(1000, 'x'), .claimed = 16u << 20}),
         events, out);
    CHECK_TRUE(other.buffered_bytes() >= 1000);
    CHECK_TRUE(other.buffered_bytes() < 4096);
}

TEST(Connection, room_for_a_message_in_pieces_doubles_up_to_what_its_frame_has) {
    Connection connection = server();
    std::vector<Seen> events;
    Bytes out;
    const Bytes bytes = from_client({.opcode = 2, .payload = std::string(100'000, 'x')});
    feed(connection, ByteView(bytes).first(20'000), events, out);
    CHECK_TRUE(connection.buffered_bytes() < 41'000);
    feed(connection, ByteView(bytes).subspan(20'000, 40'000), events, out);
    const std::size_t room = connection.buffered_bytes();
    CHECK_TRUE(room >= 100'000 && room < 101'000);
    feed(connection, ByteView(bytes).subspan(60'000, 39'000), events, out);
    LONGS_EQUAL(room, connection.buffered_bytes());
    feed(connection, ByteView(bytes).subspan(99'000), events, out);
    LONGS_EQUAL(1, events.size());
    LONGS_EQUAL(100'000, events[0].payload.size());
}

TEST(Connection, fragments_with_control_frames_between_them_make_one_message) {
    const Outcome outcome =
        served(joined({from_client({.opcode = 1, .payload = "Hel", .fin = false}),
                       from_client({.opcode = 9, .payload = "are you"}),
                       from_client({.opcode = 0, .payload = "", .fin = false}),
                       from_client({.opcode = 10, .payload = "there"}),
                       from_client({.opcode = 0, .payload = "lo"}),
                       from_client({.opcode = 2, .payload = "next"})}));
    CHECK_TRUE((outcome.events == std::vector<Seen>{{Kind::ping, "are you"},
                                                    {Kind::pong, "there"},
                                                    {Kind::text, "Hello"},
                                                    {Kind::binary, "next"}}));
    CHECK_TRUE(outcome.out == raw({.opcode = 10, .payload = "are you"}));
    LONGS_EQUAL(0, outcome.buffered_bytes);
}

TEST(Connection, empty_messages_and_empty_fragments_arrive) {
    const Outcome outcome = served(joined(
        {from_client({.opcode = 1}), from_client({.opcode = 2, .fin = false}),
         from_client({.opcode = 0}), from_client({.opcode = 1, .fin = false}),
         from_client({.opcode = 0, .fin = false}), from_client({.opcode = 0, .payload = "x"})}));
    CHECK_TRUE((outcome.events ==
                std::vector<Seen>{{Kind::text, ""}, {Kind::binary, ""}, {Kind::text, "x"}}));
}

TEST(Connection, continuation_of_no_message_is_1002) {
    CHECK_TRUE(
        is_error(served(from_client({.opcode = 0, .payload = "x"})), CloseCode::protocol_error));
    CHECK_TRUE(is_error(served(joined({from_client({.opcode = 1, .payload = "x", .fin = false}),
                                       from_client({.opcode = 0, .payload = "y"}),
                                       from_client({.opcode = 0, .payload = "z"})})),
                        CloseCode::protocol_error));
}

TEST(Connection, message_within_a_message_is_1002) {
    CHECK_TRUE(is_error(served(joined({from_client({.opcode = 1, .payload = "x", .fin = false}),
                                       from_client({.opcode = 2, .payload = "y"})})),
                        CloseCode::protocol_error));
}

TEST(Connection, malformed_frame_gets_a_close_frame_and_ends_the_connection) {
    const Outcome outcome = served(raw({.opcode = 3, .masked = true}));
    CHECK_TRUE(is_error(outcome, CloseCode::protocol_error));
    CHECK_TRUE(outcome.out == raw({.opcode = 8,
                                   .payload = "\x03\xea"
                                              "reserved opcode"}));
    LONGS_EQUAL(1, outcome.events.size());
}

TEST(Connection, message_limit_holds_for_one_frame_and_for_their_sum) {
    const Limits ten{.message_size_bytes = 10};
    const auto parts = [](std::size_t first, std::size_t second) {
        return joined({from_client({.opcode = 2, .payload = std::string(first, 'x'), .fin = false}),
                       from_client({.opcode = 9}),
                       from_client({.opcode = 0, .payload = std::string(second, 'y')})});
    };
    LONGS_EQUAL(
        10,
        served(from_client({.payload = std::string(10, 'x')}), ten).events.back().payload.size());
    CHECK_TRUE(is_error(served(from_client({.payload = std::string(11, 'x')}), ten),
                        CloseCode::message_too_big));
    LONGS_EQUAL(10, served(parts(4, 6), ten).events.back().payload.size());
    CHECK_TRUE(is_error(served(parts(4, 7), ten), CloseCode::message_too_big));
    CHECK_TRUE(is_error(served(parts(10, 1), ten), CloseCode::message_too_big));
    LONGS_EQUAL(10, served(parts(10, 0), ten).events.back().payload.size());
    // The next message has the whole limit again.
    LONGS_EQUAL(10,
                served(joined({parts(9, 1), from_client({.payload = std::string(10, 'z')})}), ten)
                    .events.back()
                    .payload.size());
}

TEST(Connection, message_over_the_limit_is_refused_from_the_head_alone) {
    const Limits ten{.message_size_bytes = 10};
    CHECK_TRUE(is_error(served(from_client({.claimed = 11}), ten), CloseCode::message_too_big));
    CHECK_TRUE(is_error(served(joined({from_client({.payload = "1234", .fin = false}),
                                       from_client({.opcode = 0, .claimed = 7})}),
                               ten),
                        CloseCode::message_too_big));
}

TEST(Connection, text_split_inside_a_character_is_one_text) {
    const std::string text = "κόσμε \xf0\x9f\x8c\x8a";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const Outcome outcome =
            served(joined({from_client({.payload = text.substr(0, cut), .fin = false}),
                           from_client({.opcode = 0, .payload = text.substr(cut)})}));
        CHECK_TRUE((outcome.events == std::vector{Seen{Kind::text, text}}));
    }
}

TEST(Connection, text_that_is_not_utf8_is_1007) {
    for (const std::string& bad :
         {std::string("\xff"), std::string("abc\xc3"), std::string("\xed\xa0\x80"),
          std::string("\xc0\x80"), std::string("\xf4\x90\x80\x80")}) {
        CHECK_TRUE(is_error(served(from_client({.payload = bad})), CloseCode::invalid_payload));
        CHECK_TRUE(is_error(served(joined({from_client({.payload = bad.substr(0, 1), .fin = false}),
                                           from_client({.opcode = 0, .payload = bad.substr(1)})})),
                            CloseCode::invalid_payload));
        CHECK_TRUE(served(from_client({.opcode = 2, .payload = bad})).events.back().kind ==
                   Kind::binary);
    }
}

TEST(Connection, bad_text_is_found_at_the_byte_that_spoils_it) {
    Connection connection = server();
    std::vector<Seen> events;
    Bytes out;
    const Bytes bytes = from_client({.payload = "ab\xed", .fin = true, .claimed = 1000});
    feed(connection, bytes, events, out);
    CHECK_TRUE(events.empty());
    // The key of from_client at payload byte 3 is 0x3d.
    feed(connection, std::array{std::byte{0xa0} ^ std::byte{0x3d}}, events, out);
    LONGS_EQUAL(1, events.size());
    LONGS_EQUAL(1007, events[0].code);
}

TEST(Connection, every_client_frame_has_a_fresh_mask) {
    FixedEntropy counting(kRfcMask);
    Connection client(Role::client, {}, &counting);
    Bytes out;
    client.send_text("a", out);
    client.send_binary(to_bytes("b"), out);
    client.send_ping({}, out);
    client.close(CloseCode::normal, "", out);
    LONGS_EQUAL(4, counting.fills);
}

TEST(Connection, message_in_two_parts_is_one_frame) {
    SeededEntropy entropy(1);
    for (const std::size_t size : {0, 5, 200, 70000}) {
        const Bytes head = to_bytes("head");
        const Bytes body(size, std::byte{'x'});
        Connection client(Role::client, {}, &entropy);
        Bytes out;
        CHECK_TRUE(client.send_binary(head, body, out));
        const Outcome outcome = feed_in_pieces(server(), out, {});
        LONGS_EQUAL(1, outcome.events.size());
        CHECK_TRUE(outcome.events[0].payload == as_text(joined({head, body})));
    }
}

TEST(Connection, head_alone_begins_the_frame_that_the_caller_finishes) {
    for (const std::size_t size : {0u, 125u, 126u, 65535u, 65536u}) {
        const std::string payload(size, 'x');
        Connection begun = server();
        Bytes head;
        CHECK_TRUE(begun.begin_message(Opcode::binary, size, head));
        append(head, payload);
        Connection whole = server();
        Bytes frame;
        whole.send_binary(as_bytes(payload), frame);
        CHECK_TRUE(head == frame);
    }
    Connection closing = server();
    Bytes out;
    closing.close(CloseCode::normal, "", out);
    const Bytes closed = out;
    CHECK_FALSE(closing.begin_message(Opcode::text, 1, out));
    CHECK_TRUE(out == closed);
}

TEST(Connection, is_in_a_message_from_its_first_byte_to_its_last) {
    const Bytes bytes =
        joined({from_client({.payload = "Hel", .fin = false}), from_client({.opcode = 9}),
                from_client({.opcode = 0, .payload = "lo"})});
    for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
        Connection connection = server();
        CHECK_FALSE(connection.in_message());
        std::vector<Seen> events;
        Bytes out;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            feed(connection, ByteView(bytes).subspan(at, step), events, out);
            CHECK_EQUAL(at + step < bytes.size(), connection.in_message());
        }
        LONGS_EQUAL(2, events.size());
    }
}

TEST(Connection, is_in_a_message_within_a_control_frame_but_not_when_closed) {
    Connection connection = server();
    std::vector<Seen> events;
    Bytes out;
    const Bytes ping = from_client({.opcode = 9, .payload = "p"});
    feed(connection, ByteView(ping).first(3), events, out);
    CHECK_TRUE(connection.in_message());
    feed(connection, ByteView(ping).subspan(3), events, out);
    CHECK_FALSE(connection.in_message());
    feed(connection,
         joined({from_client({.payload = "x", .fin = false}), from_client({.opcode = 3}),
                 from_client({.payload = "y"})}),
         events, out);
    CHECK_TRUE(connection.closed());
    CHECK_FALSE(connection.in_message());
}

TEST(Connection, ping_of_125_bytes_is_answered_with_the_same) {
    SeededEntropy entropy(1);
    Connection client(Role::client, {}, &entropy);
    const Bytes payload(125, std::byte{7});
    Bytes out;
    CHECK_TRUE(client.send_ping(payload, out));
    const Outcome outcome = served(out);
    CHECK_TRUE((outcome.events == std::vector{Seen{Kind::ping, std::string(as_text(payload))}}));
    CHECK_TRUE((received(outcome.out).events ==
                std::vector{Seen{Kind::pong, std::string(as_text(payload))}}));
}

TEST(Connection, can_be_moved_in_the_middle_of_a_message) {
    Connection first = server();
    std::vector<Seen> events;
    Bytes out;
    const Bytes bytes = from_client({.payload = "Hello"});
    feed(first, ByteView(bytes).first(8), events, out);
    Connection second = std::move(first);
    feed(second, ByteView(bytes).subspan(8), events, out);
    CHECK_TRUE((events == std::vector{Seen{Kind::text, "Hello"}}));
}

}  // namespace holdfast::websocket
