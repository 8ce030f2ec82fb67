#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

// RFC 6455, Sections 5.5.1 and 7.
namespace holdfast::websocket {
namespace {

using Kind = Event::Kind;

std::string close_payload(unsigned code, std::string_view reason = "") {
    std::string out{static_cast<char>(code >> 8u), static_cast<char>(code & 0xffu)};
    return out.append(reason);
}

Bytes close_from_client(std::string payload) {
    return raw({.opcode = 8, .payload = std::move(payload), .masked = true});
}

Outcome served(ByteView bytes) {
    bool same = false;
    const Outcome outcome =
        feed_every_way([] { return Connection(Role::server, {}, nullptr); }, bytes, same);
    CHECK_TRUE(same);
    return outcome;
}

}  // namespace

TEST_GROUP(Close){};

TEST(Close, exactly_the_codes_of_section_7_4_may_be_sent) {
    for (unsigned code = 0; code <= 0xffff; ++code) {
        const bool expected = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                              (code >= 3000 && code <= 4999);
        CHECK_EQUAL(expected, is_sendable(static_cast<std::uint16_t>(code)));
    }
}

TEST(Close, peers_code_and_reason_are_reported_and_the_code_is_echoed) {
    const Outcome outcome = served(close_from_client(close_payload(1001, "so long")));
    CHECK_TRUE((outcome.events == std::vector{Seen{Kind::close, "", 1001, "so long"}}));
    CHECK_TRUE(outcome.out == raw({.opcode = 8, .payload = close_payload(1001)}));
    CHECK_TRUE(outcome.closed);
}

TEST(Close, without_a_code_is_1005_and_answered_without_one) {
    const Outcome outcome = served(close_from_client(""));
    CHECK_TRUE((outcome.events == std::vector{Seen{Kind::close, "", 1005, ""}}));
    CHECK_TRUE(outcome.out == hex("88 00"));
}

TEST(Close, payload_of_one_byte_is_1002) {
    const Outcome outcome = served(close_from_client("x"));
    CHECK_TRUE(outcome.events.back().kind == Kind::error);
    LONGS_EQUAL(1002, outcome.events.back().code);
}

TEST(Close, code_that_may_not_be_sent_is_1002) {
    for (const unsigned code :
         {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2999u, 5000u, 65535u}) {
        const Outcome outcome = served(close_from_client(close_payload(code)));
        CHECK_TRUE(outcome.events.back().kind == Kind::error);
        LONGS_EQUAL(1002, outcome.events.back().code);
        CHECK_TRUE(outcome.closed);
    }
}

TEST(Close, reason_that_is_not_utf8_is_1007) {
    for (const std::string_view reason : {"\xff", "abc\xc3", "\xed\xa0\x80"}) {
        const Outcome outcome = served(close_from_client(close_payload(1000, reason)));
        CHECK_TRUE(outcome.events.back().kind == Kind::error);
        LONGS_EQUAL(1007, outcome.events.back().code);
    }
}

TEST(Close, bytes_after_the_peers_close_frame_are_swallowed) {
    const Outcome outcome =
        served(joined({close_from_client(close_payload(1000)),
                       raw({.payload = "x", .masked = true}), hex("ff ff ff")}));
    LONGS_EQUAL(1, outcome.events.size());
    CHECK_TRUE(outcome.out == raw({.opcode = 8, .payload = close_payload(1000)}));
}

TEST(Close, nothing_is_sent_after_our_close_frame) {
    Connection connection(Role::server, {}, nullptr);
    Bytes out;
    connection.close(CloseCode::going_away, "restart", out);
    CHECK_TRUE(out == raw({.opcode = 8, .payload = close_payload(1001, "restart")}));
    CHECK_TRUE(connection.close_sent());
    CHECK_FALSE(connection.closed());
    const Bytes before = out;
    connection.close(CloseCode::normal, "", out);
    CHECK_FALSE(connection.send_text("x", out));
    CHECK_FALSE(connection.send_binary(to_bytes("x"), out));
    CHECK_FALSE(connection.send_ping({}, out));
    std::vector<Seen> events;
    feed(connection, raw({.opcode = 9, .masked = true}), events, out);
    CHECK_TRUE((events == std::vector{Seen{Kind::ping, ""}}));
    CHECK_TRUE(out == before);
}

TEST(Close, messages_are_reported_until_the_peers_close_frame) {
    Connection connection(Role::server, {}, nullptr);
    Bytes out;
    connection.close(CloseCode::normal, "", out);
    const std::size_t size = out.size();
    std::vector<Seen> events;
    feed(connection,
         joined({raw({.payload = "late", .masked = true}), close_from_client(close_payload(1000))}),
         events, out);
    CHECK_TRUE((events == std::vector<Seen>{{Kind::text, "late"}, {Kind::close, "", 1000, ""}}));
    CHECK_TRUE(connection.closed());
    LONGS_EQUAL(size, out.size());
}

TEST(Close, broken_protocol_after_our_close_frame_ends_without_a_second_one) {
    Connection connection(Role::server, {}, nullptr);
    Bytes out;
    connection.close(CloseCode::normal, "", out);
    const std::size_t size = out.size();
    std::vector<Seen> events;
    feed(connection, raw({.opcode = 5, .masked = true}), events, out);
    CHECK_TRUE(events.back().kind == Kind::error);
    CHECK_TRUE(connection.closed());
    LONGS_EQUAL(size, out.size());
}

TEST(Close, reason_is_cut_to_123_bytes_at_a_character) {
    for (const std::size_t before : {119, 120, 121, 122, 123}) {
        Connection connection(Role::server, {}, nullptr);
        Bytes out;
        connection.close(CloseCode::normal, std::string(before, 'x') + "\xf0\x9f\x8c\x8a", out);
        SeededEntropy entropy(1);
        const Outcome outcome = feed_in_pieces(Connection(Role::client, {}, &entropy), out, {});
        LONGS_EQUAL(1, outcome.events.size());
        LONGS_EQUAL(1000, outcome.events[0].code);
        LONGS_EQUAL(before == 119 ? 123 : before, outcome.events[0].reason.size());
    }
}

TEST(Close, both_sides_closing_at_once_is_a_clean_end) {
    SeededEntropy entropy(1);
    Connection client(Role::client, {}, &entropy);
    Connection server(Role::server, {}, nullptr);
    Bytes to_server;
    Bytes to_client;
    client.close(CloseCode::normal, "", to_server);
    server.close(CloseCode::going_away, "", to_client);
    std::vector<Seen> events;
    Bytes more;
    feed(client, to_client, events, more);
    feed(server, to_server, events, more);
    CHECK_TRUE(
        (events == std::vector<Seen>{{Kind::close, "", 1001, ""}, {Kind::close, "", 1000, ""}}));
    CHECK_TRUE(more.empty());
    CHECK_TRUE(client.closed());
    CHECK_TRUE(server.closed());
}

TEST(Close, in_the_middle_of_a_fragmented_message_ends_it) {
    const Outcome outcome = served(joined({raw({.payload = "half", .fin = false, .masked = true}),
                                           close_from_client(close_payload(1000))}));
    LONGS_EQUAL(1, outcome.events.size());
    CHECK_TRUE(outcome.events[0].kind == Kind::close);
    LONGS_EQUAL(0, outcome.buffered_bytes);
}

TEST(Close, without_a_status_is_an_empty_frame) {
    Connection connection(Role::server, {}, nullptr);
    Bytes out;
    connection.close(CloseCode::no_status, "not sent", out);
    CHECK_TRUE(out == hex("88 00"));
}

}  // namespace holdfast::websocket
