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
