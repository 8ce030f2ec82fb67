// What goes wrong.

#include <utility>

#include "tests/simulation/world.h"

namespace holdfast::simulation {

using namespace std::chrono_literals;
using simulated::CutKind;
using simulated::Manner;

namespace {

constexpr CutKind kCuts[] = {CutKind::fin,    CutKind::reset,     CutKind::reset_late,
                             CutKind::silent, CutKind::silent_up, CutKind::silent_down};

}  // namespace

void World::trouble() {
    if (setting_.quiet || plan_.trouble_every == Duration{}) {
        return;
    }
    simulated::Random& random = setting_.random;
    setting_.clock.after(random.between(1ms, 2 * plan_.trouble_every), [this] { trouble(); });
    Machine& node = *nodes_[random.below(nodes_.size())];
    const std::size_t kind = random.below(100);
    if (kind < 50) {
        if (node.plan().pushed && random.chance(20)) {
            push_fault(node);
        } else if (node.upstream() != nullptr) {
            network_fault(node);
        }
    } else if (kind < 70 && plan_.crashes) {
        crash(node);
    } else if (kind < 85) {
        node_fault(node);
    } else if (plan_.disk_faults && node.up()) {
        disk_fault(node);
    }
}

void World::network_fault(Machine& node) {
    simulated::Random& random = setting_.random;
    simulated::Network& network = setting_.network;
    const bool proxied = node.plan().proxy && random.chance(50);
    simulated::Path& path = proxied ? node.proxy_path() : node.direct_path();
    simulated::Relay* const way = relay(path.to);
    const std::size_t kind = random.below(100);
    if (way != nullptr && kind < 40) {
        box_fault(node, *way);
    } else if (kind < 65) {
        static_cast<void>(network.cut_one(path, kCuts[random.below(std::size(kCuts))]));
    } else if (kind < 72) {
        network.cut_all(path, kCuts[random.below(std::size(kCuts))]);
    } else if (kind < 88) {
        const Duration most = random.chance(80) ? 20s : 5min;
        path.outage_until = setting_.clock.now() + random.between(100ms, most);
        setting_.say("world", "outage at " + node.id());
        if (random.chance(30)) {
            network.cut_all(path, CutKind::silent);
        }
    } else if (kind < 94) {
        path.resolves = false;
        setting_.say("world", "no names at " + node.id());
        setting_.clock.after(random.between(1s, 1min), [&path] { path.resolves = true; });
    } else {
        node.move_to_network(random.chance(50) ? "lan" : "elsewhere");
        network.cut_all(path, CutKind::silent);
    }
}

/// On the way from the program that pushes.
void World::push_fault(Machine& node) {
    simulated::Random& random = setting_.random;
    if (random.chance(60)) {
        static_cast<void>(
            setting_.network.cut_one(node.push_path(), kCuts[random.below(std::size(kCuts))]));
    } else {
        node.push_path().outage_until = setting_.clock.now() + random.between(100ms, 20s);
    }
}

void World::box_fault(Machine& node, simulated::Relay& relay) {
    simulated::Random& random = setting_.random;
    simulated::RelayOptions& options = relay.options;
    const std::string host = relay.host();
    if (random.chance(20)) {
        setting_.say("world", host + " goes away");
        const bool power = random.chance(50);
        relay.forget();
        power ? setting_.network.power_off(host) : setting_.network.kill(host);
        setting_.clock.after(random.between(100ms, 30s), [this, &relay, host] {
            setting_.network.power_on(host);
            relay.start();
        });
        return;
    }
    if (options.manner == Manner::tunnel) {
        constexpr int kStatus[] = {200, 200, 403, 407, 502, 503};
        options.status = kStatus[random.below(std::size(kStatus))];
    } else {
        constexpr int kStatus[] = {200, 301, 302, 400, 403, 426, 502};
        options.status = kStatus[random.below(std::size(kStatus))];
        options.location = options.status / 100 == 3 ? "http://portal/" : "";
        options.body = std::string(random.below(3000), '<');
        options.bytes = 1 + random.below(4000);
        options.manner = random.chance(40) ? node.plan().box.value_or(Manner::pass)
                                           : static_cast<Manner>(random.below(8));
    }
    setting_.say("world",
                 host + " is now " + name(options.manner) + " " + std::to_string(options.status));
    // A box that has changed has often forgotten its connections, too.
    if (random.chance(50)) {
        setting_.network.cut_all(relay.onward(), kCuts[random.below(std::size(kCuts))]);
    }
}

void World::node_fault(Machine& node) {
    simulated::Random& random = setting_.random;
    const std::size_t kind = random.below(100);
    if (kind < 30 && node.plan().has_rtc && !node.plan().listens) {
        const Duration by = random.between(-1h, 1h);
        setting_.say("world", "the clock of " + node.id() + " is set");
        node.step_clock(by);
    } else if (kind < 60 && node.plan().flood) {
        node.flood();
    } else if (kind < 80 && node.upstream() != nullptr) {
        setting_.say("world", "the token of " + node.id() + " is revoked");
        node.upstream()->revoke(node.id());
        setting_.clock.after(random.between(100ms, 40s),
                             [&node] { node.upstream()->give_token(node); });
    }
}

void World::disk_fault(Machine& node) {
    simulated::Random& random = setting_.random;
    simulated::Disk& disk = node.disk();
    using Fault = simulated::Disk::Fault;
    const std::uint64_t nth = 1 + random.below(8);
    switch (random.below(6)) {
        case 0:
            disk.fail_write({.nth = nth, .fault = random.chance(50) ? Fault::io : Fault::full});
            break;
        case 1:
            disk.fail_sync({.nth = nth});
            break;
        case 2:
            disk.fail_truncate({.nth = 1});
            break;
        case 3:
            node.stall_disk(random.between(100ms, 20s));
            break;
        case 4: {  // full for a while
            disk.set_size_limit(disk.used_bytes() + random.below(20'000));
            setting_.clock.after(random.between(1s, 30s), [&disk] {
                disk.set_size_limit(std::numeric_limits<std::uint64_t>::max());
            });
            break;
        }
        default:  // failing for a while
            disk.fail_write({.nth = nth, .fault = Fault::io, .lasting = true});
            setting_.clock.after(random.between(1s, 20s), [&disk] { disk.heal(); });
            break;
    }
    setting_.say("world", "the disk of " + node.id() + " fails");
}

void World::crash(Machine& node) {
    simulated::Random& random = setting_.random;
    if (!node.up()) {
        return;
    }
    const std::size_t kind = random.below(100);
    const bool long_outage = node.plan().listens && random.chance(20);
    const Duration down = random.between(10ms, long_outage         ? Duration(90s)
                                               : random.chance(70) ? Duration(3s)
                                                                   : Duration(20s));
    if (kind < 20) {
        node.stop(down);
        return;  // it will start again by itself
    }
    if (kind >= 80) {
        node.power_cut_in_write(1 + random.below(12));
        return;  // so it will here
    }
    kind < 50 ? node.kill() : node.power_cut();
    setting_.clock.after(down, [&node] { node.start(); });
}

/// No more faults. What stays is what a network may well be for ever: idle cuts, and boxes, as long
/// as they leave a way through.
void World::cease() {
    setting_.quiet = true;
    setting_.say("world", "quiet");
    for (const auto& node : nodes_) {
        node->heal();
        node->direct_path().resolves = node->proxy_path().resolves = true;
        node->direct_path().outage_until = node->proxy_path().outage_until = setting_.clock.now();
        node->push_path().outage_until = setting_.clock.now();
        if (node->upstream() != nullptr) {
            node->upstream()->give_token(*node);
        }
    }
    for (const auto& [host, relay] : relays_) {
        setting_.network.power_on(host);
        relay->start();
        simulated::RelayOptions& options = relay->options;
        options.status = 200;
        const bool opaque = options.manner == Manner::answer || options.manner == Manner::garbage ||
                            options.manner == Manner::truncate;
        if (opaque) {
            options.manner = Manner::pass;
        }
    }
}

}  // namespace holdfast::simulation
