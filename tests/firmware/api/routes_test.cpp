#include "firmware/api/routes.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/dashboard/assets.h"
#include "tests/firmware/api/asked_node.h"

using namespace holdfast;
using namespace holdfast::api;

TEST_GROUP(Routes) {
    Node node;
    std::vector<http::Response> responses;

    void ask(const std::string& target, const std::string& method = "GET") {
        http::Request request;
        request.method = method;
        request.target = target;
        answer(node, request, *http::parse_target(target),
               [this](http::Response response) { responses.push_back(std::move(response)); });
    }
    /// The answer, now or when the store has been asked.
    http::Response get(const std::string& target, const std::string& method = "GET") {
        responses.clear();
        ask(target, method);
        node.answer();
        LONGS_EQUAL(1, responses.size());
        return responses.front();
    }
    void is(int status, const char* body, const std::string& target) {
        const http::Response response = get(target);
        STRCMP_CONTAINS(body, response.body.c_str());
        LONGS_EQUAL(status, response.status);
    }
    void setup() override {
        node.take(3);
        node.write();
        node.fleet["near/by"].online = true;
    }
};

TEST(Routes, each_path_has_its_answer) {
    is(200, R"({"devices":[{"id":"dev",)", "/api/devices");
    is(200, R"("gap_records":[])", "/api/devices/dev");
    is(200, R"("name":"t")", "/api/devices/dev/channels");
    is(200, R"("channel":"t","value":1.5)", "/api/devices/dev/readings");
    is(200, R"({"node":{"id":"dev")", "/api/node");
    is(200, R"({"verdict":"readings are kept here)", "/api/node/words");
    is(200, "holdfast_info", "/metrics");
    is(200, "ok\n", "/healthz");
    is(200, "ready\n", "/readyz");
}

TEST(Routes, what_only_the_store_knows_is_answered_when_it_has_answered) {
    for (const char* target :
         {"/api/devices/dev", "/api/devices/dev/readings", "/api/node", "/api/node/words"}) {
        responses.clear();
        ask(target);
        LONGS_EQUAL(0, responses.size());
        LONGS_EQUAL(1, node.answer());
        LONGS_EQUAL(1, responses.size());
    }
}

TEST(Routes, what_is_not_there_is_404) {
    for (const char* target :
         {"/api", "/api/", "/api/nodes", "/api/node/", "/api/node/words/x", "/metrics/x",
          "/healthz/", "/api/devices/dev/what", "/api/devices/dev/readings/1", "/nothing",
          "/api%2Fnode", "/{device}"}) {
        is(404, "there is nothing at ", target);
    }
    is(404, "there is no device \"\"", "/api/devices/");
    is(404, "there is no device \"nobody\"", "/api/devices/nobody");
    is(404, "there is no device \"nobody\"", "/api/devices/nobody/channels");
    is(404, "there is no device \"nobody\"", "/api/devices/nobody/readings?limit=0");
    is(404, "sockjs-client is not kept here", "/sockjs.min.js");
}

TEST(Routes, a_devices_name_is_one_segment_however_it_is_written) {
    is(200, R"("id":"near/by")", "/api/devices/near%2Fby");
    is(200, R"({"channels":[]})", "/api/devices/near%2Fby/channels");
    is(404, "there is nothing at", "/api/devices/near/by");
}

TEST(Routes, a_device_that_has_sent_nothing_has_no_readings) {
    is(200, R"({"readings":[]})", "/api/devices/near%2Fby/readings");
}

TEST(Routes, a_bad_parameter_is_400) {
    is(400, "limit: ", "/api/devices/dev/readings?limit=0");
}

TEST(Routes, a_page_of_csv_links_to_the_next) {
    const http::Response first =
        get("/api/devices/dev/readings?format=csv&limit=2&after=0&channel=t");
    LONGS_EQUAL(200, first.status);
    STRCMP_EQUAL("text/csv; charset=utf-8", std::string(first.header("Content-Type")).c_str());
    const std::string link(first.header("Link"));
    const std::string begin = "</api/devices/dev/readings?format=csv&limit=2&channel=t&after=";
    CHECK_TRUE(link.starts_with(begin));
    STRCMP_CONTAINS(">; rel=\"next\"", link.c_str());
    const http::Response second = get(link.substr(1, link.find('>') - 1));
    STRCMP_CONTAINS("\r\n3,", second.body.c_str());
    CHECK_TRUE(second.header("Link").empty());
}

TEST(Routes, only_get_and_head_are_taken) {
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
        const http::Response response = get("/api/node", method);
        LONGS_EQUAL(405, response.status);
        STRCMP_EQUAL("GET, HEAD", std::string(response.header("Allow")).c_str());
    }
    LONGS_EQUAL(200, get("/api/devices", "HEAD").status);
}

TEST(Routes, a_node_that_is_not_ready_says_why) {
    node.not_ready = "the journal cannot be written: full";
    is(503, "the journal cannot be written: full\n", "/readyz");
    is(200, "ok\n", "/healthz");
}

TEST(Routes, a_websocket_that_is_not_asked_for_is_426) {
    for (const char* path : {"/v1/uplink", "/v1/push", "/v1/live"}) {
        const http::Response response = get(std::string(path) + "?x=1");
        LONGS_EQUAL(426, response.status);
        STRCMP_EQUAL("websocket", std::string(response.header("Upgrade")).c_str());
        CHECK_TRUE(response.body.starts_with(path));
    }
}

TEST(Routes, answers_are_neither_kept_nor_guessed_at) {
    const http::Response response = get("/api/node/words");
    STRCMP_EQUAL("no-store", std::string(response.header("Cache-Control")).c_str());
    STRCMP_EQUAL("nosniff", std::string(response.header("X-Content-Type-Options")).c_str());
    STRCMP_EQUAL("application/json", std::string(response.header("Content-Type")).c_str());
}

TEST(Routes, the_page_is_sent_once) {
    const http::Response page = get("/");
    LONGS_EQUAL(200, page.status);
    STRCMP_CONTAINS("default-src 'self'",
                    std::string(page.header("Content-Security-Policy")).c_str());
    http::Request again;
    again.method = "GET";
    again.target = "/";
    again.headers = {{"If-None-Match", std::string(page.header("ETag"))}};
    responses.clear();
    answer(node, again, *http::parse_target("/"),
           [this](http::Response response) { responses.push_back(std::move(response)); });
    LONGS_EQUAL(304, responses.front().status);
    CHECK_TRUE(responses.front().body.empty());
}
