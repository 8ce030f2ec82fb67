#include "tests/bench/samples.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

namespace holdfast::bench {

namespace {

constexpr std::int64_t kStartUs = 1'790'000'000'000'000;  // in September 2026
constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::size_t kSensors = 10;

std::string hundredths_text(int value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%d.%02d", value / 100, value % 100);
    std::string out(text.data());
    while (out.back() == '0') {
        out.pop_back();
    }
    if (out.back() == '.') {
        out.pop_back();
    }
    return out;
}

}  // namespace

Samples ten_sensors(std::size_t count) {
    std::mt19937 random(1);  // NOLINT: the same at every call
    std::normal_distribution<double> step(0.0, 3.0);
    std::array<int, kSensors> hundredths{};
    for (std::size_t i = 0; i < kSensors; ++i) {
        hundredths.at(i) = 2000 + 150 * static_cast<int>(i);
    }
    Samples samples{"°C", {}};
    samples.rows.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        int& value = hundredths.at(i % kSensors);
        value = std::max(100, value + static_cast<int>(step(random)));
        std::string text = hundredths_text(value);
        const double number = std::strtod(text.c_str(), nullptr);
        samples.rows.push_back({i % kSensors,
                                kStartUs + static_cast<std::int64_t>(i / kSensors) * kSecondUs,
                                number, std::move(text)});
    }
    return samples;
}

Samples counter(std::size_t count) {
    Samples samples{"", {}};
    samples.rows.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        samples.rows.push_back({0, kStartUs + static_cast<std::int64_t>(i) * kSecondUs,
                                static_cast<double>(i), std::to_string(i)});
    }
    return samples;
}

Samples noise(std::size_t count) {
    std::mt19937_64 random(1);  // NOLINT: the same at every call
    std::normal_distribution<double> value(20.0, 0.5);
    Samples samples{"°C", {}};
    samples.rows.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::array<char, 40> text{};
        std::snprintf(text.data(), text.size(), "%.17g", value(random));
        samples.rows.push_back({0, kStartUs + static_cast<std::int64_t>(i) * kSecondUs,
                                std::strtod(text.data(), nullptr), text.data()});
    }
    return samples;
}

Samples from_csv(const std::filesystem::path& file) {
    std::ifstream in(file);
    Samples samples{"°C", {}};
    for (std::string line; std::getline(in, line);) {
        int year = 0;
        unsigned month = 0;
        unsigned day = 0;
        int hour = 0;
        int minute = 0;
        int second = 0;
        const std::size_t comma = line.find(',');
        if (comma == std::string::npos || std::sscanf(line.c_str(), "%d-%u-%u %d:%d:%d", &year,
                                                      &month, &day, &hour, &minute, &second) != 6) {
            continue;
        }
        const std::chrono::sys_days date =
            std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
        const std::chrono::microseconds time = date.time_since_epoch() + std::chrono::hours(hour) +
                                               std::chrono::minutes(minute) +
                                               std::chrono::seconds(second);
        std::string text = line.substr(comma + 1);
        const double number = std::strtod(text.c_str(), nullptr);
        samples.rows.push_back({0, time.count(), number, std::move(text)});
    }
    return samples;
}

}  // namespace holdfast::bench
