#include <string>
#include <vector>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

/// Lines on which a record takes longer than the answer to a ping is waited for.
TEST_GROUP(ClientSlowLines){
    static void append_blob(ClientDesk & net, std::size_t size){std::string blob(size, ' ');
for (char& c : blob) {
    c = static_cast<char>('a' + net.random.below(26));
}
const auto channel = net.desk.journal->channel({"blob", ""});
std::vector<telemetry::Reading> readings{{*channel, 1, blob}};
(void)net.desk.journal->append({.readings = readings, .promise = journal::Promise::now},
                               net.desk.now);
}
/// Until the stream is dropped; nullopt: it was not, within `patience`.
static std::optional<Duration> time_until_left(ClientDesk& net, FarStream& line,
                                               Duration patience) {
    const Instant began = net.desk.now;
    while (!line.left && net.desk.now - began < patience) {
        net.desk.sample(1);
        net.run(500ms);
    }
    return line.left ? std::optional(net.desk.now - began) : std::nullopt;
}
}
;

TEST(ClientSlowLines, a_record_that_takes_minutes_arrives_on_one_line) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        for (const bool adaptive : {false, true}) {
            ClientDesk net;
            if (*closed != '\0') {
                net.far["direct"] = net.far[closed] = Far::page;
            }
            if (adaptive) {
                net.options.uplink.adaptive = AdaptiveOptions{};
            }
            net.bytes_per_second = 2000;
            net.start();
            CHECK(net.run_until_live());
            append_blob(net, 400'000);
            CHECK(net.run_until_delivered());
            STRCMP_EQUAL("", net.broken.c_str());
            STRCMP_EQUAL("", net.compare().c_str());
            LONGS_EQUAL(0, net.client->engine().reconnects());
        }
    }
}

TEST(ClientSlowLines, a_record_that_takes_longer_than_lines_are_thought_to_live_arrives) {
    ClientDesk net;
    net.options.uplink.adaptive.emplace();
    net.bytes_per_second = 2000;
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    const PathKnowledge known{235s, 240s, CutKind::silent, Counts::either_way, 20s, 0};
    net.client->remember("heartbeat net direct hub.test", to_text(known));
    CHECK(net.run_until_live());
    append_blob(net, 100'000);
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
    LONGS_EQUAL(0, net.client->engine().reconnects());
}

TEST(ClientSlowLines, a_line_that_dies_under_such_a_record_is_found_in_time) {
    for (const Duration alive : {5s, 25s, 62s}) {
        ClientDesk net;
        net.bytes_per_second = 2000;
        net.start();
        CHECK(net.run_until_live());
        append_blob(net, 400'000);
        net.run(alive);
        FarStream& line = *net.main_stream();
        CHECK_FALSE(line.left);
        line.deaf = line.mute = true;
        const auto found = time_until_left(net, line, 5min);
        CHECK(found.has_value());
        // What moved last is seen when the ping's time is up, which then begins anew.
        CHECK(*found <= 2 * net.options.uplink.pong_timeout + 1s);
        CHECK(net.run_until_delivered());
        STRCMP_EQUAL("", net.compare().c_str());
    }
}

/// A proxy takes all that it gets, and the hub behind it is dead.
TEST(ClientSlowLines, what_is_given_out_behind_the_ping_does_not_keep_a_dead_line_up) {
    ClientDesk net;
    net.start();
    CHECK(net.run_until_live());
    FarStream& line = *net.main_stream();
    line.deaf = line.mute = line.swallows = true;
    const auto found = time_until_left(net, line, 5min);
    CHECK(found.has_value());
    CHECK(*found <= 2 * net.options.uplink.pong_timeout + 1s);
}
