#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

// One connection with permessage-deflate, seen through `Connection`.
namespace holdfast::websocket {
namespace {

constexpr DeflateAgreement kPlain{};

Connection deflating(DeflateContexts& contexts, const DeflateAgreement& agreement = kPlain,
                     const Limits& limits = {}) {
    return Connection(Role::server, limits, nullptr,
                      std::make_unique<Deflate>(contexts, agreement));
}

Outcome served(ByteView bytes, const DeflateAgreement& agreement = kPlain,
               const Limits& limits = {}) {
    DeflateContexts contexts;
    bool same = false;
    const Outcome outcome =
        feed_every_way([&] { return deflating(contexts, agreement, limits); }, bytes, same);
    CHECK_TRUE(same);
    return outcome;
}

std::string chars(std::string_view digits) {
    return std::string(as_text(hex(digits)));
}

Bytes compressed(std::string payload, unsigned opcode = 1) {
    return raw({.opcode = opcode, .payload = std::move(payload), .rsv = 4, .masked = true});
}

const std::string kHello = chars("f2 48 cd c9 c9 07 00");

}  // namespace

TEST_GROUP(Deflate){};

TEST(Deflate, inflates_messages_with_rsv1_and_leaves_the_others) {
    const Outcome outcome =
        served(joined({compressed(kHello), raw({.payload = "plain", .masked = true})}));
    CHECK_TRUE((outcome.events ==
                std::vector<Seen>{{Event::Kind::text, "Hello"}, {Event::Kind::text, "plain"}}));
    LONGS_EQUAL(0, outcome.buffered_bytes);
}

TEST(Deflate, sends_with_rsv1_what_became_smaller_and_the_rest_as_it_is) {
    DeflateContexts contexts;
    Connection connection = deflating(contexts);
    Bytes out;
    CHECK_TRUE(connection.send_text("Hello Hello Hello", out));
    CHECK_TRUE(connection.send_text("Hello", out));
    CHECK_TRUE(connection.send_text("Hello Hello Hello", out, Compression::off));
    LONGS_EQUAL(0xc1, std::to_integer<int>(out[0]));
    const auto rest = ByteView(out).subspan(2 + std::to_integer<std::size_t>(out[1]));
    const Bytes as_they_are =
        joined({raw({.payload = "Hello"}), raw({.payload = "Hello Hello Hello"})});
    CHECK_TRUE(std::ranges::equal(rest, as_they_are));
}

}  // namespace holdfast::websocket
