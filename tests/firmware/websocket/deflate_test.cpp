#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/plain_zlib.h"
#include "tests/firmware/websocket/support.h"

// One connection with permessage-deflate, seen through `Connection`. Sections are those of RFC
// 7692. What zlib used plainly makes of the same is in deflate_differential_test.cpp.
namespace holdfast::websocket {
namespace {

constexpr DeflateAgreement kShared{};
constexpr DeflateAgreement kTakeover{.send = {.context_takeover = true},
                                     .receive = {.context_takeover = true}};

Connection deflating(DeflateContexts& contexts, const DeflateAgreement& agreement = kShared,
                     const Limits& limits = {}) {
    return Connection(Role::server, limits, nullptr,
                      std::make_unique<Deflate>(contexts, agreement));
}

Outcome served(ByteView bytes, const DeflateAgreement& agreement = kShared,
               const Limits& limits = {}) {
    DeflateContexts contexts;
    bool same = false;
    const Outcome outcome = feed_every_way(
        [&contexts, &agreement, &limits] { return deflating(contexts, agreement, limits); }, bytes,
        same);
    CHECK_TRUE(same);
    return outcome;
}

std::string chars(std::string_view digits) {
    return std::string(as_text(hex(digits)));
}

Bytes compressed(std::string payload, unsigned opcode = 1) {
    return raw({.opcode = opcode, .payload = std::move(payload), .rsv = 4, .masked = true});
}

bool receives(ByteView bytes, const std::vector<Seen>& events,
              const DeflateAgreement& agreement = kShared) {
    const Outcome outcome = served(bytes, agreement);
    LONGS_EQUAL(0, outcome.buffered_bytes);
    return outcome.events == events;
}

/// The code of the error that ends the connection; 0: there was none.
int refused(ByteView bytes, const DeflateAgreement& agreement = kShared,
            const Limits& limits = {}) {
    const Outcome outcome = served(bytes, agreement, limits);
    if (outcome.events.empty() || outcome.events.back().kind != Event::Kind::error) {
        return 0;
    }
    CHECK_TRUE(outcome.closed);
    return outcome.events.back().code;
}

const std::string kHello = chars("f2 48 cd c9 c9 07 00");
const Seen kSeenHello{Event::Kind::text, "Hello"};

/// Bytes that cannot be coded in fewer.
std::string noise(std::size_t size, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string bytes(size, '\0');
    for (char& c : bytes) {
        c = static_cast<char>(random() & 0xffu);
    }
    return bytes;
}

Bytes sent(const DeflateAgreement& agreement, const std::vector<std::string>& messages) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts, agreement);
    Bytes out;
    for (const std::string& message : messages) {
        CHECK_TRUE(connection.send_text(message, out));
    }
    return out;
}

}  // namespace

TEST_GROUP(Deflate){};

TEST(Deflate, examples_of_the_rfc_are_received) {
    // 7.2.3.1
    CHECK_TRUE(receives(compressed(kHello), {kSeenHello}));
    CHECK_TRUE(receives(
        joined({raw({.payload = chars("f2 48 cd"), .fin = false, .rsv = 4, .masked = true}),
                raw({.opcode = 0, .payload = chars("c9 c9 07 00"), .masked = true})}),
        {kSeenHello}));
    // 7.2.3.2
    const Bytes shared_window = joined({compressed(kHello), compressed(chars("f2 00 11 00 00"))});
    CHECK_TRUE(receives(shared_window, {kSeenHello, kSeenHello}, kTakeover));
    CHECK_TRUE(receives(joined({compressed(kHello), compressed(kHello)}), {kSeenHello, kSeenHello},
                        kTakeover));
    LONGS_EQUAL(1007, refused(shared_window));
    // 7.2.3.3
    CHECK_TRUE(receives(compressed(chars("00 05 00 fa ff 48 65 6c 6c 6f 00")), {kSeenHello}));
    // 7.2.3.4
    CHECK_TRUE(receives(compressed(chars("f3 48 cd c9 c9 07 00 00")), {kSeenHello}));
    // 7.2.3.5
    CHECK_TRUE(receives(compressed(chars("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")), {kSeenHello}));
    // 7.2.3.6
    CHECK_TRUE(receives(compressed(chars("00")), {{Event::Kind::text, ""}}));
    CHECK_TRUE(receives(joined({raw({.payload = kHello.substr(0, 6) + chars("00 00 00 ff ff"),
                                     .fin = false,
                                     .rsv = 4,
                                     .masked = true}),
                                raw({.opcode = 0, .payload = chars("00"), .masked = true})}),
                        {kSeenHello}));
}

TEST(Deflate, messages_without_rsv1_are_taken_as_they_are) {
    CHECK_TRUE(receives(joined({compressed(kHello), raw({.payload = "plain", .masked = true}),
                                compressed(kHello, 2), raw({.payload = "", .masked = true})}),
                        {kSeenHello,
                         {Event::Kind::text, "plain"},
                         {Event::Kind::binary, "Hello"},
                         {Event::Kind::text, ""}}));
}

TEST(Deflate, uncompressed_message_is_no_part_of_the_context) {
    CHECK_TRUE(receives(joined({compressed(kHello), raw({.payload = "plain", .masked = true}),
                                compressed(chars("f2 00 11 00 00"))}),
                        {kSeenHello, {Event::Kind::text, "plain"}, kSeenHello}, kTakeover));
}

TEST(Deflate, control_frames_may_come_between_fragments) {
    CHECK_TRUE(
        receives(joined({raw({.payload = chars("f2 48"), .fin = false, .rsv = 4, .masked = true}),
                         raw({.opcode = 9, .payload = "p", .masked = true}),
                         raw({.opcode = 0, .payload = "", .fin = false, .masked = true}),
                         raw({.opcode = 0, .payload = chars("cd c9 c9 07 00"), .masked = true})}),
                 {{Event::Kind::ping, "p"}, kSeenHello}));
}

TEST(Deflate, rsv1_stands_on_the_first_frame_of_a_message_only) {
    const Bytes begin = raw({.payload = chars("f2 48"), .fin = false, .rsv = 4, .masked = true});
    LONGS_EQUAL(
        1002,
        refused(joined(
            {begin,
             raw({.opcode = 0, .payload = chars("cd c9 c9 07 00"), .rsv = 4, .masked = true})})));
    for (const unsigned opcode : {0x8u, 0x9u, 0xau}) {
        LONGS_EQUAL(1002, refused(raw({.opcode = opcode, .rsv = 4, .masked = true})));
    }
    LONGS_EQUAL(1002, refused(raw({.payload = kHello, .rsv = 6, .masked = true})));
    LONGS_EQUAL(1002, refused(raw({.payload = kHello, .rsv = 5, .masked = true})));
}

TEST(Deflate, rsv1_without_agreement_is_1002) {
    bool same = false;
    const Outcome outcome = feed_every_way([] { return Connection(Role::server, {}, nullptr); },
                                           compressed(kHello), same);
    CHECK_TRUE(same);
    LONGS_EQUAL(1002, outcome.events.back().code);
}

TEST(Deflate, final_blocks_may_stand_anywhere) {
    const std::string final_hello = chars("f3 48 cd c9 c9 07 00");
    // Two final blocks, one between ordinary ones, and one at the end without what should follow.
    CHECK_TRUE(receives(compressed(final_hello + final_hello + chars("00")),
                        {{Event::Kind::text, "HelloHello"}}));
    CHECK_TRUE(
        receives(compressed(kHello.substr(0, 6) + chars("00 00 00 ff ff") + final_hello + kHello),
                 {{Event::Kind::text, "HelloHelloHello"}}));
    CHECK_TRUE(receives(compressed(final_hello), {kSeenHello}));
    CHECK_TRUE(receives(joined({compressed(final_hello), compressed(kHello)}),
                        {kSeenHello, kSeenHello}, kTakeover));
}

TEST(Deflate, nothing_at_all_is_no_compressed_message) {
    LONGS_EQUAL(1007, refused(compressed("")));
    LONGS_EQUAL(1007, refused(joined({compressed(chars("f3 48 cd c9 c9 07 00")), compressed("")}),
                              kTakeover));
}

TEST(Deflate, memory_of_a_large_message_is_given_back_by_the_following_call) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts);
    PlainDeflater zlib;
    Bytes bytes = compressed(zlib.message(std::string(5'000'000, 'a')));
    std::span<std::byte> input(bytes);
    Bytes out;
    LONGS_EQUAL(5'000'000, connection.next(input, out)->payload.size());
    CHECK_TRUE(contexts.allocated_bytes() > 5'000'000);
    CHECK_FALSE(connection.next(input, out).has_value());
    CHECK_TRUE(contexts.allocated_bytes() < 64 << 10);
}

TEST(Deflate, final_block_forgets_what_went_before) {
    LONGS_EQUAL(1007, refused(joined({compressed(chars("f3 48 cd c9 c9 07 00 00")),
                                      compressed(chars("f2 00 11 00 00"))}),
                              kTakeover));
}

TEST(Deflate, corrupt_data_is_1007) {
    LONGS_EQUAL(1007, refused(compressed(chars("07"))));                 // reserved block type
    LONGS_EQUAL(1007, refused(compressed(chars("00 05 00 00 00 48"))));  // lengths disagree
    LONGS_EQUAL(1007, refused(compressed(chars("f2 48 cd ff ff ff ff 00"), 2)));
    LONGS_EQUAL(1007, refused(compressed(chars("02 11 00 00"))));  // too far back
    LONGS_EQUAL(1007, refused(compressed("these are no blocks", 2)));
}

TEST(Deflate, message_that_does_not_end_with_a_block_is_1007) {
    for (std::size_t size = 0; size < kHello.size() - 1; ++size) {
        LONGS_EQUAL_TEXT(1007, refused(compressed(kHello.substr(0, size))),
                         std::to_string(size).c_str());
    }
    LONGS_EQUAL(1007, refused(compressed(chars("00 05 00 fa ff 48 65"))));
    LONGS_EQUAL(1007, refused(compressed(kHello + chars("00 00 ff"))));
}

TEST(Deflate, text_is_validated_as_it_is_inflated) {
    const auto stored = [](std::string_view text) {
        const auto size = static_cast<char>(text.size());
        return std::string{'\0', size, '\0', static_cast<char>(~size), '\xff'} + std::string(text);
    };
    LONGS_EQUAL(1007, refused(compressed(stored("a\xff") + chars("00"))));
    LONGS_EQUAL(1007, refused(compressed(stored("\xc3") + chars("00"))));
    LONGS_EQUAL(0, refused(compressed(stored("\xc3\xa9") + chars("00"))));
    LONGS_EQUAL(0, refused(compressed(stored("\xc3") + chars("00"), 2)));
    // Nothing that follows could make it valid, so it is refused before the message ends.
    LONGS_EQUAL(1007,
                refused(raw({.payload = stored("a\xff"), .fin = false, .rsv = 4, .masked = true})));
    // A character that is cut by fragments and blocks.
    CHECK_TRUE(receives(
        joined({raw({.payload = stored("\xe2\x82"), .fin = false, .rsv = 4, .masked = true}),
                raw({.opcode = 0, .payload = stored("\xac") + chars("00"), .masked = true})}),
        {{Event::Kind::text, "€"}}));
}

TEST(Deflate, limit_holds_for_the_inflated_message) {
    PlainDeflater zlib;
    const Limits thousand{.message_size_bytes = 1000};
    for (const std::size_t size : {999u, 1000u, 1001u, 1002u, 100'000u}) {
        zlib.reset();
        const std::string payload = zlib.message(std::string(size, 'x'));
        LONGS_EQUAL(size > 1000 ? 1009 : 0, refused(compressed(payload), kShared, thousand));
        LONGS_EQUAL(size > 1000 ? 1009 : 0, refused(compressed(payload), kTakeover, thousand));
    }
    LONGS_EQUAL(0, refused(compressed(chars("00")), kShared, {.message_size_bytes = 0}));
    LONGS_EQUAL(1009, refused(compressed(kHello), kShared, {.message_size_bytes = 0}));
    LONGS_EQUAL(1009, refused(compressed(kHello), kShared, {.message_size_bytes = 4}));
    LONGS_EQUAL(0, refused(compressed(kHello), kShared, {.message_size_bytes = 5}));
}

TEST(Deflate, limit_holds_for_plain_messages_too) {
    const Limits ten{.message_size_bytes = 10};
    LONGS_EQUAL(1009, refused(raw({.masked = true, .claimed = 11}), kShared, ten));
    LONGS_EQUAL(0, refused(raw({.masked = true, .claimed = 10}), kShared, ten));
    LONGS_EQUAL(0, refused(raw({.payload = std::string(10, 'x'), .masked = true}), kShared, ten));
    LONGS_EQUAL(1009,
                refused(raw({.payload = std::string(11, 'x'), .masked = true}), kShared, ten));
    LONGS_EQUAL(1009, refused(joined({raw({.payload = "12345", .fin = false, .masked = true}),
                                      raw({.opcode = 0, .payload = "123456", .masked = true})}),
                              kShared, ten));
}

TEST(Deflate, message_at_the_limit_may_be_larger_on_the_wire) {
    PlainDeflater zlib(15, 0);
    const std::string message(1000, 'x');
    CHECK_TRUE(receives(compressed(zlib.message(message)), {{Event::Kind::text, message}}));
    LONGS_EQUAL(0,
                refused(compressed(zlib.message(message)), kShared, {.message_size_bytes = 1000}));
}

TEST(Deflate, bomb_allocates_no_more_than_the_limit) {
    constexpr std::size_t kLimit = std::size_t{1} << 20;
    constexpr std::size_t kZlibNeeds = std::size_t{64} << 10;
    PlainDeflater zlib(15, 9);
    std::string bomb;
    for (int i = 0; i < 8; ++i) {
        bomb += zlib.flushed(std::string(kLimit, '\0'), Z_SYNC_FLUSH);
    }
    const Bytes bytes = compressed(bomb, 2);
    for (const std::size_t step : {bytes.size(), std::size_t{100}}) {
        DeflateContexts contexts;
        Connection connection = deflating(contexts, kShared, {.message_size_bytes = kLimit});
        std::vector<Seen> events;
        Bytes out;
        std::size_t most = 0;
        for (std::size_t at = 0; at < bytes.size() && !connection.closed(); at += step) {
            feed(connection, ByteView(bytes).subspan(at, std::min(step, bytes.size() - at)), events,
                 out);
            most = std::max(most, connection.buffered_bytes() + contexts.allocated_bytes());
        }
        LONGS_EQUAL(1009, events.back().code);
        CHECK_TRUE(most <= kLimit + kZlibNeeds);
    }
}

TEST(Deflate, nothing_is_allocated_before_the_first_use_nor_kept_for_idle_connections) {
    DeflateContexts contexts;
    std::vector<Connection> connections;
    for (int i = 0; i < 100; ++i) {
        connections.push_back(deflating(contexts));
    }
    LONGS_EQUAL(0, contexts.allocated_bytes());
    std::vector<Seen> events;
    Bytes out;
    const auto use = [&](Connection& connection) {
        feed(connection, compressed(kHello), events, out);
        connection.send_text(std::string(100, 'a'), out);
        connection.send_text(std::string(10'000, 'a'), out);
    };
    use(connections[0]);
    const std::size_t once = contexts.allocated_bytes();
    CHECK_TRUE(once > 0);
    for (Connection& connection : connections) {
        use(connection);
        LONGS_EQUAL(0, connection.buffered_bytes());
    }
    LONGS_EQUAL(once, contexts.allocated_bytes());
}

TEST(Deflate, unfinished_messages_borrow_and_give_back) {
    DeflateContexts contexts;
    std::vector<Seen> events;
    Bytes out;
    std::size_t all = 0;
    {
        std::vector<Connection> connections;
        for (int i = 0; i < 20; ++i) {
            connections.push_back(deflating(contexts));
            feed(connections.back(),
                 raw({.payload = chars("f2 48"), .fin = false, .rsv = 4, .masked = true}), events,
                 out);
        }
        all = contexts.allocated_bytes();
        for (int i = 0; i < 10; ++i) {
            feed(connections[static_cast<std::size_t>(i)],
                 raw({.opcode = 0, .payload = chars("cd c9 c9 07 00"), .masked = true}), events,
                 out);
        }
    }
    LONGS_EQUAL(10, events.size());
    CHECK_TRUE(events.back() == kSeenHello);
    CHECK_TRUE(contexts.allocated_bytes() < all / 2);
}

TEST(Deflate, with_takeover_contexts_are_made_on_first_use) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts, kTakeover);
    LONGS_EQUAL(0, contexts.allocated_bytes());
    std::vector<Seen> events;
    Bytes out;
    feed(connection, compressed(kHello), events, out);
    const std::size_t receiving = contexts.allocated_bytes();
    CHECK_TRUE(receiving > 0 && receiving < 64 << 10);
    connection.send_text(std::string(100, 'a'), out);
    const std::size_t sending = contexts.allocated_bytes();
    CHECK_TRUE(sending > receiving + (200 << 10));
    connection.release_compressor();
    LONGS_EQUAL(receiving, contexts.allocated_bytes());
    connection = deflating(contexts, kTakeover);
    CHECK_TRUE(contexts.allocated_bytes() < receiving);
}

TEST(Deflate, released_compressor_refers_to_nothing_that_was_sent) {
    DeflateContexts contexts;
    Connection sender = deflating(contexts, kTakeover);
    PlainInflater zlib;
    const std::string message = "a message that is a message that is long enough";
    Bytes first;
    sender.send_text(message, first);
    Bytes second;
    sender.send_text(message, second);
    CHECK_TRUE(second.size() < first.size() / 2);
    sender.release_compressor();
    Bytes third;
    sender.send_text(message, third);
    CHECK_TRUE(third == first);
    for (const Bytes& frame : {first, second, third}) {
        CHECK_TRUE(zlib.message(as_text(frame).substr(2), 1000) == message);
    }
}

TEST(Deflate, what_does_not_become_smaller_is_sent_as_it_is) {
    for (const std::string& message :
         {std::string(), std::string("Hello"), noise(40, 1), noise(2048, 2), noise(5000, 3)}) {
        CHECK_TRUE(sent(kShared, {message}) == raw({.payload = message}));
    }
    for (const std::string& message : {std::string(), noise(2048, 2), noise(5000, 3)}) {
        CHECK_TRUE(sent(kTakeover, {message}) == raw({.payload = message}));
    }
}

TEST(Deflate, with_takeover_small_messages_begin_a_context_unless_they_gain_nothing) {
    DeflateContexts contexts;
    Connection sender = deflating(contexts, kTakeover);
    PlainInflater zlib;
    const std::string reading = R"({"channel":"t1","value":21.57})";
    Bytes first;
    sender.send_text(reading, first);
    CHECK_TRUE(first.size() > reading.size() + 2 && first.size() <= reading.size() + 2 + 16);
    Bytes second;
    sender.send_text(reading, second);
    CHECK_TRUE(second.size() < 10);
    for (const Bytes& frame : {first, second}) {
        CHECK_TRUE(zlib.message(as_text(frame).substr(2), 100) == reading);
    }
    // What goes on as noise is sent as it is in the end.
    std::vector<bool> was_compressed;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const std::string message = noise(100, seed);
        Bytes frame;
        sender.send_text(message, frame);
        was_compressed.push_back(frame != raw({.payload = message}));
        CHECK_TRUE(!was_compressed.back() ||
                   zlib.message(as_text(frame).substr(2), 200) == message);
    }
    CHECK_TRUE(was_compressed.front());
    CHECK_FALSE(was_compressed.back());
    CHECK_TRUE(std::ranges::is_sorted(was_compressed, std::greater()));
}

TEST(Deflate, head_fits_a_message_that_became_larger) {
    for (std::size_t size = 110; size <= 130; ++size) {
        const std::string message = noise(size, size);
        const Bytes out = sent(kTakeover, {message});
        const std::size_t head = std::to_integer<unsigned>(out[1]) == 126 ? 4 : 2;
        LONGS_EQUAL(head == 4, out.size() - head >= 126);
        PlainInflater zlib;
        CHECK_TRUE(zlib.message(as_text(out).substr(head), 1000) == message);
    }
}

TEST(Deflate, after_a_message_sent_as_it_is_the_context_does_not_refer_to_it) {
    DeflateContexts contexts;
    Connection sender = deflating(contexts, kTakeover);
    const std::string never_seen = noise(4000, 1);
    Bytes first;
    sender.send_text(never_seen, first);
    CHECK_TRUE(first == raw({.payload = never_seen}));
    // The same bytes within a message that becomes smaller for another reason.
    const std::string message = never_seen.substr(0, 1000) + std::string(1000, 'a');
    Bytes second;
    sender.send_text(message, second);
    CHECK_TRUE(second.size() > 1000 && second.size() < 1100);
    PlainInflater zlib;
    CHECK_TRUE(zlib.message(as_text(second).substr(4), 5000) == message);
}

TEST(Deflate, messages_below_the_threshold_are_sent_as_they_are) {
    const DeflateAgreement agreement{.threshold_bytes = 100};
    const std::string below(99, 'a');
    CHECK_TRUE(sent(agreement, {below}) == raw({.payload = below}));
    CHECK_TRUE(sent(agreement, {std::string(100, 'a')}).size() < 20);
}

TEST(Deflate, caller_may_send_a_message_as_it_is) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts);
    const std::string message(300, 'a');
    Bytes out;
    CHECK_TRUE(connection.send_text(message, out, Compression::off));
    CHECK_TRUE(connection.send_binary(as_bytes(message), out, Compression::off));
    CHECK_TRUE(connection.send_binary(as_bytes(message), as_bytes(message), out, Compression::off));
    CHECK_TRUE(out == joined({raw({.payload = message}), raw({.opcode = 2, .payload = message}),
                              raw({.opcode = 2, .payload = message + message})}));
}

TEST(Deflate, one_frame_serves_all_that_agreed_to_the_largest_window_without_takeover) {
    DeflateContexts contexts;
    CHECK_FALSE(Connection(Role::server, {}, nullptr).takes_shared_deflate());
    CHECK_FALSE(deflating(contexts, kTakeover).takes_shared_deflate());
    CHECK_FALSE(deflating(contexts, {.send = {.window_bits = 14}}).takes_shared_deflate());
    CHECK_TRUE(deflating(contexts).takes_shared_deflate());
    for (const std::string& text : {std::string(5000, 'x'), std::string("short")}) {
        const SharedBytes frame = encode_shared(Opcode::text, as_bytes(text), contexts);
        CHECK_TRUE(frame->size() <= text.size() + 4);
        FixedEntropy entropy(hex("37 fa 21 3d"));
        for (int receiver = 0; receiver < 2; ++receiver) {
            const Outcome outcome =
                feed_in_pieces(Connection(Role::client, {}, &entropy,
                                          std::make_unique<Deflate>(contexts, kShared)),
                               *frame, {1, 5});
            CHECK_TRUE((outcome.events == std::vector{Seen{Event::Kind::text, text}}));
        }
    }
}

TEST(Deflate, control_frames_are_never_compressed) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts, {.threshold_bytes = 0});
    const std::string payload(100, 'a');
    Bytes out;
    connection.send_ping(as_bytes(payload), out);
    connection.close(CloseCode::normal, "", out);
    CHECK_TRUE(out == joined({raw({.opcode = 9, .payload = payload}), hex("88 02 03 e8")}));
}

TEST(Deflate, payload_of_an_event_may_be_sent_back) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts);
    const std::string message(1000, 'a');
    PlainDeflater zlib;
    Bytes bytes = compressed(zlib.message(message));
    std::span<std::byte> input(bytes);
    Bytes out;
    const auto event = connection.next(input, out);
    connection.send_text(as_text(event->payload), out);
    PlainInflater back;
    CHECK_TRUE(back.message(as_text(out).substr(2), 2000) == message);
}

}  // namespace holdfast::websocket
