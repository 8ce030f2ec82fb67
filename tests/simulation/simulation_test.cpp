#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/simulation/world.h"
#include "tests/stride.h"

using namespace holdfast;
using simulation::Plan;
using simulation::World;

namespace {

std::string trace_of(std::uint64_t seed, std::string& wrong) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* file = open_memstream(&text, &size);
    {
        World world(seed, file);
        wrong = world.run();
    }
    static_cast<void>(std::fclose(file));
    std::string trace(text, size);
    std::free(text);
    return trace;
}

/// The first seed of that kind of world.
std::uint64_t seed_of(Plan::Kind kind) {
    std::uint64_t seed = 1;
    while (simulation::plan_of(seed).kind != kind) {
        ++seed;
    }
    return seed;
}

}  // namespace

TEST_GROUP(Simulation){};

TEST(Simulation, one_seed_gives_one_trace_to_the_byte) {
    for (const Plan::Kind kind : {Plan::Kind::storm, Plan::Kind::hostile, Plan::Kind::calm}) {
        std::string wrong;
        const std::string first = trace_of(seed_of(kind), wrong);
        STRCMP_EQUAL("", wrong.c_str());
        CHECK(first.size() > 1000);
        CHECK(first == trace_of(seed_of(kind), wrong));
    }
}

TEST(Simulation, a_trace_does_not_change_what_happens) {
    const std::uint64_t seed = seed_of(Plan::Kind::storm);
    std::string wrong;
    const std::string trace = trace_of(seed, wrong);
    const auto ends_with = [&trace](const std::string& text) { return trace.ends_with(text); };
    World silent(seed, nullptr);
    STRCMP_EQUAL(wrong.c_str(), silent.run().c_str());
    CHECK(ends_with("all is well, after " + std::to_string(silent.counts().events) + " events\n"));
}

/// A simulation in which little goes wrong proves little.
TEST(Simulation, plans_have_all_that_can_go_wrong) {
    std::set<Plan::Kind> kinds;
    std::set<simulated::Manner> boxes;
    std::set<simulated::CutKind> cuts;
    std::size_t proxies = 0, sites = 0, small = 0, unset = 0, disks = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        const Plan plan = simulation::plan_of(seed);
        kinds.insert(plan.kind);
        disks += plan.disk_faults ? 1 : 0;
        for (const simulation::NodePlan& node : plan.nodes) {
            cuts.insert(node.path.cut.kind);
            if (node.box) {
                boxes.insert(*node.box);
            }
            proxies += node.proxy ? 1 : 0;
            sites += node.id == "site" ? 1 : 0;
            small += node.evicts ? 1 : 0;
            unset += node.has_rtc ? 0 : 1;
        }
    }
    LONGS_EQUAL(3, kinds.size());
    LONGS_EQUAL(8, boxes.size());
    CHECK(cuts.size() >= 5);
    CHECK(std::min({proxies, sites, small, unset, disks}) > 50);
}
