#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "firmware/base/clock.h"
#include "platform/simulated/clock.h"
#include "platform/simulated/network.h"
#include "platform/simulated/random.h"

namespace holdfast::simulation {

/// What all parts of a world share: the clock, the network, the dice, what is wrong, and the trace.
struct Setting {
    explicit Setting(std::uint64_t seed, std::FILE* trace_to)
        : random(seed), network(clock, seed ^ 0x6e65'7477'6f72'6bu), trace(trace_to) {
        if (trace != nullptr) {
            network.trace = [this](const std::string& what) { say("network", what); };
        }
    }

    /// The true time: what a right clock shows.
    [[nodiscard]] WallTime wall() const {
        constexpr WallTime kStart{std::chrono::seconds(1'796'000'000)};
        return kStart + clock.now().time_since_epoch();
    }
    /// An invariant does not hold. The first word counts.
    void violated(const std::string& invariant, const std::string& what) {
        if (broken.empty()) {
            broken = invariant + ": " + what;
            say("world", "VIOLATED " + broken);
        }
    }
    void say(const std::string& who, const std::string& what) {
        if (trace != nullptr) {
            const auto us = static_cast<long long>(clock.now().time_since_epoch().count());
            std::fprintf(trace, "%lld.%06lld %s: %s\n", us / 1'000'000, us % 1'000'000, who.c_str(),
                         what.c_str());
        }
    }
    [[nodiscard]] bool traces() const { return trace != nullptr; }

    simulated::Clock clock;
    simulated::Random random;
    simulated::Network network;
    std::string broken;
    bool quiet = false;  ///< no more faults

    std::FILE* trace;
};

}  // namespace holdfast::simulation
