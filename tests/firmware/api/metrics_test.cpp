#include "firmware/api/metrics.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/api/asked_node.h"

using namespace holdfast;
using namespace holdfast::api;

TEST_GROUP(MetricsText) {
    Node node;
    std::string text() {
        return metrics_text(node.view());
    }
};

TEST(MetricsText, a_family_has_a_head_and_then_its_values) {
    node.take(2);
    STRCMP_CONTAINS(
        "# HELP holdfast_info What runs here.\n"
        "# TYPE holdfast_info gauge\n"
        "holdfast_info{version=\"1.2.3\"} 1\n"
        "# HELP holdfast_uptime_seconds Since the start of the program.\n"
        "# TYPE holdfast_uptime_seconds gauge\n"
        "holdfast_uptime_seconds 3600\n",
        text().c_str());
    STRCMP_CONTAINS("\nholdfast_own_readings_total 2\n", text().c_str());
    STRCMP_CONTAINS("\nholdfast_journal_limit_bytes 1048576\n", text().c_str());
    node.pass(std::chrono::milliseconds(250));
    STRCMP_CONTAINS("\nholdfast_uptime_seconds 3600.25\n", text().c_str());
}

/// A label's value can neither end early nor begin a line of its own.
TEST(MetricsText, label_values_are_escaped) {
    node.listener = ListenerView{.address = "a:1"};
    node.fleet["a\"b\\c\nd"].online = true;
    STRCMP_CONTAINS("\nholdfast_device_online{device=\"a\\\"b\\\\c\\nd\"} 1\n", text().c_str());
}

TEST(MetricsText, a_node_without_a_listener_or_uplink_has_no_figures_of_them) {
    node.fleet["far"].online = true;
    CHECK(text().find("holdfast_device") == std::string::npos);
    CHECK(text().find("holdfast_connections") == std::string::npos);
    CHECK(text().find("holdfast_uplink") == std::string::npos);
}

TEST(MetricsText, devices_of_a_listener) {
    node.listener = ListenerView{.address = "a:1", .connections = 4, .sockjs_sessions = 1};
    node.fleet["far"].online = true;
    node.fleet["far"].readings = 7;
    node.fleet["far"].last_seen = WallTime(std::chrono::seconds(12));
    node.fleet["gone"].gaps = 2;
    for (const char* line :
         {"\nholdfast_connections 4\n", "\nholdfast_sockjs_sessions 1\n", "\nholdfast_devices 2\n",
          "\nholdfast_devices_online 1\n", "\nholdfast_device_readings_total{device=\"far\"} 7\n",
          "\nholdfast_device_online{device=\"gone\"} 0\n",
          "\nholdfast_device_gaps_total{device=\"gone\"} 2\n",
          "\nholdfast_device_last_seen_timestamp_seconds{device=\"far\"} 12\n"}) {
        STRCMP_CONTAINS(line, text().c_str());
    }
    CHECK(text().find("last_seen_timestamp_seconds{device=\"gone\"}") == std::string::npos);
}

TEST_GROUP(GatewayMetrics) {
    Node gateway{true};
};

TEST(GatewayMetrics, storage_that_fails_and_an_uplink_that_is_down) {
    gateway.take(3);
    STRCMP_CONTAINS("\nholdfast_storage_failing 0\n", metrics_text(gateway.view()).c_str());
    gateway.fail_write("full");
    const std::string said = metrics_text(gateway.view());
    STRCMP_CONTAINS("\nholdfast_storage_failing 1\n", said.c_str());
    STRCMP_CONTAINS("\nholdfast_uplink_connected 0\n", said.c_str());
    STRCMP_CONTAINS("\nholdfast_uplink_backlog_readings 3\n", said.c_str());
    STRCMP_CONTAINS("\nholdfast_uplink_path{path=\"direct\"} 1\n", said.c_str());
}
