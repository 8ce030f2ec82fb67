#include "tests/firmware/telemetry/batches.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "firmware/base/text.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::telemetry {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

bool same_value(const Value& left, const Value& right) {
    const auto* a = std::get_if<double>(&left);
    const auto* b = std::get_if<double>(&right);
    if (a != nullptr && b != nullptr) {
        return std::bit_cast<std::uint64_t>(*a) == std::bit_cast<std::uint64_t>(*b);
    }
    return left == right;
}

Value random_value(std::mt19937_64& random, std::size_t type, unsigned wildness) {
    switch (type) {
        case 0:
            if (wildness == 0) {
                return static_cast<double>(random() % 1000) / 100.0;
            }
            return wildness == 1 ? std::ldexp(static_cast<double>(random() % 1'000'000), -7)
                                 : std::bit_cast<double>(random());
        case 1:
            return static_cast<std::int64_t>(wildness == 0 ? random() % 50
                                                           : random() >> (random() % 64));
        case 2:
            return random() % (wildness + 2) == 0;
        case 3: {
            return std::string(below(random, wildness + 3),
                               static_cast<char>('a' + random() % (wildness + 1)));
        }
        default:
            return Bytes(random() % 4, static_cast<std::byte>(random() % (wildness + 1)));
    }
}

}  // namespace

bool same(const Batch& left, const Batch& right) {
    if (left.boot != right.boot || left.readings.size() != right.readings.size()) {
        return false;
    }
    for (std::size_t i = 0; i < left.readings.size(); ++i) {
        const Reading& a = left.readings[i];
        const Reading& b = right.readings[i];
        if (a.channel != b.channel || a.time_us != b.time_us || !same_value(a.value, b.value)) {
            return false;
        }
    }
    return true;
}

bool comes_back(const Batch& batch) {
    const auto decoded = decode(encode(batch));
    return decoded && same(batch, *decoded);
}

Batch batch_of(const std::vector<Value>& values, std::int64_t first_time_us, std::int64_t step_us) {
    Batch batch;
    for (const Value& value : values) {
        batch.readings.push_back({1, first_time_us, value});
        first_time_us += step_us;
    }
    return batch;
}

std::vector<Batch> small_batches() {
    std::vector<Batch> batches;
    const double nan = std::bit_cast<double>(0x7FF4000000012345u);
    const double infinity = std::numeric_limits<double>::infinity();
    batches.push_back(batch_of({Value(21.57)}));
    batches.push_back(
        batch_of({Value(21.57), Value(21.58), Value(-0.0), Value(0.1 + 0.2), Value(21.57)}));
    batches.push_back(batch_of({Value(nan), Value(infinity), Value(-infinity), Value(5e-324),
                                Value(1.7e308), Value(-nan)}));
    batches.push_back(
        batch_of({Value(kLeast), Value(kMost), Value(std::int64_t{0}), Value(kLeast)}));
    batches.push_back(batch_of({Value(true), Value(false), Value(false), Value(true)}));
    batches.push_back(
        batch_of({Value(std::string()), Value(std::string("on")), Value(std::string("on")),
                  Value(std::string("off")), Value(std::string("on"))}));
    batches.push_back(batch_of({Value(Bytes{}), Value(Bytes(3, std::byte{7})), Value(Bytes{})}));
    batches.push_back({0, {{1, kLeast, 1.0}, {1, kMost, 2.0}, {1, 0, 3.0}, {1, -1, 4.0}}});
    batches.push_back({77,
                       {{std::numeric_limits<ChannelId>::max(), 5, true},
                        {0, 5, true},
                        {9, 5, 0.5},
                        {9, 5, std::int64_t{5}}}});
    Batch ticks;
    for (int i = 0; i < 8; ++i) {
        for (ChannelId channel = 1; channel <= 3; ++channel) {
            ticks.readings.push_back({channel, 1'000'000 * i, 0.1 * i + channel});
        }
    }
    ticks.readings.pop_back();
    batches.push_back(ticks);
    Batch runs;
    for (int i = 0; i < 30; ++i) {
        runs.readings.push_back({i / 7 % 2 == 0 ? 4u : 2u, 17 * i * i, std::int64_t{i} * i * i});
    }
    batches.push_back(runs);
    Batch sparse;
    for (int i = 0; i < 150; ++i) {
        sparse.readings.push_back({1, (i + i / 70) * 1000, i % 60 == 59 ? 0.1 + 0.2 : 0.5});
    }
    batches.push_back(sparse);
    return batches;
}

std::size_t below(std::mt19937_64& random, std::size_t end) {
    return static_cast<std::size_t>(random() % end);
}

Batch random_batch(std::mt19937_64& random, std::size_t readings) {
    Batch batch;
    batch.boot = random() % 3 == 0 ? random() : 0;
    const std::size_t channels = 1 + below(random, 1 + below(random, 8));
    std::vector<std::pair<ChannelId, std::size_t>> columns;
    for (std::size_t i = 0; i < channels; ++i) {
        columns.emplace_back(random() % 2 == 0 ? i + 1 : random(), random() % 5);
    }
    const bool in_turn = random() % 2 == 0;
    const auto wildness = static_cast<unsigned>(random() % 3);
    const auto time_wildness = random() % 4;
    std::uint64_t time = random() % 2 == 0 ? 1'795'168'800'000'000u : random();
    for (std::size_t i = 0; i < readings; ++i) {
        const auto& [channel, type] = columns[in_turn ? i % channels : below(random, channels)];
        batch.readings.push_back(
            {channel, static_cast<std::int64_t>(time), random_value(random, type, wildness)});
        if (!in_turn || i % channels == channels - 1) {
            time +=
                time_wildness == 3 ? random() : 1'000'000 + time_wildness * (random() % 1000) * 500;
        }
    }
    return batch;
}

std::vector<Reading> machine_temperature() {
    std::ifstream file(std::string(TELEMETRY_TEST_DATA) + "/machine_temperature.csv");
    std::vector<Reading> readings;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        const std::size_t comma = line.find(',');
        const auto time = parse_time(line.substr(0, comma) + "Z");
        if (time) {
            readings.push_back({1, time->time_since_epoch().count(),
                                std::strtod(line.c_str() + comma + 1, nullptr)});
        }
    }
    return readings;
}

}  // namespace holdfast::telemetry
