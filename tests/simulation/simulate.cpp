// Runs worlds out of seeds: simulate [--seeds N] [--seed S] [--seconds T] [--trace]

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"

namespace {

using namespace holdfast;
using simulation::in_seconds;
using simulation::World;

struct Arguments {
    std::uint64_t first = 0;  ///< 0: drawn from the time
    std::uint64_t count = 1000;
    double seconds = 0;  ///< 0: no limit
    bool trace = false;
    bool verbose = false;
    bool all = false;
};

constexpr const char* kUsage =
    "usage: simulate [--seeds N] [--seed S] [--seconds T] [--trace] [--verbose] [--all]\n"
    "\n"
    "  --seeds N    so many worlds (1000)\n"
    "  --seed S     the first of them; without --seeds: this one alone\n"
    "  --seconds T  stop after so long\n"
    "  --trace      tell all that happens\n"
    "  --verbose    a line for each world\n"
    "  --all        go on after a failure\n";

std::optional<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    bool counted = false;
    for (int i = 1; i < argc; ++i) {
        const std::string key = argv[i];
        if (key == "--trace") {
            arguments.trace = true;
        } else if (key == "--verbose") {
            arguments.verbose = true;
        } else if (key == "--all") {
            arguments.all = true;
        } else if (i + 1 < argc && key == "--seeds") {
            arguments.count = std::strtoull(argv[++i], nullptr, 10);
            counted = true;
        } else if (i + 1 < argc && key == "--seed") {
            arguments.first = std::strtoull(argv[++i], nullptr, 10);
        } else if (i + 1 < argc && key == "--seconds") {
            arguments.seconds = std::strtod(argv[++i], nullptr);
            arguments.count = counted ? arguments.count : 1u << 30;
            counted = true;
        } else {
            return std::nullopt;
        }
    }
    if (arguments.first != 0 && !counted) {
        arguments.count = 1;
    }
    return arguments;
}

unsigned long long number(std::uint64_t value) {
    return value;
}

void print(std::uint64_t seed, const World& world) {
    const World::Counts counts = world.counts();
    std::printf("seed %llu %s: %s, %llu events, %llu readings, %llu gaps, settled in %s\n",
                number(seed), name(world.plan().kind), in_seconds(counts.time).c_str(),
                number(counts.events), number(counts.readings), number(counts.gaps),
                in_seconds(counts.settled).c_str());
}

int run(const Arguments& arguments) {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    std::uint64_t first = arguments.first;
    if (first == 0) {
        first = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                           std::chrono::seconds(1)) *
                1'000'000;
        std::printf("first seed %llu\n", number(first));
    }
    World::Counts all;
    std::uint64_t worlds = 0;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = first; seed < first + arguments.count; ++seed) {
        if (arguments.seconds > 0 &&
            std::chrono::duration<double>(Clock::now() - began).count() > arguments.seconds) {
            break;
        }
        World world(seed, arguments.trace ? stdout : nullptr);
        const std::string wrong = world.run();
        if (!wrong.empty()) {
            std::printf("seed %llu: %s\nrepeat it with: ./dev simulate --seed %llu --trace\n",
                        number(seed), wrong.c_str(), number(seed));
            ++failed;
            if (!arguments.all) {
                return 1;
            }
        }
        if (arguments.verbose) {
            print(seed, world);
        }
        const World::Counts counts = world.counts();
        ++worlds;
        all.readings += counts.readings;
        all.gaps += counts.gaps;
        all.crashes += counts.crashes;
        all.cuts += counts.cuts;
        all.streams += counts.streams;
        all.bytes += counts.bytes;
        all.events += counts.events;
        all.time += counts.time;
        all.settled = std::max(all.settled, counts.settled);
    }
    const double took = std::chrono::duration<double>(Clock::now() - began).count();
    std::printf(
        "%llu worlds, %.1f virtual days in %.1f s: %llu readings, %llu gaps, %llu crashes, %llu "
        "streams, %llu cuts, %.1f MB on the wire, %llu events; the slowest settled in %s\n",
        number(worlds), std::chrono::duration<double, std::ratio<86400>>(all.time).count(), took,
        number(all.readings), number(all.gaps), number(all.crashes), number(all.streams),
        number(all.cuts), static_cast<double>(all.bytes) / 1e6, number(all.events),
        in_seconds(all.settled).c_str());
    return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16));
    const std::optional<Arguments> arguments = parse(argc, argv);
    if (!arguments) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    return run(*arguments);
}
