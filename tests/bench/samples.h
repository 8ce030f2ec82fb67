#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace holdfast::bench {

/// What a bench has sensors say.
struct Sample {
    std::size_t sensor = 0;  ///< 0, 1, 2 …: each is a channel of its own
    std::int64_t time_us = 0;
    double value = 0;
    std::string text;  ///< the value as its sensor wrote it: the shortest decimal form
};

struct Samples {
    std::string unit;
    std::vector<Sample> rows;
};

/// Ten sensors, each once a second, all at the whole second; each value wanders in steps of
/// hundredths, as a thermometer's does. The same at every call.
[[nodiscard]] Samples ten_sensors(std::size_t count);
/// One sensor that counts seconds.
[[nodiscard]] Samples counter(std::size_t count);
/// One sensor a second that speaks in doubles of full precision: nothing about them is decimal.
[[nodiscard]] Samples noise(std::size_t count);
/// A file of lines "2013-12-02 21:15:00,73.96732207" after a head line. Empty if it cannot be read.
[[nodiscard]] Samples from_csv(const std::filesystem::path& file);

}  // namespace holdfast::bench
