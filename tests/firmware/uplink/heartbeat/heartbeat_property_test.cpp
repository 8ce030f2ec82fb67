#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/uplink/heartbeat/path_model.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

constexpr Duration kWeek = 24h * 7;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Uniform by ratio, for limits of five seconds are as likely as those of half an hour.
Duration between(std::mt19937_64& random, Duration least, Duration most) {
    const double share = std::uniform_real_distribution(0.0, 1.0)(random);
    const double span = static_cast<double>(most.count()) / static_cast<double>(least.count());
    return Duration(std::llround(static_cast<double>(least.count()) * std::pow(span, share)));
}

PathSpec any_path(std::mt19937_64& random, bool calm) {
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const auto below = [&](unsigned most) { return static_cast<std::size_t>(random() % most); };
    PathSpec spec;
    constexpr std::array kKinds{CutKind::fin, CutKind::reset, CutKind::silent, CutKind::none};
    spec.cut_kind = kKinds[below(chance(90) ? 3 : 4)];
    spec.reset_late = chance(50);
    spec.cut = between(random, 5s, 30min);
    spec.cut_jitter = chance(30) ? spec.cut / 100 : 0us;
    spec.counts = static_cast<Direction>(random() % 3);
    spec.round_trip = between(random, 2ms, spec.cut < 20s ? 60ms : 300ms);
    spec.round_trip_jitter = spec.round_trip / 4;
    if (chance(30)) {
        spec.lifetime = between(random, 30s, 24h);
        spec.lifetime_kind = kKinds[below(3)];
    }
    spec.data_every = chance(30) ? between(random, 1s, 1h) : 0us;
    if (!calm) {
        spec.loss_per_mille = chance(50) ? static_cast<unsigned>(random() % 20) : 0;
        for (std::size_t n = below(4); n > 0; --n) {
            spec.outages.emplace_back(between(random, 10s, kWeek), between(random, 1s, 1h));
        }
        for (std::size_t n = below(3); n > 0; --n) {
            spec.hub_restarts.push_back(between(random, 10s, kWeek));
        }
        for (std::size_t n = below(3); n > 0; --n) {
            spec.whims.push_back(between(random, 10s, kWeek));
        }
    }
    return spec;
}

/// A limit that no line lives to see does not matter.
bool cut_matters(const PathSpec& spec) {
    return spec.cut_kind != CutKind::none &&
           (spec.lifetime == 0us || spec.cut < spec.lifetime * 8 / 10);
}

bool cut_never_matters(const PathSpec& spec) {
    return spec.cut_kind == CutKind::none ||
           (spec.lifetime != 0us && spec.cut > spec.lifetime * 11 / 10);
}

double seconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1e6;
}

/// "" or what was wrong.
std::string wrong_knowledge(const PathSpec& spec, const AdaptiveHeartbeat::Report& report) {
    if (!report.learned) {
        return "nothing was learned";
    }
    if (cut_matters(spec)) {
        const Duration allowed = spec.cut / 20 + spec.cut_jitter + spec.round_trip * 2;
        if (std::chrono::abs(report.cut - spec.cut) > allowed) {
            return "the cut was taken for " + std::to_string(seconds(report.cut)) + " s";
        }
        const bool rule_known = report.counts != Counts::unknown;
        if (rule_known &&
            (report.counts == Counts::from_hub_only) != (spec.counts == Direction::from_hub)) {
            return std::string("what counts was taken for ") + name(report.counts);
        }
        // A late reset is taken for silence where the cut overtook the only answer.
        const bool overtaken = spec.reset_late && report.kind == CutKind::silent;
        if (report.kind != spec.cut_kind && !overtaken) {
            return std::string("its kind was taken for ") + name(report.kind);
        }
    } else if (cut_never_matters(spec) && report.kind != CutKind::none) {
        return std::string("a cut was found where there is none: ") + name(report.kind) + " at " +
               std::to_string(seconds(report.cut)) + " s";
    }
    return "";
}

std::string list(const std::vector<PathWorld::Drop>& drops) {
    std::string text = std::to_string(drops.size()) + " drops:";
    for (const PathWorld::Drop& drop : drops) {
        text +=
            " " + std::string(name(drop.cause)) + " at " + std::to_string(seconds(drop.at)) + ",";
    }
    return text;
}

/// "" or what was wrong.
std::string check_calm(const PathSpec& spec, std::uint64_t seed) {
    PathWorld world(spec, {}, seed);
    const Duration enough = spec.lifetime * 3 + (cut_matters(spec) ? spec.cut * 6 : 3h);
    world.run(enough +
              kWeek / (spec.cut < 60s || (spec.lifetime != 0us && spec.lifetime < 5min) ? 28 : 1));
    if (const std::string wrong = wrong_knowledge(spec, world.report()); !wrong.empty()) {
        return wrong;
    }
    const bool lifetime_known =
        std::chrono::abs(world.report().lifetime - spec.lifetime) <= spec.lifetime / 10;
    if (!lifetime_known) {
        return "the lifetime was taken for " + std::to_string(seconds(world.report().lifetime));
    }
    if (world.drops().size() > (spec.lifetime == 0us ? 0 : 1)) {
        return list(world.drops());
    }
    if (spec.lifetime == 0us && spec.cut_kind != CutKind::none) {
        const double ratio = seconds(*world.learned_after()) / seconds(spec.cut);
        if (ratio > 4) {
            return "learning took " + std::to_string(ratio) + " times the cut";
        }
    }
    if (world.most_side_lines() > kProbeLines) {
        return std::to_string(world.most_side_lines()) + " probe lines";
    }
    if (world.side_lines() > 60) {
        return std::to_string(world.side_lines()) + " probe lines opened";
    }
    return "";
}

std::string check_rough(const PathSpec& spec, std::uint64_t seed) {
    PathWorld world(spec, {}, seed);
    // Troubles come within a week; what they have put in doubt is known again a day later.
    world.run(kWeek + 24h * 2);

    const AdaptiveHeartbeat::Report report = world.report();
    if (!report.learned) {
        return "nothing is known after the troubles";
    }
    if (cut_matters(spec) && report.safe > spec.cut + spec.cut_jitter + spec.round_trip * 2) {
        return "more is taken for safe than is: " + std::to_string(seconds(report.safe)) + " s";
    }
    if (cut_matters(spec) && report.safe < spec.cut / 2) {
        return "much less is taken for safe than is: " + std::to_string(seconds(report.safe));
    }
    // A packet that was lost twice or thrice is late by more than a short limit leaves room for.
    const bool tight = spec.loss_per_mille > 0 && spec.cut < 20s;
    if (!tight && (world.drops_by_path(kWeek + 24h, kWeek + 24h * 2) > 0 ||
                   world.drops_by_path(0s, kWeek * 2) > 2)) {
        return list(world.drops());
    }
    if (world.most_side_lines() > kProbeLines) {
        return std::to_string(world.most_side_lines()) + " probe lines";
    }
    if (!tight && world.side_lines() > 400) {
        return std::to_string(world.side_lines()) + " probe lines opened";
    }
    return "";
}

void run_seeds(bool calm, std::uint64_t otherwise) {
    const std::uint64_t first = from_environment("HOLDFAST_FIRST_SEED", 1);
    const std::uint64_t count = from_environment("HOLDFAST_SEEDS", otherwise);
    for (std::uint64_t seed = first; seed < first + count; seed += kStride) {
        std::mt19937_64 random(seed);
        const PathSpec spec = any_path(random, calm);
        const std::string wrong = calm ? check_calm(spec, seed) : check_rough(spec, seed);
        if (!wrong.empty()) {
            FAIL(
                ("seed " + std::to_string(seed) + ": " + wrong + "; path: " + spec.text()).c_str());
        }
    }
}

}  // namespace

TEST_GROUP(HeartbeatOnPaths){};

TEST(HeartbeatOnPaths, any_calm_path_is_learned_in_four_cuts_with_one_drop_at_most) {
    run_seeds(true, 60);
}

TEST(HeartbeatOnPaths, troubles_that_are_no_cut_do_not_mislead_for_long) {
    run_seeds(false, 30);
}
