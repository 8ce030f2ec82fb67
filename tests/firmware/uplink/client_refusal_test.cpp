#include <algorithm>
#include <string>
#include <vector>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

/// What answers in place of the hub, and the ways round it.
TEST_GROUP(ClientRefusals) {
    ClientDesk net;

    void setup() override {
        net.desk.sample(3);
    }
    void teardown() override {
        STRCMP_EQUAL("", net.broken.c_str());
    }
    /// `far` on the WebSocket: readings take another path, and the log says why.
    void another_way(Far far, const char* why) {
        net.far["direct"] = far;
        net.start();
        const Instant began = net.desk.now;
        CHECK(net.run_until_delivered());
        STRCMP_EQUAL("", net.compare().c_str());
        STRCMP_EQUAL("direct+xhr_streaming", name(net.client->path()).c_str());
        CHECK(net.desk.now - began < 2s);
        if (!net.logged(why) || !net.logged("; next path: direct+xhr_streaming")) {
            FAIL(net.log_text().c_str());
        }
    }
    void each_way(const char* why, Far far) {
        another_way(far, why);
    }
};

TEST(ClientRefusals, a_page_in_place_of_101) {
    another_way(Far::page, "200 OK: a captive portal, or a proxy that does not forward Upgrade");
}
TEST(ClientRefusals, a_redirection_in_place_of_101) {
    another_way(Far::found, "302 Found, to http://portal.test: a captive portal or a proxy");
}
TEST(ClientRefusals, status_400_in_place_of_101) {
    another_way(Far::bad_request, "400 Bad Request: a proxy on the way may not forward Upgrade");
}
TEST(ClientRefusals, status_403_in_place_of_101) {
    another_way(Far::forbidden, "403");
}
TEST(ClientRefusals, status_426_in_place_of_101) {
    another_way(Far::upgrade, "426 Upgrade Required: a proxy on the way may not forward Upgrade");
}
TEST(ClientRefusals, status_502_in_place_of_101) {
    another_way(Far::bad_gateway, "502 Bad Gateway: a proxy on the way does not reach the hub");
}
TEST(ClientRefusals, a_proxys_401_in_place_of_101) {
    another_way(Far::login, "401");
}
TEST(ClientRefusals, a_fin_in_place_of_an_answer) {
    another_way(Far::fin,
                "in place of an answer to the WebSocket handshake: the peer ended the connection");
}
TEST(ClientRefusals, a_reset_in_place_of_an_answer) {
    another_way(Far::reset,
                "in place of an answer to the WebSocket handshake: the peer reset the connection");
}
TEST(ClientRefusals, silence_in_place_of_an_answer) {
    another_way(Far::silence, "no answer to the WebSocket handshake within");
}
TEST(ClientRefusals, garbage_in_place_of_an_answer) {
    another_way(Far::garbage, "the answer to the WebSocket handshake: ");
}
TEST(ClientRefusals, a_head_without_an_end) {
    another_way(Far::endless_head, "the answer to the WebSocket handshake: ");
}
TEST(ClientRefusals, a_page_without_an_end) {
    another_way(Far::endless_page, "200 OK: a captive portal, or a proxy");
}
TEST(ClientRefusals, a_page_that_does_not_come_is_named_by_its_head) {
    another_way(Far::slow_page, "200 OK: a captive portal, or a proxy");
}
TEST(ClientRefusals, silence_after_101) {
    another_way(Far::silent_101, "the WebSocket is up, but nothing passes: no pong within");
}
TEST(ClientRefusals, a_fin_after_101) {
    another_way(Far::closed_101, "before anything passed: the peer ended the connection");
}
TEST(ClientRefusals, garbage_after_101) {
    another_way(Far::garbage_101, "broke the WebSocket protocol");
}
TEST(ClientRefusals, a_101_of_another_protocol) {
    another_way(Far::other_101, "the server does not speak holdfast.v1");
}

TEST(ClientRefusals, each_is_the_same_byte_by_byte) {
    for (const Far far :
         {Far::page, Far::found, Far::bad_request, Far::forbidden, Far::upgrade, Far::bad_gateway,
          Far::login, Far::garbage, Far::endless_head, Far::endless_page, Far::slow_page,
          Far::silent_101, Far::closed_101, Far::garbage_101, Far::other_101}) {
        ClientDesk split;
        split.one_by_one = true;
        split.desk.sample(3);
        split.far["direct"] = far;
        split.start();
        CHECK(split.run_until_delivered());
        STRCMP_EQUAL("", split.broken.c_str());
        STRCMP_EQUAL("", split.compare().c_str());
        STRCMP_EQUAL("direct+xhr_streaming", name(split.client->path()).c_str());
    }
}

TEST(ClientRefusals, the_hubs_own_401_is_not_the_ways_fault) {
    net.far["direct"] = Far::unauthorized;
    net.start();
    net.run(5min);
    CHECK(!net.tries.empty());
    for (const std::string& tried : net.tries) {
        STRCMP_EQUAL("direct", tried.c_str());
    }
    CHECK(net.logged("401"));
    // And it is not stormed: the back-off grows to a minute.
    CHECK(net.tries.size() < 40);
    net.far.clear();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
}

TEST(ClientRefusals, the_hubs_own_401_is_not_the_ways_fault_on_sockjs_either) {
    net.far["direct"] = Far::page;
    net.far["direct+xhr_streaming"] = Far::unauthorized;
    net.start();
    net.run(5min);
    CHECK(std::ranges::count(net.tries, "direct") <= 1);
    CHECK(std::ranges::count(net.tries, "direct+xhr") == 0);
    CHECK(net.logged(": SockJS xhr_streaming was answered 401 Unauthorized"));
}

TEST(ClientRefusals, streaming_that_is_held_back_leads_to_polling) {
    net.far["direct"] = Far::page;
    net.far["direct+xhr_streaming"] = Far::silence;
    net.start();
    if (!net.run_until_delivered(1min)) {
        FAIL(net.log_text().c_str());
    }
    STRCMP_EQUAL("", net.compare().c_str());
    STRCMP_EQUAL("direct+xhr", name(net.client->path()).c_str());
    CHECK(
        net.logged("no frame came in time on SockJS xhr_streaming: a proxy may hold streaming "
                   "answers back"));
}

TEST(ClientRefusals, every_answer_to_sockjs_is_named_and_leads_to_the_next_way) {
    for (const auto& [far, why] :
         {std::pair{Far::page, "the answer to SockJS xhr_streaming: what came is no SockJS frame"},
          {Far::found, "SockJS xhr_streaming was answered 302 Found"},
          {Far::bad_request, "SockJS xhr_streaming was answered 400 Bad Request"},
          {Far::forbidden, "SockJS xhr_streaming was answered 403 Forbidden"},
          {Far::upgrade, "SockJS xhr_streaming was answered 426 Upgrade Required"},
          {Far::bad_gateway, "SockJS xhr_streaming was answered 502 Bad Gateway"},
          {Far::fin,
           "in place of the answer to SockJS xhr_streaming: the peer ended the connection"},
          {Far::reset,
           "in place of the answer to SockJS xhr_streaming: the peer reset the connection"},
          {Far::silence, "no frame came in time on SockJS xhr_streaming"},
          {Far::garbage, "the answer to SockJS xhr_streaming: what came is no HTTP response"},
          {Far::endless_head, "the answer to SockJS xhr_streaming: the response's head is larger"},
          {Far::endless_page, "the answer to SockJS xhr_streaming: what came is no SockJS frame"},
          {Far::slow_page, "the answer to SockJS xhr_streaming: what came is no SockJS frame"},
          {Far::mangled,
           "what came as a message in the answer to SockJS xhr_streaming is no Envelope: "}}) {
        ClientDesk each;
        each.desk.sample(3);
        each.far["direct"] = Far::page;
        each.far["direct+xhr_streaming"] = far;
        each.start();
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("", each.compare().c_str());
        STRCMP_EQUAL("direct+xhr", name(each.client->path()).c_str());
        if (!each.logged(why) || !each.logged("; next path: direct+xhr")) {
            FAIL(each.log_text().c_str());
        }
    }
}

TEST(ClientRefusals, a_portal_on_all_ways_is_waited_for_and_what_worked_is_tried_first_then) {
    const std::vector<std::string> ways{"direct", "direct+xhr_streaming", "direct+xhr"};
    net.far["direct"] = Far::found;
    net.start();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct+xhr_streaming", name(net.client->path()).c_str());
    for (const std::string& way : ways) {
        net.far[way] = Far::found;
    }
    net.tries.clear();
    for (const auto& [id, each] : net.streams) {
        if (!each->left && !each->ended) {
            net.end(*each, {ErrorCode::io, "the peer reset the connection"});
        }
    }
    net.run(10min);
    CHECK(net.tries.size() >= 6 && net.tries.size() < 150);
    for (std::size_t i = 0; i + 2 < net.tries.size(); i += 3) {
        STRCMP_EQUAL("direct+xhr_streaming", net.tries[i].c_str());
        STRCMP_EQUAL("direct", net.tries[i + 1].c_str());
        STRCMP_EQUAL("direct+xhr", net.tries[i + 2].c_str());
    }
    net.far.clear();
    net.desk.sample(3);
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
    STRCMP_EQUAL("direct+xhr_streaming", name(net.client->path()).c_str());
}

TEST(ClientRefusals, the_log_of_a_long_outage_is_short) {
    net.route[0] = false;
    net.start();
    net.run(24h);
    const auto loud = std::ranges::count_if(
        net.logs, [](const Action& line) { return line.level != Action::Level::debug; });
    LONGS_EQUAL(1, loud);
    CHECK(net.logged("the connection was refused"));
}

TEST(ClientRefusals, a_route_that_fails_leads_to_the_other_route) {
    net.options.proxy = "proxy.test:3128";
    net.route[1] = false;
    net.start();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
    CHECK((net.tries == std::vector<std::string>{"no proxy", "direct"}));
    CHECK(net.logged("the connection was refused; next path: direct"));
}

TEST(ClientRefusals, a_route_that_fails_alone_leads_nowhere_else) {
    net.route[0] = false;
    net.start();
    net.run(5s);
    CHECK(std::ranges::all_of(net.tries, [](const auto& tried) { return tried == "no route"; }));
    net.route[0] = true;
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
}

TEST(ClientRefusals, all_ways_through_a_proxy_that_does_not_upgrade_come_before_the_direct_ones) {
    net.options.proxy = "proxy.test:3128";
    for (const char* way :
         {"proxy", "proxy+xhr_streaming", "proxy+xhr", "direct", "direct+xhr_streaming"}) {
        net.far[way] = Far::bad_gateway;
    }
    net.start();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct+xhr", name(net.client->path()).c_str());
    CHECK((net.tries[0] == "proxy" && net.tries[1] == "proxy+xhr_streaming" &&
           net.tries[2] == "proxy+xhr" && net.tries[3] == "direct" &&
           net.tries[4] == "direct+xhr_streaming"));
}

TEST(ClientRefusals, a_hub_that_is_up_and_never_says_welcome_is_left) {
    net.hub_is_mute = true;
    net.start();
    net.run(30s);
    CHECK(net.logged("no Welcome from the hub within 10 s"));
    net.hub_is_mute = false;
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
}

TEST(ClientRefusals, a_slow_connection_is_waited_for) {
    // Three times what the connecting took is added to the patience.
    net.latency = 900ms;
    net.start();
    CHECK(net.run_until_live());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
    LONGS_EQUAL(1, net.tries.size());
}

/// Welcome and small records pass, so nothing is wrong with the way until there is a large one.
TEST(ClientRefusals, a_way_that_ends_lines_at_large_records_is_left_and_tried_again) {
    net.choke = 2000;
    net.start();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
    for (int n = 0; n < 3; ++n) {
        const auto channel = net.desk.journal->channel({"blob", ""});
        std::vector<telemetry::Reading> readings{{*channel, 1, std::string(5000, 'a')}};
        for (char& c : std::get<std::string>(readings[0].value)) {
            c = static_cast<char>('a' + net.random.below(26));
        }
        (void)net.desk.journal->append({.readings = readings, .promise = journal::Promise::now},
                                       net.desk.now);
        CHECK(net.run_until_delivered(1min));
        STRCMP_EQUAL("", net.compare().c_str());
        STRCMP_EQUAL("direct+xhr_streaming", name(net.client->path()).c_str());
    }
    CHECK(net.logged("nothing acknowledged: connection reset by peer; next path: direct+xhr_str"));
    // Trials of the better way pass while nothing is sent there; they become rare.
    const std::size_t notes = net.notes.size();
    net.run(1h);
    CHECK(net.notes.size() - notes <= 2);
    net.choke = 0;
    net.desk.sample(1);
    CHECK(net.run_until([&] { return name(net.client->path()) == "direct"; }, 26h));
    net.desk.sample(1);
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
}
