#include "firmware/sockjs/pages.h"

#include <set>

#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;

TEST_GROUP(SockjsPages) {
    Desk desk;

    static bool is_cors(const http::Response& response, std::string_view origin) {
        return response.header("Access-Control-Allow-Origin") == origin &&
               response.header("Access-Control-Allow-Credentials") == "true";
    }
};

TEST(SockjsPages, dates_are_those_of_http) {
    STRCMP_EQUAL("Sun, 06 Nov 1994 08:49:37 GMT",
                 http_date(WallTime(std::chrono::seconds(784'111'777))).c_str());
    STRCMP_EQUAL("Thu, 01 Jan 1970 00:00:00 GMT", http_date(WallTime()).c_str());
}

TEST(SockjsPages, the_greeting_is_exact) {
    for (const char* target : {"/s", "/s/"}) {
        const http::Response response = desk.get(target);
        LONGS_EQUAL(200, response.status);
        STRCMP_EQUAL("Welcome to SockJS!\n", response.body.c_str());
        CHECK(response.header("Content-Type") == "text/plain; charset=UTF-8");
        LONGS_EQUAL(0, response.count("Set-Cookie"));
    }
}

TEST(SockjsPages, head_is_answered_without_a_body) {
    desk.ask(1, make_request("HEAD", "/s"));
    const std::string text = desk.take(1);
    CHECK(text.find("Content-Length: 19\r\n") != std::string::npos);
    CHECK(text.ends_with("\r\n\r\n"));
}

TEST(SockjsPages, what_is_not_there_is_404_and_a_wrong_method_405) {
    LONGS_EQUAL(404, desk.get("/s/a").status);
    const http::Response response = desk.post("/s/info");
    LONGS_EQUAL(405, response.status);
    CHECK(response.header("Allow") == "OPTIONS, GET");
    LONGS_EQUAL(0, response.count("Content-Type"));
    CHECK(response.body.empty());
    CHECK(desk.get("/s/0/a/xhr").header("Allow") == "OPTIONS, POST");
    CHECK(desk.post("/s/0/a/jsonp").header("Allow") == "GET");
}

TEST(SockjsPages, info_says_what_is_configured) {
    const http::Response response = desk.get("/s/info");
    CHECK(response.header("Content-Type") == "application/json; charset=UTF-8");
    CHECK(response.header("Cache-Control") == "no-store, no-cache, must-revalidate, max-age=0");
    CHECK(is_cors(response, "*"));
    CHECK(response.body.starts_with(
        R"({"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":)"));
    Desk other;
    other.options.websocket = false;
    other.options.cookie_needed = true;
    const http::Response others = other.get("/s/info");
    CHECK(others.body.starts_with(
        R"({"websocket":false,"origins":["*:*"],"cookie_needed":true,"entropy":)"));
    LONGS_EQUAL(0, others.count("Set-Cookie"));
}

TEST(SockjsPages, entropy_is_new_each_time) {
    std::set<std::string> seen;
    for (int i = 0; i < 10; ++i) {
        seen.insert(desk.get("/s/info").body);
    }
    LONGS_EQUAL(10, seen.size());
}

TEST(SockjsPages, the_iframe_is_cached_for_a_year) {
    desk.options.client_script = "/client.js";
    const http::Response response = desk.get("/s/iframe-a.html");
    CHECK(response.body.find("<script src=\"/client.js\"></script>") != std::string::npos);
    CHECK(response.header("Cache-Control") == "public, max-age=31536000");
    CHECK(response.header("Expires") == http_date(desk.both().wall + std::chrono::days(365)));
    const std::string tag(response.header("ETag"));
    const http::Response again = desk.get("/s/iframe.html", {{"If-None-Match", "\"x\", " + tag}});
    LONGS_EQUAL(304, again.status);
    LONGS_EQUAL(0, again.count("Content-Type"));
    LONGS_EQUAL(304, desk.get("/s/iframe.html", {{"If-None-Match", "W/" + tag}}).status);
    LONGS_EQUAL(200, desk.get("/s/iframe.html", {{"If-None-Match", "\"x\""}}).status);
}

TEST(SockjsPages, a_preflight_is_cacheable_and_empty) {
    const http::Response response =
        desk.answer(make_request("OPTIONS", "/s/0/a/xhr", {{"Origin", "http://a"}}));
    LONGS_EQUAL(204, response.status);
    CHECK(is_cors(response, "http://a"));
    CHECK(response.header("Access-Control-Allow-Methods") == "OPTIONS, POST");
    CHECK(response.header("Access-Control-Max-Age") == "31536000");
    CHECK(response.header("Cache-Control") == "public, max-age=31536000");
    CHECK(response.header("Vary") == "Origin");
    LONGS_EQUAL(0, desk.server().sessions());
}

TEST(SockjsPages, the_origin_null_is_answered_with_a_star) {
    CHECK(is_cors(desk.get("/s/info", {{"Origin", "null"}}), "*"));
}

TEST(SockjsPages, asked_headers_are_allowed) {
    const auto allowed = [this](std::string asked) {
        return std::string(desk.post("/s/0/" + std::to_string(desk.events.size()) + "/xhr", "",
                                     {{"Access-Control-Request-Headers", std::move(asked)}})
                               .header("Access-Control-Allow-Headers"));
    };
    STRCMP_EQUAL("a, b", allowed("a, b").c_str());
    STRCMP_EQUAL("", allowed("").c_str());
}

TEST(SockjsPages, origins_that_are_not_allowed_are_403) {
    desk.options.allowed_origins = {"https://ops.example.com/"};
    LONGS_EQUAL(200, desk.get("/s/info").status);
    LONGS_EQUAL(200, desk.get("/s/info", {{"Origin", "https://ops.example.com"}}).status);
    LONGS_EQUAL(200, desk.get("/s/info", {{"Origin", "http://here:8081"}}).status);
    LONGS_EQUAL(403, desk.get("/s/info", {{"Origin", "http://here"}}).status);
    LONGS_EQUAL(403, desk.get("/s/info", {{"Origin", "null"}}).status);
    LONGS_EQUAL(403, desk.post("/s/0/a/xhr", "", {{"Origin", "http://evil"}}).status);
    LONGS_EQUAL(403, desk.get("/s/0/a/jsonp?c=x", {{"Sec-Fetch-Site", "cross-site"}}).status);
    LONGS_EQUAL(200, desk.get("/s/0/a/jsonp?c=x", {{"Sec-Fetch-Site", "same-origin"}}).status);
    LONGS_EQUAL(200, desk.get("/s/iframe.html", {{"Sec-Fetch-Site", "cross-site"}}).status);
}

TEST(SockjsPages, cookies_are_echoed_where_they_are_needed) {
    LONGS_EQUAL(0, desk.post("/s/0/a/xhr").count("Set-Cookie"));
    Desk other;
    other.options.cookie_needed = true;
    CHECK(other.post("/s/0/a/xhr").header("Set-Cookie") == "JSESSIONID=dummy; path=/");
    CHECK(other.post("/s/0/b/xhr", "", {{"Cookie", "x=1; JSESSIONID=ab=c;y=2"}})
              .header("Set-Cookie") == "JSESSIONID=ab=c; path=/");
    CHECK(other.post("/s/0/c/xhr", "", {{"Cookie", "XJSESSIONID=a"}}).header("Set-Cookie") ==
          "JSESSIONID=dummy; path=/");
}
