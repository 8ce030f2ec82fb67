#include "platform/simulated/relay.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/platform/simulated/two_hosts.h"

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

namespace {

constexpr const char* kUpgrade =
    "GET /v1/uplink HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
constexpr const char* kSwitching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

}  // namespace

TEST_GROUP(SimulatedRelay) {
    TwoHosts hosts;
    std::unique_ptr<Relay> relay;

    void stand_between(Manner manner, std::size_t bytes = 0) {
        Path onward;
        onward.to = "hub";
        relay = std::make_unique<Relay>(hosts.network, "box", onward);
        relay->options.manner = manner;
        relay->options.bytes = bytes;
        hosts.path.to = "box";
        hosts.connect();
    }
    std::string ask(const char* what) {
        hosts.say_up(what);
        hosts.pass(1s);
        return hosts.device.heard;
    }
};

TEST(SimulatedRelay, one_that_passes_all_passes_all_and_ends_with_either_end) {
    stand_between(Manner::pass);
    static_cast<void>(ask(kUpgrade));
    STRCMP_EQUAL(kUpgrade, hosts.hub.heard.c_str());
    hosts.say_down("bytes");
    hosts.network.shut(hosts.down);
    hosts.pass(1s);
    STRCMP_EQUAL("bytes", hosts.device.heard.c_str());
    CHECK(hosts.device.end == ErrorCode::closed);
}

TEST(SimulatedRelay, a_proxy_that_knows_no_upgrade_takes_it_off_each_request) {
    stand_between(Manner::strip_upgrade);
    static_cast<void>(ask("POST /a HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\n\r\nabc"));
    static_cast<void>(ask(kUpgrade));
    STRCMP_EQUAL(
        "POST /a HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\n\r\nabc"
        "GET /v1/uplink HTTP/1.1\r\nHost: hub\r\n\r\n",
        hosts.hub.heard.c_str());
}

TEST(SimulatedRelay, a_captive_portal_answers_in_place_of_the_hub) {
    stand_between(Manner::answer);
    relay->options.status = 302;
    relay->options.location = "http://portal/";
    hosts.connect();
    const std::string answer = ask(kUpgrade);
    CHECK(answer.starts_with("HTTP/1.1 302 "));
    CHECK(answer.find("Location: http://portal/\r\n") != std::string::npos);
    CHECK(hosts.device.end == ErrorCode::closed);
    LONGS_EQUAL(0, hosts.down);
}

TEST(SimulatedRelay, behind_101_nothing_passes) {
    stand_between(Manner::mute_upgraded);
    static_cast<void>(ask(kUpgrade));
    hosts.say_down(kSwitching);
    hosts.say_down("frames");
    hosts.pass(1s);
    STRCMP_EQUAL(kSwitching, hosts.device.heard.c_str());
}

TEST(SimulatedRelay, behind_101_a_client_may_say_so_much_and_no_more) {
    stand_between(Manner::choke_upgraded, 10);
    static_cast<void>(ask(kUpgrade));
    hosts.say_down(kSwitching);
    hosts.pass(1s);
    hosts.say_up("ten bytes.");
    hosts.pass(1s);
    CHECK(hosts.hub.heard.ends_with("ten bytes."));
    CHECK(!hosts.device.end);
    hosts.say_up("and one");
    hosts.pass(1s);
    CHECK(hosts.device.end == ErrorCode::io);
}

TEST(SimulatedRelay, a_response_is_held_until_it_ends) {
    stand_between(Manner::buffer);
    hosts.say_down("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    hosts.pass(1s);
    STRCMP_EQUAL("", hosts.device.heard.c_str());
    hosts.say_down("0\r\n\r\n");
    hosts.pass(1s);
    CHECK(hosts.device.heard.ends_with("\r\n3\r\nabc\r\n0\r\n\r\n"));
    hosts.say_down("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    hosts.pass(1s);
    CHECK(hosts.device.heard.ends_with("\r\n\r\nab"));
    hosts.say_down(kSwitching);
    hosts.say_down("frames");
    hosts.pass(1s);
    CHECK(hosts.device.heard.ends_with("frames"));
}

TEST(SimulatedRelay, an_answer_is_cut_off_in_its_middle) {
    stand_between(Manner::truncate);
    relay->options.bytes = 10;
    hosts.connect();
    hosts.say_down("HTTP/1.1 200 OK\r\n");
    hosts.pass(1s);
    STRCMP_EQUAL("HTTP/1.1 2", hosts.device.heard.c_str());
    CHECK(hosts.device.end == ErrorCode::closed);
}

TEST(SimulatedRelay, a_forward_proxy_tunnels_who_has_the_right_credentials) {
    stand_between(Manner::tunnel);
    relay->options.authorization = "Basic right";
    hosts.connect();
    CHECK(ask("CONNECT hub:80 HTTP/1.1\r\nHost: hub:80\r\n\r\n").starts_with("HTTP/1.1 407 "));

    hosts.device.heard.clear();
    hosts.connect();
    const char* const good =
        "CONNECT hub:80 HTTP/1.1\r\nProxy-Authorization: Basic right\r\n\r\nfirst bytes";
    CHECK(ask(good).starts_with("HTTP/1.1 200 "));
    STRCMP_EQUAL("first bytes", hosts.hub.heard.c_str());
    hosts.say_down("answer");
    hosts.pass(1s);
    CHECK(hosts.device.heard.ends_with("answer"));
}

TEST(SimulatedRelay, a_forward_proxy_that_does_not_reach_the_hub_says_502) {
    hosts.network.listen("hub", nullptr);
    stand_between(Manner::tunnel);
    CHECK(ask("CONNECT hub:80 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 502 "));
}
