#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "platform/simulated/relay.h"
#include "tests/bench/seeds.h"
#include "tests/bench/upgrade_gate.h"
#include "tests/simulation/machine.h"

/// `./dev bench heartbeat`: how long a gateway takes to find its way to the hub where Upgrade is
/// blocked, and to be back after a cut. The real firmware of a gateway and a hub on the virtual
/// network, with virtual time: the same seeds give the same tables on any machine.

namespace {

using namespace holdfast;
using namespace holdfast::bench;
using namespace holdfast::simulation;
using namespace std::chrono_literals;
using simulated::CutKind;

// ---- What stands on the way

constexpr Hurdle kDirect{"nothing (direct)"};
constexpr Hurdle kHurdles[] = {
    kDirect,
    {"400", Block::answer, 400},
    {"426", Block::answer, 426},
    {"403", Block::answer, 403},
    {"200 with a page", Block::answer, 200},
    {"302 to a portal", Block::answer, 302},
    {"502", Block::answer, 502},
    {"RST", Block::reset},
    {"FIN", Block::finish},
    {"silence", Block::silence},
    {"101, then silence", Block::mute},
    {"403, streams held back", Block::answer, 403, true},
    {"silence, streams held back", Block::silence, 0, true},
    {"101 then silence, streams held", Block::mute, 0, true},
};

// ---- A gateway, a hub, and what lies between them

simulated::Path no_way_at_all(const char* to) {
    simulated::Path path;
    path.to = to;
    path.latency = path.jitter = 0us;
    return path;
}

class Scene {
public:
    /// `tls`: each stream takes one more round trip before it carries anything, as TLS 1.3 with a
    /// ticket does. A forward proxy's CONNECT, which takes exactly as long, stands in for it.
    Scene(const Hurdle& hurdle, Duration latency, bool tls, std::uint64_t seed)
        : latency_(latency),
          tls_(tls),
          setting_(seed, nullptr),
          truth_(setting_),
          gate_(setting_.network, hurdle, no_way_at_all("box")),
          box_(setting_.network, "box", no_way_at_all("hub")),
          tunnel_(setting_.network, "proxy-gateway", no_way_at_all("gate")),
          hub_(setting_, truth_, {.id = "hub", .listens = true}, nullptr),
          gateway_(setting_, truth_, gateway_plan(latency, tls), &hub_) {
        box_.options.manner = hurdle.buffers ? simulated::Manner::buffer : simulated::Manner::pass;
        tunnel_.options.manner = simulated::Manner::tunnel;
        hub_.give_token(gateway_);
        hub_.start();
        run(1s);
    }
    ~Scene() {
        // Sockets are told nothing any more.
        setting_.network.power_off("gateway");
        setting_.network.power_off("hub");
    }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    void run(Duration duration) {
        const Instant end = setting_.clock.now() + duration;
        while (setting_.clock.next() <= end) {
            step();
        }
        setting_.clock.run_until(end);
    }

    struct Start {
        Duration time{};
        std::uint64_t streams = 0;
        std::string way;
    };
    /// From the start of the program, which begins its first try at once, to the first reading
    /// durable at the hub.
    Start start() {
        const Instant began = setting_.clock.now();
        gateway_.start();
        gateway_.write_line();
        until([this] { return delivered(); });
        return {setting_.clock.now() - began, streams(),
                uplink::name({false, client().path().transport})};
    }
    void stop() { gateway_.kill(); }

    struct Return {
        Duration found{};         ///< from the FIN's or RST's coming, or the silence's beginning
        Duration backoff{};       ///< from the cut's being found to the next connect
        Duration data{};          ///< from there to the first data that leaves
        Duration durable{};       ///< from there to the next reading durable at the hub
        std::uint64_t lines = 0;  ///< that were lost until then
    };
    /// When the cut is found there is a reading to be delivered.
    Return cut(CutKind kind) {
        const std::uint64_t reconnects = client().engine().reconnects();
        setting_.network.cut_all(tls_ ? gateway_.proxy_path() : gateway_.direct_path(), kind);
        const Instant came = setting_.clock.now() + (kind == CutKind::silent ? 0us : latency_);
        until([this] { return !gateway_.live(); });
        const Instant found = setting_.clock.now();
        const std::uint64_t before = streams();
        gateway_.write_line();
        until([&] { return streams() > before; });
        const Instant began = setting_.clock.now();
        until([this] { return client().engine().in_flight_bytes() > 0; });
        const Instant data = setting_.clock.now();
        until([this] { return delivered(); });
        return {found - came, began - found, data - began, setting_.clock.now() - began,
                client().engine().reconnects() - reconnects};
    }

private:
    static NodePlan gateway_plan(Duration latency, bool tls) {
        NodePlan plan{.id = "gateway", .upstream = 0};
        plan.path.to = "gate";
        plan.path.latency = latency;
        plan.path.jitter = 0us;
        plan.proxy = tls;
        return plan;
    }

    [[nodiscard]] const uplink::Client& client() { return *gateway_.uplink(); }
    [[nodiscard]] std::uint64_t streams() { return gateway_.streams_opened(); }

    void step() {
        setting_.clock.step();
        hub_.after_event();
        gateway_.after_event();
    }

    /// All that was measured is on the hub's stable storage.
    [[nodiscard]] bool delivered() {
        if (!gateway_.up() || !hub_.up()) {
            return false;
        }
        const EpochKey key = gateway_.epoch();
        return !truth_.life(key).given.empty() &&
               truth_.through("hub", key) == truth_.life(key).given.size() && hub_.settled();
    }

    template <class Condition>
    void until(Condition reached) {
        const Instant limit = setting_.clock.now() + 5min;
        while (!reached()) {
            step();
            if (!setting_.broken.empty() || setting_.clock.now() > limit) {
                std::printf("%s\n", setting_.broken.empty() ? "not delivered within 5 minutes"
                                                            : setting_.broken.c_str());
                std::exit(1);
            }
        }
    }

    Duration latency_;
    bool tls_;
    Setting setting_;
    Truth truth_;
    Gate gate_;
    simulated::Relay box_, tunnel_;
    Machine hub_, gateway_;
};

// ---- Tables

constexpr std::chrono::milliseconds kLatencies[] = {25ms, 100ms, 300ms};

double ms(Duration duration) {
    return static_cast<double>(duration.count()) / 1000;
}

/// What the hub's disk takes, at most: nothing to compare paths by.
constexpr Duration kDisk = 2500us;

struct Times {
    Scene::Start first, again;
};

/// The worst of the seeds.
Times take(const Hurdle& hurdle, Duration latency, bool tls, std::uint64_t seeds) {
    Times worst;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        Scene scene(hurdle, latency, tls, seed);
        const Scene::Start first = scene.start();
        scene.run(20s);
        scene.stop();
        scene.run(5s);
        const Scene::Start again = scene.start();
        worst.first = worst.first.time < first.time ? first : worst.first;
        worst.again = worst.again.time < again.time ? again : worst.again;
    }
    return worst;
}

void print_times(const Times& times, Duration direct, Duration round_trip) {
    const auto trips = [&](Duration time) { return ms(time) / ms(round_trip); };
    const Duration more = times.again.time - direct;
    std::printf(" | %6.0f%c %6.2f %7llu %6.0f %6.2f %+6.2f%c", ms(times.first.time),
                times.first.time > 2s ? '*' : ' ', trips(times.first.time),
                static_cast<unsigned long long>(times.first.streams), ms(times.again.time),
                trips(times.again.time), trips(more), more > round_trip + kDisk ? '*' : ' ');
}

void print_ways(std::uint64_t seeds) {
    std::printf(
        "\nUpgrade blocked: from the start of the first try to the first reading durable at the "
        "hub; the worst of %llu seeds. Without jitter and loss.\nrt: in round trips; streams: TCP "
        "connections opened until then; more: round trips more than the direct way takes. "
        "Aims: first time\n<= 2,000 ms, remembered <= 1 round trip more; * misses it. TLS: each "
        "connection takes one round trip more, as TLS 1.3 with a ticket.\n",
        static_cast<unsigned long long>(seeds));
    for (const Duration latency : kLatencies) {
        const Duration round_trip = 2 * latency;
        std::printf("\n%-53s | %-23s %-21s | %-23s %s\n",
                    ("round trip " + std::to_string(round_trip / 1ms) + " ms").c_str(),
                    "first time", "remembered", "TLS: first time", "TLS: remembered");
        std::printf("%-31s %-21s", "in place of 101", "way");
        for (int i = 0; i < 2; ++i) {
            std::printf(" | %6s  %6s %7s %6s %6s %6s%c", "ms", "rt", "streams", "ms", "rt", "more",
                        i == 0 ? ' ' : '\n');
        }
        const Duration direct[2] = {take(kDirect, latency, false, seeds).again.time,
                                    take(kDirect, latency, true, seeds).again.time};
        for (const Hurdle& hurdle : kHurdles) {
            const Times plain = take(hurdle, latency, false, seeds);
            std::printf("%-31s %-21s", hurdle.name, plain.again.way.c_str());
            print_times(plain, direct[0], round_trip);
            print_times(take(hurdle, latency, true, seeds), direct[1], round_trip);
            std::printf("\n");
        }
    }
}

/// The worst of the seeds. A line that was stable, and no trial of another way at that time.
Scene::Return take_return(const Hurdle& way, CutKind kind, Duration latency, bool tls,
                          std::uint64_t seeds) {
    Scene::Return worst;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        Scene scene(way, latency, tls, seed);
        static_cast<void>(scene.start());
        scene.run(100s);
        const Scene::Return back = scene.cut(kind);
        worst.found = std::max(worst.found, back.found);
        worst.backoff = std::max(worst.backoff, back.backoff);
        worst.data = std::max(worst.data, back.data);
        worst.durable = std::max(worst.durable, back.durable);
        worst.lines = std::max(worst.lines, back.lines);
    }
    return worst;
}

void print_returns(std::uint64_t seeds) {
    constexpr std::pair<const char*, CutKind> kKinds[] = {
        {"FIN", CutKind::fin}, {"RST", CutKind::reset}, {"ping unanswered", CutKind::silent}};
    constexpr std::pair<const char*, Hurdle> kWays[] = {
        {"direct", kDirect},
        {"direct+xhr_streaming", {"", Block::answer, 403}},
        {"direct+xhr", {"", Block::answer, 403, true}}};
    std::printf(
        "\nAfter a cut; the worst of %llu seeds. found: until the line is given up, from the "
        "coming of FIN or RST, or from the beginning of the\nsilence (a beat is due then). "
        "back-off: then, a random wait of up to 500 ms. total: from there, the connect, until the "
        "next reading is\ndurable at the hub. In round trips after TCP: until data leaves, and "
        "until it is durable. lost: lines, in all. Aims: 1 reconnect, data\n<= 2 with TLS "
        "resumed; * misses it.\n\n",
        static_cast<unsigned long long>(seeds));
    std::printf("%-10s %-21s %-16s %8s %8s %5s | %5s %8s %8s | %9s %8s %8s\n", "round trip", "way",
                "cut", "found", "back-off", "lost", "data", "durable", "total", "TLS: data",
                "durable", "total");
    for (const Duration latency : kLatencies) {
        const auto after_tcp = [&](Duration time) { return ms(time) / ms(2 * latency) - 1; };
        for (const auto& [way, hurdle] : kWays) {
            for (const auto& [name, kind] : kKinds) {
                const Scene::Return plain = take_return(hurdle, kind, latency, false, seeds);
                const Scene::Return tls = take_return(hurdle, kind, latency, true, seeds);
                const bool misses = after_tcp(tls.data) > 2.01 || tls.lines != 1;
                std::printf(
                    "%7.0f ms %-21s %-16s %5.0f ms %5.0f ms %5llu | %5.2f %8.2f %5.0f ms | "
                    "%8.2f%c %8.2f %5.0f ms\n",
                    ms(2 * latency), way, name, ms(std::max(plain.found, tls.found)),
                    ms(std::max(plain.backoff, tls.backoff)),
                    static_cast<unsigned long long>(std::max(plain.lines, tls.lines)),
                    after_tcp(plain.data), after_tcp(plain.durable), ms(plain.durable),
                    after_tcp(tls.data), misses ? '*' : ' ', after_tcp(tls.durable),
                    ms(tls.durable));
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto seeds = holdfast::bench::seeds_of(argc, argv, "path_times");
    if (!seeds) {
        return 2;
    }
    print_ways(*seeds);
    print_returns(*seeds);
    return 0;
}
