#include "firmware/api/status.h"

#include <string>

#include <CppUTest/TestHarness.h>
#include <boost/json/parse.hpp>

#include "firmware/api/words.h"
#include "firmware/line/messages.h"
#include "tests/firmware/api/asked_node.h"

using namespace holdfast;
using namespace holdfast::api;

namespace {

std::string status_of(Node& node) {
    std::string status;
    ask_status(node, [&status](std::string told) { status = std::move(told); });
    LONGS_EQUAL(1, node.answer());
    return status;
}

std::string verdict_of(const std::string& status) {
    return words_of(boost::json::parse(status).as_object()).verdict.words;
}

}  // namespace

TEST_GROUP(Status){};

TEST(Status, a_node_by_itself) {
    Node node;
    node.pass(std::chrono::milliseconds(1500));
    STRCMP_EQUAL((R"({"node":{"id":"dev","version":"1.2.3","uptime_s":3601.5,)"
                  R"("time":"1970-01-01T03:00:01.500Z"},"journal":{"readings":0,"bytes":)" +
                  std::to_string(node.journal->used_bytes()) +
                  R"(,"limit_bytes":1048576,"dropped":0},"sensors":[]})")
                     .c_str(),
                 status_of(node).c_str());
}

TEST(Status, it_is_of_the_moment_in_which_the_store_has_answered) {
    Node node;
    std::string status;
    ask_status(node, [&status](std::string told) { status = std::move(told); });
    node.take(3);
    node.write();
    node.pass(std::chrono::seconds(7));
    node.answer();
    STRCMP_CONTAINS(R"("uptime_s":3607.0)", status.c_str());
    STRCMP_CONTAINS(R"("readings":3)", status.c_str());
}

TEST(Status, the_listener_counts_the_devices_that_are_not_the_node_itself) {
    Node node;
    node.listener = ListenerView{.address = "127.0.0.1:8080", .connections = 7};
    node.fleet["a"].online = true;
    node.fleet["b"].online = false;
    node.fleet["dev"].online = false;
    STRCMP_CONTAINS(R"("listen":{"address":"127.0.0.1:8080","connections":7,"devices":2,)"
                    R"("devices_online":1})",
                    status_of(node).c_str());
}

TEST(Status, sensors) {
    Node node;
    node.sensors = {{"procfs", 22, WallTime(std::chrono::seconds(1)), ""},
                    {"lines \"x\"", 0, std::nullopt, "gone\n"}};
    STRCMP_CONTAINS(
        R"("sensors":[{"driver":"procfs","channels":22,"last_time":"1970-01-01T00:00:01Z"},)"
        R"({"driver":"lines \"x\"","last_error":"gone\n"}])",
        status_of(node).c_str());
}

TEST(Status, what_waits_is_told_by_where_it_is) {
    Node node(true);
    node.take(135);
    node.write();
    node.take(22);
    STRCMP_CONTAINS(R"("readings":135,)", status_of(node).c_str());
    STRCMP_CONTAINS(R"("backlog":157,"waiting_on_disk":135,"waiting_in_memory":22,)",
                    status_of(node).c_str());
}

/// Acknowledged rows are deleted later, and do not wait meanwhile.
TEST(Status, what_is_acknowledged_waits_no_more) {
    Node node(true);
    node.take(10);
    node.write();
    node.journal->release(node.journal->next_position(), node.now.monotonic);
    STRCMP_CONTAINS(R"("readings":10,)", status_of(node).c_str());
    STRCMP_CONTAINS(R"("backlog":0,"waiting_on_disk":0,"waiting_in_memory":0,)",
                    status_of(node).c_str());
    node.take(2);
    STRCMP_CONTAINS(R"("backlog":2,"waiting_on_disk":0,"waiting_in_memory":2,)",
                    status_of(node).c_str());
    node.journal->release(node.journal->next_position(), node.now.monotonic);
    STRCMP_CONTAINS(R"("backlog":0,"waiting_on_disk":0,"waiting_in_memory":0,)",
                    status_of(node).c_str());
}

TEST(Status, storage_that_fails) {
    Node node;
    node.take(1);
    node.fail_write("the disk is full");
    STRCMP_CONTAINS(R"("dropped":0,"last_error":"the disk is full"})", status_of(node).c_str());
    STRCMP_CONTAINS("readings cannot be stored: the disk is full",
                    verdict_of(status_of(node)).c_str());
}

/// From the start of the node, from the end of the last line: not from the last try.
TEST(Status, an_uplink_tells_for_how_long_it_is_down_and_when_it_tries_next) {
    Node node(true);
    uplink::Uplink& engine = node.client->engine();
    STRCMP_CONTAINS(R"("state":"waiting",)", status_of(node).c_str());
    STRCMP_CONTAINS(R"("down_s":3600.0,"next_try_s":0.0,)", status_of(node).c_str());

    CHECK(engine.connect_due(node.now.monotonic));
    node.pass(std::chrono::seconds(2));
    STRCMP_CONTAINS(R"("state":"connecting",)", status_of(node).c_str());
    STRCMP_CONTAINS(R"("down_s":3602.0,)", status_of(node).c_str());
    CHECK(status_of(node).find("next_try_s") == std::string::npos);

    engine.disconnected({ErrorCode::refused, "connecting to h:1: connection refused"},
                        node.now.monotonic);
    const auto next = std::chrono::duration<double>(engine.deadline() - node.now.monotonic);
    CHECK(next.count() > 0);
    node.now.monotonic = engine.deadline() - std::chrono::milliseconds(250);
    STRCMP_CONTAINS(R"("next_try_s":0.25,)", status_of(node).c_str());
    STRCMP_CONTAINS(
        "not connected for 60 min: the hub refuses connections; next try now; no reading waits, "
        "none lost",
        verdict_of(status_of(node)).c_str());
}

TEST(Status, a_line_that_ends_is_down_from_then_on_whatever_is_tried) {
    Node node(true);
    uplink::Uplink& engine = node.client->engine();
    CHECK(engine.connect_due(node.now.monotonic));
    engine.connected(node.now.monotonic);
    STRCMP_CONTAINS(R"("state":"greeting",)", status_of(node).c_str());
    CHECK(engine.next_message(node.now.monotonic).has_value());
    CHECK(engine.received(line::to_wire(line::WelcomeMessage{}), node.now.monotonic)
              .has_value());
    node.pass(std::chrono::hours(2));
    const std::string live = status_of(node);
    CHECK(live.find("down_s") == std::string::npos);
    CHECK(live.find("next_try_s") == std::string::npos);
    STRCMP_EQUAL("connected for 2 h: every reading is upstream", verdict_of(live).c_str());

    engine.disconnected({ErrorCode::closed, "the peer closed the line"}, node.now.monotonic);
    for (int i = 0; i < 3; ++i) {
        node.pass(std::chrono::minutes(1));
        CHECK(engine.connect_due(node.now.monotonic));
        engine.disconnected({ErrorCode::timeout, "no answer"}, node.now.monotonic);
    }
    STRCMP_CONTAINS(R"("down_s":180.0,)", status_of(node).c_str());
    STRCMP_CONTAINS("not connected for 3 min: no answer; next try ",
                    verdict_of(status_of(node)).c_str());
}

TEST(Status, a_fixed_heartbeat_is_that_of_the_configuration) {
    Node node(true);
    STRCMP_CONTAINS(R"("path":"direct",)", status_of(node).c_str());
    STRCMP_CONTAINS(R"("heartbeat_interval_s":25.0,"reconnects":0,"in_flight_bytes":0})",
                    status_of(node).c_str());
}
