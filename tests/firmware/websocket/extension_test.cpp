#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

namespace holdfast::websocket {
namespace {

/// Writes each byte as often as the one before it says; leaves messages that begin with '!' alone.
class Doubling final : public Extension {
public:
    std::expected<void, ProtocolError> inflate(ByteView piece, bool last, Bytes& out,
                                               std::size_t limit) override {
        for (const std::byte byte : piece) {
            if (!count_) {
                count_ = std::to_integer<std::size_t>(byte);
                continue;
            }
            if (limit - out.size() < *count_) {
                return std::unexpected(ProtocolError{CloseCode::message_too_big, "too big"});
            }
            out.insert(out.end(), *count_, byte);
            count_.reset();
        }
        if (last && count_) {
            return std::unexpected(ProtocolError{CloseCode::invalid_payload, "ends early"});
        }
        return {};
    }
    bool deflate(ByteView message, Bytes& out) override {
        if (!message.empty() && message[0] == std::byte{'!'}) {
            return false;
        }
        for (std::size_t i = 0; i < message.size();) {
            std::size_t run = 1;
            while (i + run < message.size() && run < 255 && message[i + run] == message[i]) {
                ++run;
            }
            out.push_back(static_cast<std::byte>(run));
            out.push_back(message[i]);
            i += run;
        }
        return true;
    }

private:
    std::optional<std::size_t> count_;
};

Connection extended(const Limits& limits = {}) {
    return Connection(Role::server, limits, nullptr, std::make_unique<Doubling>());
}

Outcome served(ByteView bytes, const Limits& limits = {}) {
    bool same = false;
    const Outcome outcome = feed_every_way([&limits] { return extended(limits); }, bytes, same);
    CHECK_TRUE(same);
    return outcome;
}

std::string repeated(unsigned count, char c) {
    return {static_cast<char>(count), c};
}

}  // namespace

TEST_GROUP(Extension){};

TEST(Extension, inflates_messages_with_rsv1_and_leaves_the_others) {
    const Outcome outcome =
        served(joined({raw({.payload = repeated(3, 'a'), .rsv = 4, .masked = true}),
                       raw({.payload = "plain", .masked = true})}));
    CHECK_TRUE((outcome.events ==
                std::vector<Seen>{{Event::Kind::text, "aaa"}, {Event::Kind::text, "plain"}}));
    LONGS_EQUAL(0, outcome.buffered_bytes);
}

TEST(Extension, fragments_bear_rsv1_on_the_first_only) {
    const std::string text = repeated(3, 'a') + repeated(2, 'b');
    const Outcome outcome =
        served(joined({raw({.payload = text.substr(0, 3), .fin = false, .rsv = 4, .masked = true}),
                       raw({.opcode = 9, .masked = true}),
                       raw({.opcode = 0, .payload = text.substr(3), .masked = true})}));
    CHECK_TRUE((outcome.events ==
                std::vector<Seen>{{Event::Kind::ping, ""}, {Event::Kind::text, "aaabb"}}));
    const Outcome second =
        served(joined({raw({.payload = repeated(1, 'a'), .fin = false, .rsv = 4, .masked = true}),
                       raw({.opcode = 0, .payload = repeated(1, 'b'), .rsv = 4, .masked = true})}));
    LONGS_EQUAL(1002, second.events.back().code);
}

TEST(Extension, limit_holds_for_the_inflated_message) {
    const Limits ten{.message_size_bytes = 10};
    LONGS_EQUAL(
        10, served(raw({.opcode = 2, .payload = repeated(10, 'x'), .rsv = 4, .masked = true}), ten)
                .events.back()
                .payload.size());
    LONGS_EQUAL(
        1009,
        served(raw({.opcode = 2, .payload = repeated(11, 'x'), .rsv = 4, .masked = true}), ten)
            .events.back()
            .code);
}

TEST(Extension, inflated_text_must_be_utf8) {
    LONGS_EQUAL(
        1007,
        served(raw({.payload = repeated(2, '\xc3'), .rsv = 4, .masked = true})).events.back().code);
    LONGS_EQUAL(
        1007,
        served(raw({.payload = repeated(1, '\xc3'), .rsv = 4, .masked = true})).events.back().code);
}

TEST(Extension, error_of_the_extension_ends_the_connection) {
    const Outcome outcome = served(raw({.payload = "\x01", .rsv = 4, .masked = true}));
    LONGS_EQUAL(1007, outcome.events.back().code);
    CHECK_TRUE(outcome.closed);
}

TEST(Extension, sends_with_rsv1_what_it_deflated_and_the_rest_as_it_is) {
    Connection connection = extended();
    Bytes out;
    CHECK_TRUE(connection.send_text("aaa", out));
    CHECK_TRUE(connection.send_binary(to_bytes("bb"), to_bytes("bc"), out));
    CHECK_TRUE(connection.send_text("!aaa", out));
    CHECK_TRUE(out ==
               joined({raw({.payload = repeated(3, 'a'), .rsv = 4}),
                       raw({.opcode = 2, .payload = repeated(3, 'b') + repeated(1, 'c'), .rsv = 4}),
                       raw({.payload = "!aaa"})}));
}

TEST(Extension, control_frames_are_never_deflated) {
    Connection connection = extended();
    Bytes out;
    connection.send_ping(to_bytes("aaa"), out);
    connection.close(CloseCode::normal, "", out);
    CHECK_TRUE(out == joined({raw({.opcode = 9, .payload = "aaa"}), hex("88 02 03 e8")}));
}

}  // namespace holdfast::websocket
