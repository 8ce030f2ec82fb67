#include "firmware/api/bodies.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/api/asked_node.h"

using namespace holdfast;
using namespace holdfast::api;

TEST_GROUP(Bodies) {
    Node node;
    static Result<ReadingsRequest> request(const std::string& query) {
        return parse_readings_request("a", *http::parse_target("/api/devices/a/readings" + query));
    }
    static journal::Page page() {
        journal::Page page;
        page.rows.push_back({1, 1, 0, {"t,1", "°C"}, 21.5});
        page.rows.push_back({2, 2, std::nullopt, {"u", ""}, std::string("say \"hi\"\n")});
        page.rows.push_back({3, 3, 1'500'000, {"v", ""}, Bytes{std::byte{1}, std::byte{2}}});
        page.rows.push_back({4, 4, 2'000'000, {"w", ""}, true});
        page.next = journal::Cursor{0xA0, 9};
        return page;
    }
};

TEST(Bodies, readings_as_json) {
    STRCMP_EQUAL(
        R"({"readings":[{"seq":1,"time":"1970-01-01T00:00:00Z","channel":"t,1","value":21.5,"unit":"°C"},)"
        R"({"seq":2,"time":null,"channel":"u","value":"say \"hi\"\n","unit":""},)"
        R"({"seq":3,"time":"1970-01-01T00:00:01.500Z","channel":"v","value":{"base64":"AQI="},"unit":""},)"
        R"({"seq":4,"time":"1970-01-01T00:00:02Z","channel":"w","value":true,"unit":""}],"next":"a0-9"})",
        readings_json(page()).c_str());
    STRCMP_EQUAL(R"({"readings":[]})", readings_json({}).c_str());
    journal::Page missed;
    missed.missed = journal::Missed{.why = journal::Missed::Why::other_generation};
    STRCMP_EQUAL(R"({"readings":[],"gap":{"reason":"other-generation"}})",
                 readings_json(missed).c_str());
}

TEST(Bodies, readings_as_csv) {
    STRCMP_EQUAL(
        "seq,time,channel,value,unit\r\n"
        "1,1970-01-01T00:00:00Z,\"t,1\",21.5,°C\r\n"
        "2,,u,\"say \"\"hi\"\"\n\",\r\n"
        "3,1970-01-01T00:00:01.500Z,v,AQI=,\r\n"
        "4,1970-01-01T00:00:02Z,w,true,\r\n",
        readings_csv(page()).c_str());
}

TEST(Bodies, parameters_are_taken) {
    const auto plain = request("");
    LONGS_EQUAL(1000, plain->query.limit);
    CHECK(!plain->csv && !plain->query.from_us && plain->query.channel.empty());
    const auto all = request(
        "?channel=t%201&from=1970-01-01T00:00:01Z&to=1970-01-01T00:00:02Z&after=5&limit=7&format="
        "csv");
    STRCMP_EQUAL("a", all->query.origin.c_str());
    STRCMP_EQUAL("t 1", all->query.channel.c_str());
    CHECK(all->query.from_us == 1'000'000 && all->query.to_us == 2'000'000);
    CHECK(all->query.after == (journal::Cursor{0, 5}));
    CHECK(request("?after=a0-5")->query.after == (journal::Cursor{0xA0, 5}));
    LONGS_EQUAL(7, all->query.limit);
    CHECK(all->csv);
}

TEST(Bodies, a_bad_parameter_is_named) {
    for (const char* name : {"from", "to", "after", "limit", "format"}) {
        const auto bad = request(std::string("?") + name + "=what");
        CHECK(!bad);
        STRCMP_CONTAINS(name, bad.error().message.c_str());
    }
    CHECK(!request("?limit=0"));
    CHECK(!request("?limit=100001"));
    CHECK(request("?limit=100000").has_value());
    CHECK(!request("?after=-1"));
    CHECK(!request("?after=1x"));
    CHECK(!request("?after=xyz-1"));
    CHECK(!request("?after=a-"));
    CHECK(!request("?after=99999999999999999999"));
}

TEST(Bodies, devices_channels_and_gaps) {
    (void)node.journal->open_stream("far", {0xABC, 2});
    CHECK(node.journal->add_channel("far", 0xABC, 1, {"t", "°C"}).has_value());
    hub::Device& device = node.fleet["far"];
    device.online = true;
    device.last_seen = WallTime(std::chrono::seconds(0));
    device.readings = 3;
    device.software = "s";
    device.channels[{"t", "°C"}] = {3, 1'000'000, 2.5};
    STRCMP_EQUAL(R"({"devices":[{"id":"far","state":"online","last_seen":"1970-01-01T00:00:00Z",)"
                 R"("readings":3,"gaps":0,"software":"s"}]})",
                 devices_json(node.view()).c_str());
    STRCMP_EQUAL(R"({"channels":[{"name":"t","unit":"°C",)"
                 R"("last":{"time":"1970-01-01T00:00:01Z","value":2.5}}]})",
                 channels_json("far", node.view()).value_or("").c_str());
    const auto one =
        device_json("far", node.view(), {{{0xABC, 2}, 4, 5, journal::GapReason::evicted}});
    STRCMP_CONTAINS(R"("streams":[{"journal":"0000000000000abc","run":2,"through":0}])",
                    one->c_str());
    STRCMP_CONTAINS(R"("first_seq":4,"last_seq":5,"reason":"evicted")", one->c_str());
    CHECK(!device_json("nobody", node.view(), {}));
    CHECK(!channels_json("nobody", node.view()));
    CHECK(!knows_device("nobody", node.view()));
}

TEST(Bodies, the_node_itself_is_a_device_that_is_always_online_and_seen) {
    node.take(1);
    node.fleet["dev"].readings = 1;
    STRCMP_EQUAL(R"({"devices":[{"id":"dev","state":"online","last_seen":"1970-01-01T03:00:00Z",)"
                 R"("readings":1,"gaps":0}]})",
                 devices_json(node.view()).c_str());
}
