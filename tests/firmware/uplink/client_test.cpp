#include <string>
#include <vector>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

TEST_GROUP(Client) {
    ClientDesk net;
    void teardown() override {
        STRCMP_EQUAL("", net.broken.c_str());
    }
};

TEST(Client, says_hello_on_a_direct_line_and_delivers) {
    net.desk.sample(3);
    net.start();
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("", net.compare().c_str());
    LONGS_EQUAL(1, net.hellos);
    LONGS_EQUAL(1, net.opens);
    const FarStream& line = *net.main_stream();
    STRCMP_EQUAL("Bearer secret", line.authorization.c_str());
    STRCMP_EQUAL("holdfast test", line.user_agent.c_str());
    CHECK(net.logged("live at ws://hub.test/ (192.0.2.1:80)"));
    LONGS_EQUAL(1, net.told.size());
}

// ---- What a hub may say

TEST(Client, a_goodbye_is_obeyed_on_the_same_way) {
    net.start();
    CHECK(net.run_until_live());
    const Instant told = net.desk.now;
    net.send_from_hub(line::to_wire(line::GoodbyeMessage{"too many", 60'000}));
    CHECK(net.run_until([&] { return net.opens > 1; }));
    CHECK(net.desk.now - told >= 60s);
    CHECK(net.logged("the hub said goodbye: too many"));
    net.desk.sample(1);
    CHECK(net.run_until_delivered());
    STRCMP_EQUAL("direct", name(net.client->path()).c_str());
    LONGS_EQUAL(2, net.tries.size());
}

TEST(Client, a_goodbye_in_place_of_welcome_is_obeyed_by_every_transport) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        ClientDesk each;
        each.hub_is_mute = true;
        if (*closed != '\0') {
            each.far["direct"] = each.far[closed] = Far::page;
        }
        each.start();
        CHECK(each.run_until([&] { return each.hellos == 1; }));
        const std::size_t tries = each.tries.size();
        const std::string way = name(each.client->path());
        each.send_from_hub(line::to_wire(line::GoodbyeMessage{"storage fails", 30'000}));
        each.run(29s);
        LONGS_EQUAL(tries, each.tries.size());
        each.hub_is_mute = false;
        each.desk.sample(1);
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL(way.c_str(), name(each.client->path()).c_str());
        LONGS_EQUAL(tries + 1, each.tries.size());
    }
}

TEST(Client, what_breaks_the_contract_ends_the_line_by_name_and_a_new_one_follows) {
    Bytes garbage(20, std::byte{0xff});
    Bytes ack = line::to_wire(line::AckMessage{99, 5});
    Bytes welcome = line::to_wire(line::WelcomeMessage{});
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        for (const Bytes& bad : {garbage, ack, welcome}) {
            ClientDesk each;
            if (*closed != '\0') {
                each.far["direct"] = each.far[closed] = Far::page;
            }
            each.desk.sample(1);
            each.start();
            CHECK(each.run_until_delivered());
            const std::size_t logs = each.logs.size();
            each.send_from_hub(bad);
            each.run(1s);
            CHECK(each.logs.size() > logs);
            each.desk.sample(1);
            CHECK(each.run_until_delivered());
            STRCMP_EQUAL("", each.broken.c_str());
            STRCMP_EQUAL("", each.compare().c_str());
            LONGS_EQUAL(1, each.client->engine().reconnects());
        }
    }
}

TEST(Client, a_message_over_the_limit_ends_the_line_by_name) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        ClientDesk each;
        if (*closed != '\0') {
            each.far["direct"] = each.far[closed] = Far::page;
        }
        each.start();
        CHECK(each.run_until_live());
        each.send_from_hub(Bytes(3u << 20));
        each.run(1s);
        CHECK(each.logs.size() >= 2);
        each.desk.sample(1);
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
    }
}

TEST(Client, pings_whose_answers_are_not_taken_do_not_fill_the_memory) {
    net.start();
    CHECK(net.run_until_live());
    FarStream& line = *net.main_stream();
    net.client->congested(line.id);
    Bytes pings;
    const Bytes payload(125);
    for (int n = 0; n < 4000; ++n) {
        line.socket->send_ping(payload, pings);
    }
    line.deaf = true;
    net.to_client(line, pings);
    net.run(100ms);
    CHECK(line.left);
    CHECK(net.logged("the hub asks, and does not take the answers"));
    net.desk.sample(1);
    CHECK(net.run_until_delivered());
}

TEST(Client, an_unknown_message_is_answered_and_a_flood_of_them_ends_the_line) {
    net.start();
    CHECK(net.run_until_live());
    net.send_from_hub({});
    net.run(1s);
    LONGS_EQUAL(0, net.client->engine().reconnects());
    net.client->congested(net.main_stream()->id);
    for (int n = 0; n < 1000; ++n) {
        net.send_from_hub({});
    }
    net.run(1s);
    CHECK(net.logged("the hub asks faster than it takes the answers"));
}

TEST(Client, a_name_too_long_for_the_journal_is_not_noted) {
    net.options.hub = *http::parse_url("ws://" + std::string(220, 'h') + "/");
    net.start();
    CHECK(net.run_until_live());
    CHECK(net.notes.empty());
}
