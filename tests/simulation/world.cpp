#include "tests/simulation/world.h"

#include <algorithm>
#include <utility>

#include "firmware/base/text.h"

namespace holdfast::simulation {

using namespace std::chrono_literals;

namespace {

/// Once faults have ceased, everything has arrived within this time.
constexpr Duration kPatience = 20min;
/// A Goodbye is there by then, on the slowest path.
constexpr Duration kFarewell = 20s;
/// A better way that works again is taken after this time, at the latest.
constexpr Duration kComeBack = 26h;
/// A node in quiet opens so many streams at first, on all its ways, and so many more each minute:
/// probes, and SockJS, which on some boxes takes one for each message.
constexpr std::uint64_t kStreamsToSettle = 60;
constexpr std::uint64_t kStreamsAMinute = 120;
/// Of a beat and its answer on the wire, with the hub's announced silence.
constexpr double kBeatBytes = 20;
/// Checks, renewals and what they cost, per day.
constexpr double kUpkeepBytes = 6000;
/// Of a reading, with its record's and message's heads.
constexpr double kReadingBytes = 400;

}  // namespace

World::World(std::uint64_t seed, std::FILE* trace)
    : plan_(plan_of(seed)), setting_(seed, trace), truth_(setting_) {
    setting_.say("world", "seed " + std::to_string(seed) + ": " + plan_.text());
    for (const NodePlan& node : plan_.nodes) {
        add_node(node);
    }
    for (const auto& node : nodes_) {
        if (node->upstream() != nullptr) {
            node->upstream()->give_token(*node);
        }
    }
}

World::~World() {
    // Sockets are told nothing any more.
    for (const auto& node : nodes_) {
        setting_.network.power_off(node->id());
    }
}

void World::add_node(const NodePlan& given) {
    NodePlan plan = given;
    Machine* upstream = nullptr;
    if (plan.upstream >= 0) {
        upstream = nodes_[static_cast<std::size_t>(plan.upstream)].get();
        simulated::Path near;
        near.to = upstream->id();
        near.latency = 1ms;
        near.jitter = 200us;
        plan.path.to = plan.blocked ? "nowhere" : upstream->id();
        if (plan.box && !plan.blocked) {
            plan.path.to = "box-" + plan.id;
            auto& box = relays_[plan.path.to];
            box = std::make_unique<simulated::Relay>(setting_.network, plan.path.to, near);
            box->options.manner = *plan.box;
            box->options.status = 403;
            box->options.bytes = 400;
        }
        if (plan.proxy) {
            const std::string host = "proxy-" + plan.id;
            auto& proxy = relays_[host];
            proxy = std::make_unique<simulated::Relay>(setting_.network, host, near);
            proxy->options.manner = simulated::Manner::tunnel;
            proxy->options.authorization = plan.proxy_asks ? "Basic dXNlcjpzZWNyZXQ=" : "";
        }
    }
    nodes_.push_back(std::make_unique<Machine>(setting_, truth_, plan, upstream));
}

simulated::Relay* World::relay(const std::string& host) {
    const auto found = relays_.find(host);
    return found == relays_.end() ? nullptr : found->second.get();
}

World::Counts World::counts() const {
    Counts counts;
    counts.readings = truth_.readings();
    counts.gaps = truth_.gaps();
    for (const auto& node : nodes_) {
        counts.crashes += node->crashes();
    }
    counts.cuts = setting_.network.counters().cuts;
    counts.streams = setting_.network.counters().streams;
    counts.bytes = setting_.network.counters().bytes;
    counts.events = setting_.clock.events();
    counts.time = setting_.clock.now().time_since_epoch();
    counts.settled = settle_time_;
    return counts;
}

// ---- From the beginning to the end

bool World::step() {
    const bool stepped = setting_.clock.step();
    for (const auto& node : nodes_) {
        node->after_event();
    }
    return stepped;
}

void World::run_until(Instant when) {
    while (setting_.broken.empty() && setting_.clock.next() <= when) {
        step();
    }
    if (setting_.broken.empty()) {
        setting_.clock.run_until(when);
    }
}

std::string World::run() {
    for (const auto& node : nodes_) {
        setting_.clock.after(setting_.random.between(0us, 2s), [&node = *node] { node.start(); });
    }
    if (plan_.kind == Plan::Kind::calm) {
        watch_calm();
    } else {
        trouble();
    }
    run_until(setting_.clock.now() + plan_.trouble);
    if (setting_.broken.empty() && plan_.kind == Plan::Kind::calm) {
        check_calm();
    }
    cease();
    settle();
    come_back();
    farewell();
    if (setting_.broken.empty()) {
        compare();
    }
    setting_.say("world", (setting_.broken.empty() ? "all is well" : setting_.broken) + ", after " +
                              std::to_string(setting_.clock.events()) + " events");
    return setting_.broken;
}

void World::settle() {
    const Instant ceased = setting_.clock.now();
    const std::uint64_t streams = setting_.network.counters().streams;
    while (setting_.broken.empty() && !settled()) {
        if (setting_.clock.now() - ceased > kPatience) {
            std::string who;
            for (const auto& node : nodes_) {
                who += node->settled() ? "" : " " + node->id();
            }
            setting_.violated("everything arrives in time",
                              "not settled after " + format_duration(kPatience) + ":" + who);
            return;
        }
        if (!step()) {
            setting_.violated("everything arrives in time", "nothing happens any more");
        }
    }
    settle_time_ = setting_.clock.now() - ceased;
    const std::uint64_t opened = setting_.network.counters().streams - streams;
    const auto minutes = static_cast<std::uint64_t>(settle_time_ / 1min) + 1;
    if (opened > nodes_.size() * (kStreamsToSettle + minutes * kStreamsAMinute)) {
        setting_.violated("limits", std::to_string(opened) + " streams were opened in " +
                                        in_seconds(settle_time_) + " without faults");
    }
}

bool World::on_best_way(Machine& node) {
    if (!node.live()) {
        return node.upstream() == nullptr;
    }
    const uplink::Path path = node.uplink()->path();
    const simulated::Relay* const box = relay(node.direct_path().to);
    const bool closed =
        box != nullptr && (box->options.manner == simulated::Manner::strip_upgrade ||
                           box->options.manner == simulated::Manner::mute_upgraded ||
                           box->options.manner == simulated::Manner::choke_upgraded);
    return path.proxied == node.plan().proxy &&
           (path.transport == uplink::Transport::websocket || (closed && !path.proxied));
}

/// Who went a lesser way finds the better one again.
void World::come_back() {
    const Instant began = setting_.clock.now();
    for (const auto& node : nodes_) {
        while (setting_.broken.empty() && !on_best_way(*node)) {
            if (setting_.clock.now() - began > kComeBack) {
                setting_.violated(
                    "the best way is found again",
                    node->id() + " still goes by " + uplink::name(node->uplink()->path()));
            } else {
                run_until(setting_.clock.now() + 10s);
            }
        }
    }
}

/// A node that stops says so to those whose lines are surely up: what they have just brought says
/// that they are.
void World::farewell() {
    if (!setting_.broken.empty() || plan_.kind != Plan::Kind::storm) {
        return;
    }
    Machine& hub =
        *nodes_[nodes_[0]->plan().listens && nodes_.size() > 2 && nodes_[1]->plan().listens
                    ? setting_.random.below(2)
                    : 0];
    std::map<Machine*, std::uint64_t> heard;
    for (const auto& node : nodes_) {
        if (node->upstream() != nullptr) {
            node->write_line();
        }
    }
    settle();
    for (const auto& node : nodes_) {
        const NodePlan& plan = node->plan();
        const bool clear = plan.path.cut.kind == simulated::CutKind::none && !plan.box &&
                           plan.path.cut.lifetime_kind == simulated::CutKind::none;
        if (setting_.broken.empty() && node->upstream() == &hub && node->live() && clear &&
            node->uplink()->path().transport == uplink::Transport::websocket) {
            heard[node.get()] = node->goodbyes();
        }
    }
    hub.stop(1s);
    run_until(setting_.clock.now() + kFarewell);
    for (const auto& [node, before] : heard) {
        if (setting_.broken.empty() && node->goodbyes() == before) {
            setting_.violated("farewell", node->id() + " has heard no Goodbye of " + hub.id());
        }
    }
    settle();
}

bool World::settled() const {
    return std::ranges::all_of(nodes_, [](const auto& node) { return node->settled(); });
}

void World::compare() {
    std::map<std::string, EpochKey> present;
    std::map<std::string, std::map<std::string, std::uint64_t>> told;
    for (const auto& node : nodes_) {
        if (node->upstream() != nullptr) {
            present[node->id()] = node->epoch();
            told[node->id()] = node->told();
        }
    }
    bool compared = false;
    nodes_[0]->read([&](journal::Store& store) {
        truth_.compare(store, nodes_[0]->journal(), present, told);
        compared = true;
    });
    while (!compared) {
        step();
    }
}

// ---- The calm

void World::watch_calm() {
    Machine& device = *nodes_[1];
    if (!learned_ && device.uplink() != nullptr) {
        const uplink::AdaptiveHeartbeat* heartbeat = device.uplink()->engine().adaptive();
        if (heartbeat->report(device.now()).learned) {
            learned_ = true;
            drops_when_learned_ = device.drops();
            learned_at_ = setting_.clock.now();
            bytes_when_learned_ = setting_.network.counters().bytes;
            setting_.say("world", "learned");
        }
    }
    setting_.clock.after(1s, [this] {
        if (!setting_.quiet) {
            watch_calm();
        }
    });
}

void World::check_calm() {
    Machine& device = *nodes_[1];
    const auto report = device.uplink()->engine().adaptive()->report(device.now());
    const simulated::Cut& cut = device.plan().path.cut;
    // An idle time is measured at the device, and cut on the way.
    const simulated::Path& path = device.plan().path;
    const Duration round_trip = 2 * (path.latency + path.jitter);
    using Seconds = std::chrono::duration<double>;
    const double since = Seconds(setting_.clock.now() - learned_at_).count();
    const double bytes =
        static_cast<double>(setting_.network.counters().bytes - bytes_when_learned_);
    const double allowed = since / Seconds(report.interval).count() * 1.15 * kBeatBytes +
                           (1 + since / 86400) * kUpkeepBytes +
                           static_cast<double>(truth_.readings()) * kReadingBytes;
    if (!learned_) {
        setting_.violated("the heartbeat settles",
                          "nothing learned of a cut of " + format_duration(cut.idle));
    } else if (device.drops() > drops_when_learned_ || drops_when_learned_ > 1) {
        setting_.violated("the heartbeat settles",
                          std::to_string(drops_when_learned_) + " drops before the cut of " +
                              format_duration(cut.idle) + " was learned, " +
                              std::to_string(device.drops() - drops_when_learned_) + " after");
    } else if (bytes > allowed) {
        setting_.violated("limits", std::to_string(static_cast<std::uint64_t>(bytes)) +
                                        " B on the wire since then, in place of " +
                                        std::to_string(static_cast<std::uint64_t>(allowed)));
    } else if (report.safe > cut.idle + round_trip || report.safe < cut.idle * 85 / 100) {
        setting_.violated("the heartbeat settles", "a cut of " + format_duration(cut.idle) +
                                                       " was learned as " +
                                                       format_duration(report.safe));
    }
}

}  // namespace holdfast::simulation
