// How fast the columnar codec is, and how small its batches are. One JSON object on standard
// output.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "firmware/telemetry/batch_codec.h"
#include "tests/bench/samples.h"

using namespace holdfast;

namespace {

using Clock = std::chrono::steady_clock;

struct Spread {
    double least;
    double median;
    double most;
};

Spread spread(std::vector<double> rates) {
    std::ranges::sort(rates);
    return {rates.front(), rates[rates.size() / 2], rates.back()};
}

std::vector<telemetry::Batch> cut(const bench::Samples& samples, std::size_t batch_readings) {
    std::vector<telemetry::Batch> batches;
    for (std::size_t i = 0; i < samples.rows.size(); ++i) {
        if (i % batch_readings == 0) {
            batches.emplace_back();
        }
        const bench::Sample& row = samples.rows[i];
        telemetry::Reading& reading = batches.back().readings.emplace_back();
        reading.channel = static_cast<telemetry::ChannelId>(row.sensor + 1);
        reading.time_us = row.time_us;
        reading.value = row.value;
    }
    return batches;
}

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

void print(const char* direction, const Spread& rate) {
    std::printf("\"%s\":[%.0f,%.0f,%.0f],", direction, rate.least, rate.median, rate.most);
}

void measure(const char* name, const bench::Samples& samples, std::size_t batch_readings,
             int rounds) {
    const std::vector<telemetry::Batch> batches = cut(samples, batch_readings);
    std::vector<double> encoded;
    std::vector<double> decoded;
    const auto count = static_cast<double>(samples.rows.size());
    std::size_t size_bytes = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<Bytes> bodies;
        bodies.reserve(batches.size());
        Clock::time_point began = Clock::now();
        for (const telemetry::Batch& batch : batches) {
            bodies.push_back(telemetry::encode(batch));
        }
        encoded.push_back(count / seconds_since(began));
        began = Clock::now();
        for (const Bytes& body : bodies) {
            if (!telemetry::decode(body)) {
                std::fprintf(stderr, "codec_speed: %s does not decode\n", name);
                std::exit(1);
            }
        }
        decoded.push_back(count / seconds_since(began));
        size_bytes = 0;
        for (const Bytes& body : bodies) {
            size_bytes += body.size();
        }
    }
    std::printf("{\"name\":\"%s\",\"batch\":%zu,", name, batch_readings);
    print("encode", spread(encoded));
    print("decode", spread(decoded));
    std::printf("\"bytes_per_reading\":%.4f}", static_cast<double>(size_bytes) / count);
}

}  // namespace

/// codec_speed CSV READINGS ROUNDS
int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: codec_speed CSV READINGS ROUNDS\n", stderr);
        return 2;
    }
    const std::size_t count = std::strtoul(argv[2], nullptr, 10);
    const int rounds = std::atoi(argv[3]);
    const bench::Samples machine = bench::from_csv(argv[1]);
    if (machine.rows.empty()) {
        std::fprintf(stderr, "codec_speed: nothing in %s\n", argv[1]);
        return 1;
    }
    const bench::Samples ten = bench::ten_sensors(count);
    const bench::Samples seconds = bench::counter(count);
    std::fputs("[", stdout);
    const char* separator = "";
    for (const std::size_t batch_readings : {std::size_t{100}, std::size_t{4000}}) {
        std::fputs(separator, stdout);
        measure("machine temperature", machine, batch_readings, rounds);
        std::fputs(",", stdout);
        measure("ten sensors", ten, batch_readings, rounds);
        std::fputs(",", stdout);
        measure("counter", seconds, batch_readings, rounds);
        separator = ",";
    }
    std::fputs("]\n", stdout);
    return 0;
}
