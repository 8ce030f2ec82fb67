#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/telemetry/batch_codec.h"
#include "tests/firmware/telemetry/batches.h"

using namespace holdfast;
using namespace holdfast::telemetry;

namespace {

/// Of its own size on the heap, so that the address sanitizer sees a read past the end.
Bytes copy(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

Bytes bytes_of(const std::vector<int>& numbers) {
    Bytes bytes;
    for (const int number : numbers) {
        bytes.push_back(static_cast<std::byte>(number));
    }
    return bytes;
}

bool is_invalid(ByteView bytes) {
    const auto decoded = decode(copy(bytes));
    return !decoded && decoded.error().code == ErrorCode::invalid;
}

}  // namespace

TEST_GROUP(MalformedBatch){};

TEST(MalformedBatch, cut_at_any_byte_is_invalid) {
    for (const Batch& batch : small_batches()) {
        const Bytes bytes = encode(batch);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            CHECK(is_invalid(ByteView(bytes).first(size)));
        }
    }
}

TEST(MalformedBatch, with_a_byte_more_is_invalid) {
    for (const Batch& batch : small_batches()) {
        Bytes bytes = encode(batch);
        bytes.push_back(std::byte{0});
        CHECK(is_invalid(bytes));
    }
}

TEST(MalformedBatch, with_any_bit_flipped_is_refused_or_another_batch) {
    // What is decoded must also be encodable: it is forwarded like any other.
    for (const Batch& batch : small_batches()) {
        const Bytes bytes = encode(batch);
        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            Bytes flipped = copy(bytes);
            flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
            const auto decoded = decode(flipped);
            CHECK(!decoded || comes_back(*decoded));
        }
    }
}

TEST(MalformedBatch, of_random_bytes_does_no_harm) {
    const unsigned seed = std::random_device{}();
    std::mt19937_64 random(seed);
    const std::vector<Batch> batches = small_batches();
    for (int i = 0; i < 20'000; ++i) {
        Bytes bytes = encode(batches[below(random, batches.size())]);
        for (std::size_t changes = 1 + below(random, 8); changes > 0; --changes) {
            bytes[below(random, bytes.size())] = static_cast<std::byte>(random());
        }
        const auto decoded = decode(bytes, {.readings = 1000});
        CHECK_TEXT(!decoded || comes_back(*decoded), ("seed " + std::to_string(seed)).c_str());
    }
}

TEST(MalformedBatch, errors_say_what_and_where) {
    const auto message = [](const std::vector<int>& numbers) {
        const auto decoded = decode(bytes_of(numbers));
        return decoded ? std::string("no error") : decoded.error().message;
    };
    STRCMP_EQUAL("a malformed batch: the end is missing at byte 0", message({}).c_str());
    STRCMP_EQUAL("a malformed batch: not version 1 at byte 1", message({2, 1}).c_str());
    STRCMP_EQUAL("a malformed batch: a malformed head at byte 2", message({0x11, 0}).c_str());
    STRCMP_EQUAL("a malformed batch: a malformed column head at byte 3",
                 message({0x11, 1, 7}).c_str());
    STRCMP_EQUAL("a malformed batch: column 0: times of an unknown scale at byte 4",
                 message({0x11, 1, 1, 0x0A, 0}).c_str());
}

TEST(MalformedBatch, that_claims_more_than_it_holds_is_refused) {
    // 2^32 readings in ten bytes.
    const auto decoded = decode(bytes_of({0x11, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 0, 0, 0}));
    CHECK(!decoded && decoded.error().code == ErrorCode::too_large);
    // 65,536 columns, a text of 2^40 bytes.
    CHECK(is_invalid(bytes_of({0x01, 0x80, 0x80, 0x04, 0x80, 0x80, 0x04, 0, 0})));
    CHECK(is_invalid(bytes_of({0x11, 1, 3, 0x10, 0, 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x41})));
}

TEST(MalformedBatch, with_a_column_twice_or_out_of_turn_is_invalid) {
    Batch batch;
    batch.readings = {{1, 0, true}, {2, 0, true}};
    const Bytes bytes = encode(batch);
    // Flags, count, columns, two heads, the interleaving.
    CHECK(bytes[4] == std::byte{0x0A});
    Bytes twice = bytes;
    twice[4] = std::byte{0x1A};
    CHECK(is_invalid(twice));
    Bytes long_cycle = bytes;
    long_cycle[5] = std::byte{2};
    CHECK(is_invalid(long_cycle));
}
