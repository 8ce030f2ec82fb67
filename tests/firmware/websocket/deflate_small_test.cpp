#include "firmware/websocket/deflate_small.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/plain_zlib.h"
#include "tests/firmware/websocket/support.h"

namespace holdfast::websocket {
namespace {

/// In memory of exactly the promised size, so that the sanitizer sees what is written behind it.
std::string compressed(SmallCompressor& compressor, std::string_view message,
                       std::size_t window_bytes = 32768) {
    Bytes out(SmallCompressor::room_bytes(message.size()));
    out.resize(compressor.compress(as_bytes(message), window_bytes, out));
    return std::string(as_text(out));
}

bool round_trips(SmallCompressor& compressor, const std::string& message, int window_bits = 15) {
    PlainInflater inflater(window_bits);
    const std::string out = compressed(compressor, message, std::size_t{1} << window_bits);
    return inflater.message(out, message.size()) == message;
}

std::string random_message(std::mt19937_64& random, std::size_t size, unsigned letters) {
    std::string message(size, '\0');
    for (char& c : message) {
        c = static_cast<char>(random() % letters);
    }
    return message;
}

}  // namespace

TEST_GROUP(SmallCompressor){};

TEST(SmallCompressor, hello_is_that_of_the_rfc) {
    SmallCompressor compressor;
    CHECK_TRUE(compressed(compressor, "Hello") == as_text(hex("f2 48 cd c9 c9 07 00")));
    CHECK_TRUE(compressed(compressor, "") == as_text(hex("02 00")));
}

TEST(SmallCompressor, every_size_and_alphabet_round_trips_through_zlib) {
    SmallCompressor compressor;
    std::mt19937_64 random(1);
    for (std::size_t size = 0; size <= SmallCompressor::kMostBytes; size += 1 + size / 64) {
        for (const unsigned letters : {1u, 2u, 5u, 60u, 256u}) {
            CHECK_TRUE(round_trips(compressor, random_message(random, size, letters)));
        }
    }
    CHECK_TRUE(round_trips(compressor, std::string(SmallCompressor::kMostBytes, '\xff')));
}

TEST(SmallCompressor, every_match_length_and_distance_code_round_trips) {
    SmallCompressor compressor;
    std::mt19937_64 random(2);
    const std::string noise = random_message(random, 1700, 256);
    for (std::size_t length = 3; length <= 300; ++length) {
        CHECK_TRUE(
            round_trips(compressor, noise.substr(0, 300) + noise.substr(0, length) + "\x01\x02"));
    }
    for (std::size_t distance = 1; distance <= noise.size(); distance += 1 + distance / 16) {
        const std::string begin = noise.substr(0, distance);
        CHECK_TRUE(round_trips(compressor, begin + begin.substr(0, 20)));
    }
}

TEST(SmallCompressor, what_can_be_compressed_becomes_smaller) {
    SmallCompressor compressor;
    CHECK_TRUE(compressed(compressor, std::string(2048, 'a')).size() < 24);
    CHECK_TRUE(compressed(compressor, "Hello Hello Hello").size() < 12);
}

TEST(SmallCompressor, no_distance_exceeds_the_window) {
    SmallCompressor compressor;
    std::mt19937_64 random(3);
    for (int bits = 8; bits <= 11; ++bits) {
        const std::size_t window = std::size_t{1} << bits;
        // The same bytes again at exactly the window's distance, one less and one more.
        for (const std::size_t distance : {window - 1, window, window + 1}) {
            const std::string begin =
                random_message(random, std::min<std::size_t>(distance, 2000), 256);
            CHECK_TRUE(round_trips(compressor, begin + begin.substr(0, 40), bits));
        }
        CHECK_TRUE(round_trips(compressor, random_message(random, 2048, 4), bits));
    }
}

TEST(SmallCompressor, messages_know_nothing_of_each_other) {
    SmallCompressor used;
    std::mt19937_64 random(4);
    for (int i = 0; i < 50; ++i) {
        const std::string message =
            random_message(random, static_cast<std::size_t>(random() % 200), 3);
        SmallCompressor fresh;
        const std::string expected = compressed(fresh, message);
        CHECK_TRUE(compressed(used, message) == expected);
        CHECK_TRUE(compressed(used, message) == expected);
    }
}

TEST(SmallCompressor, positions_may_come_to_their_end) {
    std::mt19937_64 random(5);
    for (std::uint32_t before = 0; before < 3 * SmallCompressor::kMostBytes; before += 37) {
        SmallCompressor compressor(UINT32_MAX - before);
        for (int i = 0; i < 4; ++i) {
            CHECK_TRUE(round_trips(compressor, random_message(random, 2048, 4)));
        }
    }
}

}  // namespace holdfast::websocket
