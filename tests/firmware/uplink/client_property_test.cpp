#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

constexpr std::array kAnswers{
    Far::page,        Far::found,        Far::bad_request,  Far::forbidden,   Far::upgrade,
    Far::bad_gateway, Far::login,        Far::fin,          Far::reset,       Far::silence,
    Far::garbage,     Far::endless_head, Far::endless_page, Far::slow_page,   Far::silent_101,
    Far::closed_101,  Far::garbage_101,  Far::other_101,    Far::unauthorized};
constexpr std::array kWays{"direct", "direct+xhr_streaming", "direct+xhr",
                           "proxy",  "proxy+xhr_streaming",  "proxy+xhr"};

/// A client through ten minutes of a network that changes its mind, and then ten good ones.
struct Weather {
    explicit Weather(std::uint64_t seed) : random(seed) {
        net.random = Random(seed);
        net.latency = Duration(1'000 + static_cast<std::int64_t>(random.below(300'000)));
        net.late = random.chance(50);
        net.one_by_one = random.chance(20);
        net.options.deflate.enabled = random.chance(50);
        net.options.deflate.context_takeover = random.chance(50);
        if (random.chance(70)) {
            net.options.uplink.adaptive.emplace();
        }
        if (random.chance(50)) {
            net.options.proxy = "proxy.test:3128";
        }
        if (random.chance(30)) {
            net.options.gathered_bytes = 1 + random.below(3000);
        }
        if (random.chance(30)) {
            net.options.uplink.window_bytes = 200 + random.below(5000);
        }
        if (random.chance(30)) {
            net.lifetime = std::chrono::seconds(5 + random.below(100));
        }
        if (random.chance(50)) {
            net.idle_cut = std::chrono::seconds(6 + random.below(60));
            net.cut_is_silent = random.chance(50);
        }
    }

    void trouble() {
        const std::size_t kind = random.below(100);
        if (kind < 15) {
            net.route[random.below(2)] = random.chance(50);
        } else if (kind < 45) {
            net.far[kWays[random.below(kWays.size())]] = kAnswers[random.below(kAnswers.size())];
        } else if (kind < 60) {
            net.far.clear();
        } else if (kind < 65) {
            net.network = random.chance(50) ? "net" : "elsewhere";
        } else if (kind < 70) {
            net.hub_is_mute = random.chance(30);
        } else if (FarStream* const stream = any_stream()) {
            harm(*stream);
        }
    }
    FarStream* any_stream() {
        std::vector<FarStream*> open;
        for (const auto& [id, each] : net.streams) {
            if (each->connected && !each->left && !each->ended) {
                open.push_back(each.get());
            }
        }
        return open.empty() ? nullptr : open[random.below(open.size())];
    }
    void harm(FarStream& stream) {
        const std::size_t kind = random.below(100);
        if (kind < 25) {
            net.end(stream, {ErrorCode::closed, "the peer ended the connection"});
        } else if (kind < 50) {
            net.end(stream, {ErrorCode::io, "the peer reset the connection"});
        } else if (kind < 65) {
            stream.deaf = stream.mute = true;
        } else if (kind < 75) {
            stream.deaf = true;
        } else if (kind < 90) {
            net.client->congested(stream.id);
            net.later(Duration(static_cast<std::int64_t>(random.below(3'000'000))),
                      [this, id = stream.id] {
                          const FarStream& same = net.stream(id);
                          if (!same.left && !same.ended) {
                              net.client->writable(id);
                          }
                      });
        } else {
            Bytes junk(1 + random.below(200));
            random.fill(junk);
            net.to_client(stream, std::move(junk));
        }
    }
    void some_time(Duration most) {
        net.run(Duration(
            static_cast<std::int64_t>(random.below(static_cast<std::size_t>(most.count())))));
    }

    std::string run() {
        net.start();
        for (const Instant end = net.desk.now + 10min; net.desk.now < end;) {
            if (random.chance(70)) {
                net.desk.sample(1 + random.below(random.chance(5) ? 300 : 4));
            }
            if (random.chance(30)) {
                trouble();
            }
            some_time(2s);
            if (!net.broken.empty()) {
                return net.broken;
            }
        }
        net.far.clear();
        net.route[0] = net.route[1] = true;
        net.hub_is_mute = false;
        net.desk.sample(1);
        if (!net.run_until_delivered(15min)) {
            return net.broken.empty() ? "not all has arrived\n" + net.log_text() : net.broken;
        }
        net.run(10min);
        if (net.open_streams() > 8) {
            return "streams are left open";
        }
        net.client->stop(net.both());
        net.run(10s);
        if (net.open_streams() != 0) {
            return "stop has left streams open";
        }
        return net.broken.empty() ? net.compare() : net.broken;
    }

    Random random;
    ClientDesk net;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_GROUP(ClientProperty){};

TEST(ClientProperty, whatever_the_network_does_each_reading_arrives_once) {
    const std::uint64_t first = number_from("HOLDFAST_FIRST_SEED", 1);
    const std::uint64_t seeds = number_from("HOLDFAST_SEEDS", 100);
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const std::string wrong = Weather(seed).run();
        if (!wrong.empty()) {
            FAIL(("seed " + std::to_string(seed) + ": " + wrong).c_str());
        }
    }
}
