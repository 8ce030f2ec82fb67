#include "firmware/telemetry/batch_codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/telemetry/batches.h"

using namespace holdfast;
using namespace holdfast::telemetry;

TEST_GROUP(BatchCodec){};

TEST(BatchCodec, every_kind_of_batch_comes_back) {
    for (const Batch& batch : small_batches()) {
        CHECK(comes_back(batch));
    }
}

TEST(BatchCodec, random_batches_come_back) {
    const unsigned seed = std::random_device{}();
    std::mt19937_64 random(seed);
    for (int i = 0; i < 1500; ++i) {
        const Batch batch = random_batch(random, 1 + below(random, i % 10 == 0 ? 2000 : 90));
        CHECK_TEXT(comes_back(batch), ("seed " + std::to_string(seed)).c_str());
    }
}

TEST(BatchCodec, special_doubles_come_back_at_every_place_of_a_regular_series) {
    const std::vector<std::uint64_t> special{
        0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8000000000000001,
        0x7FF0000000000000, 0xFFF0000000000000, 0x7FF0000000000001, 0x7FF8000000000000,
        0xFFFFFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 0x4340000000000000, 0xC340000000000001};
    for (const std::uint64_t bits : special) {
        for (std::size_t place = 0; place < 70; place += 3) {
            std::vector<Value> values;
            for (std::size_t i = 0; i < 70; ++i) {
                values.emplace_back(static_cast<double>(200 + i % 7) / 10.0);
            }
            values[place] = std::bit_cast<double>(bits);
            CHECK(comes_back(batch_of(values)));
        }
    }
}

TEST(BatchCodec, decimals_of_every_scale_come_back) {
    for (int places = 0; places <= 17; ++places) {
        std::vector<Value> values;
        for (int i = -100; i < 100; ++i) {
            values.emplace_back((12'345 + i * 7) / std::pow(10.0, places));
            values.emplace_back(i * 1e9 / std::pow(10.0, places));
        }
        CHECK(comes_back(batch_of(values)));
    }
}

TEST(BatchCodec, every_width_of_integer_and_time_step_comes_back) {
    for (unsigned width = 0; width < 64; ++width) {
        std::mt19937_64 random(width);
        Batch batch;
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t number = random() >> width;
            batch.readings.push_back({1, static_cast<std::int64_t>(random() >> width),
                                      static_cast<std::int64_t>(i % 2 == 0 ? number : 0 - number)});
        }
        CHECK(comes_back(batch));
    }
}

TEST(BatchCodec, many_columns_come_back_whatever_their_order) {
    std::mt19937_64 random(1);
    for (const ChannelId channels : {2u, 10u, 1000u}) {
        for (const std::size_t cycle : {1, 7, 100'000}) {
            Batch batch;
            for (std::size_t i = 0; i < 3000; ++i) {
                const std::size_t pick = cycle == 1   ? i
                                         : cycle == 7 ? i % 7 * i % 7
                                                      : below(random, channels);
                batch.readings.push_back({static_cast<ChannelId>(pick % channels),
                                          static_cast<std::int64_t>(i), std::int64_t{1}});
            }
            CHECK(comes_back(batch));
        }
    }
}

TEST(BatchCodec, a_batch_at_the_limit_is_decoded_and_one_reading_more_is_too_large) {
    const Bytes bytes = encode(batch_of(std::vector<Value>(100, Value(1.5))));
    CHECK(decode(bytes, {.readings = 100}).has_value());
    const auto decoded = decode(bytes, {.readings = 99});
    CHECK(!decoded && decoded.error().code == ErrorCode::too_large);
}

TEST(BatchCodec, bytes_over_the_limit_are_too_large) {
    const Bytes bytes = encode(batch_of({Value(1.5)}));
    CHECK(decode(bytes, {.bytes = bytes.size()}).has_value());
    const auto decoded = decode(bytes, {.bytes = bytes.size() - 1});
    CHECK(!decoded && decoded.error().code == ErrorCode::too_large);
}

TEST(BatchCodec, a_repeated_text_counts_as_often_as_it_is_there) {
    const Bytes bytes = encode(batch_of(std::vector<Value>(1000, Value(std::string(1000, 'x')))));
    CHECK(bytes.size() < 1100);
    CHECK(decode(bytes, {.bytes = 1'000'000}).has_value());
    const auto decoded = decode(bytes, {.bytes = 999'999});
    CHECK(!decoded && decoded.error().code == ErrorCode::too_large);
}
