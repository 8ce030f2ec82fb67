#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "firmware/base/clock.h"
#include "firmware/ports/entropy.h"

namespace holdfast::simulated {

/// Pseudo-random numbers, the same on every machine: std::mt19937_64 is defined to the bit, the
/// standard's distributions are not, so none is used.
class Random final : public ports::Entropy {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(engine_() >> 24);
        }
    }
    [[nodiscard]] std::uint64_t next() { return engine_(); }
    /// 0 … n - 1.
    [[nodiscard]] std::size_t below(std::size_t n) {
        return static_cast<std::size_t>(engine_() % n);
    }
    [[nodiscard]] bool chance(unsigned percent) { return engine_() % 100 < percent; }
    [[nodiscard]] Duration between(Duration least, Duration most) {
        const auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
        return least + Duration(static_cast<std::int64_t>(engine_() % span));
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace holdfast::simulated
