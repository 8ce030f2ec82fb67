#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/telemetry/batch_codec.h"
#include "tests/firmware/telemetry/batches.h"

using namespace holdfast;
using namespace holdfast::telemetry;

namespace {

constexpr std::size_t kReadings = 16'384;
constexpr std::int64_t kStart = 1'795'168'800'123'457;

std::size_t size_of(const Batch& batch) {
    CHECK(comes_back(batch));
    return encode(batch).size();
}

Batch series(const std::function<Value(std::size_t)>& value, std::size_t count = kReadings) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < count; ++i) {
        values.push_back(value(i));
    }
    return batch_of(values, kStart);
}

void at_most(std::size_t size, std::size_t limit) {
    CHECK_TEXT(size <= limit,
               (std::to_string(size) + " bytes, not " + std::to_string(limit)).c_str());
}

}  // namespace

/// Sizes are deterministic. Each limit is a little above what the format takes now.
TEST_GROUP(BatchSize){};

TEST(BatchSize, machine_temperature_takes_3_7_bytes_a_reading) {
    const std::vector<Reading> readings = machine_temperature();
    LONGS_EQUAL(22'695, readings.size());
    for (const std::size_t batch_size : {4096u, 16'384u}) {
        std::size_t total = 0;
        for (std::size_t first = 0; first < readings.size(); first += batch_size) {
            const std::size_t last = std::min(readings.size(), first + batch_size);
            Batch batch;
            batch.readings.assign(readings.begin() + static_cast<std::ptrdiff_t>(first),
                                  readings.begin() + static_cast<std::ptrdiff_t>(last));
            total += size_of(batch);
        }
        at_most(total, readings.size() * 37 / 10);
    }
}

TEST(BatchSize, a_steady_counter_is_nearly_free) {
    at_most(size_of(series([](std::size_t i) { return Value(static_cast<std::int64_t>(i)); })), 24);
    at_most(size_of(series([](std::size_t i) { return Value(static_cast<double>(i)); })), 24);
}

TEST(BatchSize, a_counter_whose_clock_jitters_by_a_millisecond_takes_a_third_of_a_byte) {
    std::mt19937_64 random(1);
    Batch batch = series([](std::size_t i) { return Value(static_cast<std::int64_t>(i)); });
    for (Reading& reading : batch.readings) {
        const auto jitter = static_cast<std::int64_t>(random() % 3) - 1;
        reading.time_us = (reading.time_us / 1000 + jitter) * 1000;
    }
    at_most(size_of(batch), kReadings / 3);
}

TEST(BatchSize, gaps_in_a_regular_series_cost_a_few_bytes_each) {
    Batch batch = series([](std::size_t) { return Value(21.5); });
    std::int64_t lost = 0;
    for (std::size_t i = 0; i < batch.readings.size(); ++i) {
        lost += i % 1000 == 999 ? 60'000'000 : 0;
        batch.readings[i].time_us += lost;
    }
    at_most(size_of(batch), 150);
}

TEST(BatchSize, steps_of_a_sensor_cost_bits_whatever_its_unit) {
    std::mt19937_64 random(1);
    for (const double step : {0.1, 0.0625, 0.5, 25.0}) {
        int level = 400;
        const Batch batch = series([&](std::size_t) {
            level += static_cast<int>(random() % 3) - 1;
            return Value(level * 10 / (10 / step));
        });
        at_most(size_of(batch), kReadings * 26 / 100);
    }
}

TEST(BatchSize, doubles_without_any_pattern_take_eight_bytes) {
    std::mt19937_64 random(1);
    at_most(size_of(series([&](std::size_t) { return Value(std::bit_cast<double>(random())); })),
            kReadings * 8 + 100);
}

TEST(BatchSize, float_noise_costs_a_byte_where_it_is) {
    std::mt19937_64 random(1);
    const auto exact = [](std::size_t i) { return static_cast<double>(i * 7919 % 1000) / 100.0; };
    const std::size_t plain = size_of(series([&](std::size_t i) { return Value(exact(i)); }));
    const std::size_t noisy = size_of(series([&](std::size_t i) {
        return Value(i % 20 == 3 ? std::nextafter(exact(i), 1e9) : exact(i));
    }));
    at_most(noisy - plain, kReadings / 20);
}

TEST(BatchSize, bools_take_a_bit_or_less) {
    std::mt19937_64 random(1);
    at_most(size_of(series([&](std::size_t) { return Value(random() % 2 == 0); })),
            kReadings * 13 / 100);
    at_most(size_of(series([](std::size_t i) { return Value(i / 500 % 2 == 0); })), 80);
}

TEST(BatchSize, a_repeated_string_is_stored_once) {
    at_most(size_of(series([](std::size_t) { return Value(std::string("running")); })), 32);
    at_most(size_of(series([](std::size_t i) {
                return Value(std::string(i / 100 % 2 == 0 ? "running" : "stopped"));
            })),
            300);
}

TEST(BatchSize, one_reading_takes_fifteen_bytes) {
    at_most(size_of(batch_of({Value(21.57)}, kStart)), 15);
    at_most(size_of(batch_of({Value(21.57)}, kStart / 1000 * 1000)), 13);
}

TEST(BatchSize, ten_channels_in_one_tick_take_sixty_bytes) {
    Batch batch;
    for (ChannelId channel = 1; channel <= 10; ++channel) {
        batch.readings.push_back({channel, kStart, (1001 + channel * 300) / 100.0});
    }
    at_most(size_of(batch), 60);
}

TEST(BatchSize, channels_sampled_together_share_their_times) {
    const auto ticks = [](ChannelId channels) {
        Batch batch;
        std::mt19937_64 random(1);
        std::int64_t time = kStart;
        for (int tick = 0; tick < 1000; ++tick) {
            time += static_cast<std::int64_t>(1'000'000 + random() % 1000);
            for (ChannelId channel = 1; channel <= channels; ++channel) {
                batch.readings.push_back({channel, time, 20.0});
            }
        }
        // The last tick is not whole.
        batch.readings.pop_back();
        return batch;
    };
    at_most(size_of(ticks(10)), size_of(ticks(1)) + 10 * 9);
}
