#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "platform/simulated/relay.h"
#include "tests/simulation/machine.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/setting.h"
#include "tests/simulation/truth.h"

namespace holdfast::simulation {

/// Gateways, perhaps a site gateway, and a hub: the nodes that ship, on a virtual clock, a virtual
/// network and simulated disks, all out of one seed. Trouble for a while, then quiet until
/// everything has arrived, then the comparison of what the hub has with what was measured.
class World {
public:
    /// `trace`: where everything that happens is told; nullptr: nowhere.
    World(std::uint64_t seed, std::FILE* trace);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// "" or the invariant that does not hold, and where.
    [[nodiscard]] std::string run();

    struct Counts {
        std::uint64_t readings = 0, gaps = 0, crashes = 0, cuts = 0, streams = 0, bytes = 0;
        std::uint64_t events = 0;
        Duration time{};     ///< virtual
        Duration settled{};  ///< from the end of trouble until all had arrived
    };
    [[nodiscard]] Counts counts() const;
    [[nodiscard]] const Plan& plan() const { return plan_; }

private:
    // world_faults.cpp
    void trouble();
    void network_fault(Machine& node);
    void push_fault(Machine& node);
    void box_fault(Machine& node, simulated::Relay& relay);
    void node_fault(Machine& node);
    void disk_fault(Machine& node);
    void crash(Machine& node);
    void cease();

    void add_node(const NodePlan& given);
    [[nodiscard]] simulated::Relay* relay(const std::string& host);
    bool step();
    void run_until(Instant when);
    void settle();
    void come_back();
    void farewell();
    [[nodiscard]] bool on_best_way(Machine& node);
    void watch_calm();
    void check_calm();
    [[nodiscard]] bool settled() const;
    void compare();

    Plan plan_;
    Setting setting_;
    Truth truth_;
    std::vector<std::unique_ptr<Machine>> nodes_;
    std::map<std::string, std::unique_ptr<simulated::Relay>> relays_;
    Duration settle_time_{};
    std::uint64_t drops_when_learned_ = 0;
    bool learned_ = false;
    Instant learned_at_{};
    std::uint64_t bytes_when_learned_ = 0;
};

}  // namespace holdfast::simulation
