#include "tests/simulation/plan.h"

#include <algorithm>

#include "firmware/base/text.h"
#include "platform/simulated/random.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;
using simulated::CutKind;
using simulated::Manner;
using simulated::Random;

simulated::Cut draw_cut(Random& random, Duration least, Duration most) {
    constexpr CutKind kKinds[] = {CutKind::fin, CutKind::reset, CutKind::reset_late,
                                  CutKind::silent};
    simulated::Cut cut;
    cut.kind = kKinds[random.below(4)];
    cut.idle = random.between(least, most);
    cut.counts = random.chance(30) ? simulated::Counts::from_server : simulated::Counts::both;
    return cut;
}

simulated::Path draw_path(Random& random) {
    simulated::Path path;
    path.latency = random.chance(80) ? random.between(500us, 50ms) : random.between(50ms, 400ms);
    path.jitter = path.latency / (1 + static_cast<int>(random.below(8)));
    if (random.chance(30)) {
        path.bytes_per_second = 2000 << random.below(9);
    }
    if (random.chance(30)) {
        path.loss_per_mille = static_cast<unsigned>(1 + random.below(30));
    }
    return path;
}

void draw_journal(Random& random, NodePlan& node, bool limits) {
    if (random.chance(40)) {
        node.memory_bytes = 2000 + random.below(100'000);
        node.batch_readings = 1 + random.below(60);
    }
    if (random.chance(40)) {
        node.window_bytes = 300 + random.below(20'000);
        node.read_bytes = 1 + random.below(20'000);
    }
    if (random.chance(50)) {
        node.sync = random.between(1ms, random.chance(20) ? 300ms : 20ms);
    }
    if (limits && node.upstream >= 0 && random.chance(60)) {
        // What memory holds must fit into the journal several times.
        node.evicts = true;
        node.memory_bytes = node.listens ? 64u << 10 : 4000;
        node.max_size_bytes = node.listens ? 1u << 20 : 96u << 10;
    }
}

void draw_ways(Random& random, NodePlan& node, Plan::Kind kind) {
    constexpr Manner kBoxes[] = {Manner::pass,     Manner::strip_upgrade, Manner::strip_upgrade,
                                 Manner::answer,   Manner::mute_upgraded, Manner::buffer,
                                 Manner::truncate, Manner::garbage,       Manner::choke_upgraded};
    const bool hostile = kind == Plan::Kind::hostile;
    node.path = draw_path(random);
    if (random.chance(hostile ? 60 : 20)) {
        node.path.cut = draw_cut(random, 5s, hostile ? 20min : 2min);
    }
    if (random.chance(hostile ? 30 : 5)) {
        node.path.cut.lifetime_kind = random.chance(50) ? CutKind::fin : CutKind::reset;
        node.path.cut.lifetime = random.between(30s, 1h);
    }
    if (random.chance(hostile ? 70 : 25)) {
        node.box = kBoxes[random.below(std::size(kBoxes))];
    }
    if (random.chance(hostile ? 35 : 10)) {
        node.proxy = true;
        node.proxy_asks = random.chance(50);
        node.blocked = random.chance(40);
    }
    node.adaptive = random.chance(hostile ? 80 : 40);
    if (!node.adaptive && random.chance(50)) {
        node.heartbeat = random.between(2s, 60s);
    }
}

Plan calm(Random& random) {
    Plan plan;
    plan.kind = Plan::Kind::calm;
    NodePlan hub{.id = "hub", .listens = true};
    NodePlan device{.id = "device-0", .upstream = 0};
    // Days in which nothing happens are not filled with looking.
    hub.watchdog = device.watchdog = std::nullopt;
    hub.token_check = 10min;
    device.adaptive = true;
    device.path = draw_path(random);
    device.path.bytes_per_second = 0;
    device.path.loss_per_mille = 0;
    // Evenly over the ratios between 5 s and 30 min.
    Duration cut = 5s;
    for (std::size_t octaves = random.below(8); octaves > 0; --octaves) {
        cut *= 2;
    }
    // Where a round trip is a tenth of the cut, what is learned is no better than that.
    device.path.latency = std::min<Duration>(device.path.latency, cut / 100);
    device.path.jitter = std::min(device.path.jitter, device.path.latency);
    device.path.cut = draw_cut(random, cut, std::min<Duration>(2 * cut, 29min));
    device.feed_every = random.chance(50) ? Duration{} : random.between(1min, 2h);
    plan.nodes = {hub, device};
    plan.trouble = std::clamp<Duration>(1500 * cut, 4h, 14 * 24h);
    return plan;
}

}  // namespace

const char* name(Plan::Kind kind) {
    constexpr const char* kNames[] = {"storm", "hostile", "calm"};
    return kNames[static_cast<std::size_t>(kind)];
}

Plan plan_of(std::uint64_t seed) {
    Random random(seed * 0x9e37'79b9'7f4a'7c15u + 1);
    const std::size_t kind = random.below(100);
    if (kind < 8) {
        return calm(random);
    }
    Plan plan;
    plan.kind = kind < 30 ? Plan::Kind::hostile : Plan::Kind::storm;
    const bool hostile = plan.kind == Plan::Kind::hostile;
    plan.trouble = hostile ? random.between(20min, 6h) : random.between(30s, 6min);
    plan.trouble_every = hostile ? random.between(1min, 20min) : random.between(500ms, 10s);
    plan.crashes = random.chance(hostile ? 40 : 85);
    plan.disk_faults = random.chance(hostile ? 10 : 50);
    const bool limits = random.chance(30);

    NodePlan hub{.id = "hub", .listens = true};
    if (hostile) {
        hub.token_check = 20s;
        hub.watchdog = 5min;
    }
    draw_journal(random, hub, false);
    plan.nodes.push_back(hub);
    const Duration busy = random.between(50ms, 2s);
    if (random.chance(45)) {
        NodePlan site{.id = "site", .upstream = 0, .listens = true};
        draw_journal(random, site, limits);
        draw_ways(random, site, plan.kind);
        site.has_rtc = random.chance(60);
        site.feed_every = hostile ? 2min : 2 * busy;
        site.pushed = random.chance(30);
        if (hostile) {
            site.token_check = 20s;
            site.watchdog = 5min;
        }
        plan.nodes.push_back(site);
    }
    for (std::size_t i = 0, count = 1 + random.below(3); i < count; ++i) {
        NodePlan device{.id = "device-" + std::to_string(i)};
        device.upstream =
            plan.nodes.size() > 1 && plan.nodes[1].listens && random.chance(75) ? 1 : 0;
        draw_journal(random, device, limits);
        draw_ways(random, device, plan.kind);
        device.has_rtc = random.chance(60);
        device.flood = !device.evicts && random.chance(15);
        device.pushed = random.chance(20);
        if (hostile) {
            device.token_check = 20s;
            device.watchdog = 5min;
        }
        device.feed_every = hostile ? random.between(2s, 3min) : busy;
        device.feed_every = device.evicts ? device.feed_every / 5 : device.feed_every;
        plan.nodes.push_back(device);
    }
    return plan;
}

std::string in_seconds(Duration duration) {
    return format_duration(std::chrono::round<std::chrono::seconds>(duration));
}

std::string Plan::text() const {
    std::string out = std::string(name(kind)) + " for " + in_seconds(trouble);
    for (const NodePlan& node : nodes) {
        out += "\n  " + node.id;
        if (node.upstream < 0) {
            continue;
        }
        out += " below " + nodes[static_cast<std::size_t>(node.upstream)].id;
        out += node.adaptive ? ", adaptive" : ", beats each " + in_seconds(node.heartbeat);
        if (node.path.cut.kind != CutKind::none) {
            out += ", idle cut " + in_seconds(node.path.cut.idle);
        }
        if (node.path.cut.lifetime_kind != CutKind::none) {
            out += ", lifetime " + in_seconds(node.path.cut.lifetime);
        }
        out += node.box ? std::string(", box ") + simulated::name(*node.box) : "";
        out += node.proxy ? (node.blocked ? ", proxy only" : ", proxy") : "";
        out += node.evicts ? ", small journal" : "";
    }
    return out;
}

}  // namespace holdfast::simulation
