#include "firmware/sockjs/route.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast::sockjs;

TEST_GROUP(SockjsRoute){static bool nothing(const char* target){return !route(target, "/s");
}
static bool receives(const char* target, Transport transport) {
    const auto found = route(target, "/s");
    return found && found->endpoint == Endpoint::receive && found->transport == transport;
}
static bool is(const char* target, Endpoint endpoint) {
    const auto found = route(target, "/s");
    return found && found->endpoint == endpoint;
}
}
;

TEST(SockjsRoute, every_address_of_the_protocol_is_known) {
    CHECK(is("/s", Endpoint::greeting));
    CHECK(is("/s/", Endpoint::greeting));
    CHECK(is("/s?x", Endpoint::greeting));
    CHECK(is("/s/info?t=1", Endpoint::info));
    CHECK(is("/s/iframe.html", Endpoint::iframe));
    CHECK(is("/s/iframe-0.1.2abc-dirty.2144.html?t=1", Endpoint::iframe));
    CHECK(is("/s/0/a/xhr_send", Endpoint::xhr_send));
    CHECK(is("/s/0/a/jsonp_send", Endpoint::jsonp_send));
    CHECK(receives("/s/websocket", Transport::raw_websocket));
    CHECK(receives("/s/0/a/websocket", Transport::websocket));
    CHECK(receives("/s/0/a/xhr", Transport::xhr));
    CHECK(receives("/s/0/a/xhr_streaming", Transport::xhr_streaming));
    CHECK(receives("/s/0/a/eventsource", Transport::eventsource));
    CHECK(receives("/s/0/a/htmlfile?c=x", Transport::htmlfile));
    CHECK(receives("/s/0/a/jsonp?c=x", Transport::jsonp));
}

TEST(SockjsRoute, all_else_is_nothing) {
    for (const char* target : {"",
                               "/",
                               "/t",
                               "/sx",
                               "/s//",
                               "/s///",
                               "/s/a",
                               "/s/a.html",
                               "/s/a/a",
                               "/s/a/a/",
                               "/s/a/",
                               "/s//a/xhr",
                               "/s/a//xhr",
                               "/s/a./a/xhr",
                               "/s/a/a./xhr",
                               "/s/./.",
                               "/s/a/a/xhr/",
                               "/s/a/a/XHR",
                               "/s/a/a/a/xhr",
                               "/s/xhr",
                               "/s/iframe.htm",
                               "/s/iframe",
                               "/s/IFRAME.HTML",
                               "/s/iframe.HTML",
                               "/s/iframe-/.html",
                               "/s/iframehtml"}) {
        CHECK(nothing(target));
    }
}

TEST(SockjsRoute, the_session_is_named_by_the_second_part_alone) {
    const std::string target = "/s/abc%20/d-e%20f/xhr?g=/h/i/xhr";
    const auto found = route(target, "/s");
    CHECK(found && found->session == "d-e%20f");
}

TEST(SockjsRoute, parameters_are_found_where_they_are) {
    CHECK(parameter("c=x", "c") == "x");
    CHECK(parameter("a=b&c=x=y&c=z", "c") == "x=y");
    CHECK(parameter("a=b&c", "c") == "");
    CHECK(!parameter("cc=x&d=c", "c"));
    CHECK(!parameter("", "c"));
    CHECK(query_of("/a?b=c?d") == "b=c?d");
    CHECK(query_of("/a") == "");
}
