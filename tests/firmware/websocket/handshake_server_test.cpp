#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/websocket/handshake.h"

// RFC 6455, Sections 1.3 and 4.2.
namespace holdfast::websocket {
namespace {

http::Request good() {
    http::Request request;
    request.method = "GET";
    request.target = "/chat";
    request.headers = {{"Host", "server.example.com"},
                       {"Upgrade", "websocket"},
                       {"Connection", "Upgrade"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"Sec-WebSocket-Version", "13"}};
    return request;
}

void remove(http::Request& request, std::string_view name) {
    std::erase_if(request.headers, [name](const auto& header) { return header.first == name; });
}

http::Request with(std::string name, std::string value) {
    http::Request request = good();
    remove(request, name);
    request.headers.emplace_back(std::move(name), std::move(value));
    return request;
}

http::Request without(std::string_view name) {
    http::Request request = good();
    remove(request, name);
    return request;
}

http::Request twice(const std::string& name) {
    http::Request request = good();
    request.headers.emplace_back(name, std::string(request.header(name)));
    return request;
}

int status(const http::Request& request, const ServerPolicy& policy = {}) {
    const ServerAnswer result = answer(request, policy);
    CHECK_EQUAL(result.response.status == 101, result.accepted);
    return result.response.status;
}

std::string protocol(const http::Request& request, const ServerPolicy& policy) {
    const ServerAnswer result = answer(request, policy);
    CHECK_TRUE(result.accepted);
    STRCMP_EQUAL(result.protocol.c_str(),
                 std::string(result.response.header("Sec-WebSocket-Protocol")).c_str());
    return result.protocol;
}

}  // namespace

TEST_GROUP(ServerHandshake){};

TEST(ServerHandshake, accept_key_is_that_of_section_1_3) {
    STRCMP_EQUAL("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept_key("dGhlIHNhbXBsZSBub25jZQ==").c_str());
}

TEST(ServerHandshake, right_request_is_accepted) {
    const ServerAnswer result = answer(good(), {});
    CHECK_TRUE(result.accepted);
    LONGS_EQUAL(101, result.response.status);
    STRCMP_EQUAL(
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        http::to_wire(result.response).c_str());
}

TEST(ServerHandshake, names_and_tokens_compare_without_case) {
    http::Request request = good();
    request.headers = {{"HOST", "server.example.com"},
                       {"upgrade", "WebSocket"},
                       {"CONNECTION", "keep-alive, uPgRaDe"},
                       {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"SEC-WEBSOCKET-VERSION", "13"}};
    LONGS_EQUAL(101, status(request));
}

TEST(ServerHandshake, methods_other_than_get_are_405) {
    for (const char* method : {"POST", "PUT", "HEAD", "OPTIONS", "get"}) {
        http::Request request = good();
        request.method = method;
        LONGS_EQUAL(405, status(request));
        STRCMP_EQUAL("GET", std::string(answer(request, {}).response.header("Allow")).c_str());
    }
}

TEST(ServerHandshake, http_1_0_is_400) {
    http::Request request = good();
    request.version = 10;
    LONGS_EQUAL(400, status(request));
}

TEST(ServerHandshake, host_must_be_there_once) {
    LONGS_EQUAL(400, status(without("Host")));
    LONGS_EQUAL(400, status(twice("Host")));
}

TEST(ServerHandshake, missing_upgrade_is_426_and_missing_connection_400) {
    LONGS_EQUAL(426, status(without("Upgrade")));
    LONGS_EQUAL(426, status(with("Upgrade", "h2c")));
    LONGS_EQUAL(400, status(without("Connection")));
    LONGS_EQUAL(400, status(with("Connection", "keep-alive")));
    CHECK_FALSE(wants_websocket(without("Upgrade")));
    CHECK_TRUE(wants_websocket(with("Upgrade", "h2c, websocket")));
}

TEST(ServerHandshake, version_other_than_13_is_426_and_told) {
    for (const auto& request :
         {without("Sec-WebSocket-Version"), with("Sec-WebSocket-Version", "8"),
          with("Sec-WebSocket-Version", "14"), twice("Sec-WebSocket-Version")}) {
        const ServerAnswer result = answer(request, {});
        LONGS_EQUAL(426, result.response.status);
        STRCMP_EQUAL("13", std::string(result.response.header("Sec-WebSocket-Version")).c_str());
    }
}

TEST(ServerHandshake, key_must_be_16_bytes_in_base64_given_once) {
    LONGS_EQUAL(400, status(without("Sec-WebSocket-Key")));
    LONGS_EQUAL(400, status(twice("Sec-WebSocket-Key")));
    for (const char* key :
         {"", "x", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA=", "dGhlIHNhbXBsZSBub25jZQ",
          "dGhlIHNhbXBsZSBub25j*Q==", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="}) {
        LONGS_EQUAL(400, status(with("Sec-WebSocket-Key", key)));
    }
    LONGS_EQUAL(101, status(with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")));
}

TEST(ServerHandshake, the_servers_order_of_preference_chooses_the_subprotocol) {
    const ServerPolicy policy{.protocols = {"holdfast.v2", "holdfast.v1"}};
    const auto offers = [](std::string value) { return with("Sec-WebSocket-Protocol", value); };
    STRCMP_EQUAL("holdfast.v2", protocol(offers("holdfast.v1, holdfast.v2"), policy).c_str());
    STRCMP_EQUAL("holdfast.v1", protocol(offers("other,holdfast.v1"), policy).c_str());
    STRCMP_EQUAL("", protocol(offers("other"), policy).c_str());
    STRCMP_EQUAL("", protocol(offers("HOLDFAST.V1"), policy).c_str());
    STRCMP_EQUAL("", protocol(good(), policy).c_str());
    STRCMP_EQUAL("", protocol(offers("holdfast.v1"), {}).c_str());
    http::Request two_headers = offers("other");
    two_headers.headers.emplace_back("Sec-WebSocket-Protocol", "holdfast.v1");
    STRCMP_EQUAL("holdfast.v1", protocol(two_headers, policy).c_str());
}

TEST(ServerHandshake, required_subprotocol_that_is_not_offered_is_400) {
    const ServerPolicy policy{.protocols = {"holdfast.v1"}, .protocol_required = true};
    LONGS_EQUAL(400, status(good(), policy));
    LONGS_EQUAL(400, status(with("Sec-WebSocket-Protocol", "other"), policy));
    LONGS_EQUAL(101, status(with("Sec-WebSocket-Protocol", "holdfast.v1"), policy));
}

TEST(ServerHandshake, malformed_subprotocol_is_400) {
    LONGS_EQUAL(400, status(with("Sec-WebSocket-Protocol", "holdfast v1")));
    LONGS_EQUAL(400, status(with("Sec-WebSocket-Protocol", "a/b")));
}

TEST(ServerHandshake, foreign_origin_is_403) {
    const ServerPolicy policy{.allowed_origins = {"https://ops.example.com/"}};
    LONGS_EQUAL(403, status(with("Origin", "https://evil.example.com"), policy));
    LONGS_EQUAL(403, status(with("Origin", "https://ops.example.com.evil.com"), policy));
    LONGS_EQUAL(403, status(with("Origin", "http://ops.example.com"), policy));
    LONGS_EQUAL(403, status(with("Origin", "null"), policy));
    LONGS_EQUAL(403, status(with("Origin", ""), policy));
    http::Request two = with("Origin", "https://ops.example.com");
    two.headers.emplace_back("Origin", "https://evil.example.com");
    LONGS_EQUAL(403, status(two, policy));
}

TEST(ServerHandshake, allowed_and_absent_origins_pass) {
    const ServerPolicy policy{.allowed_origins = {"https://ops.example.com/"}};
    LONGS_EQUAL(101, status(good(), policy));
    LONGS_EQUAL(101, status(with("Origin", "https://ops.example.com"), policy));
    LONGS_EQUAL(101, status(with("Origin", "HTTPS://OPS.example.com"), policy));
    LONGS_EQUAL(101, status(with("Origin", "null"), {.allowed_origins = {"*"}}));
}

TEST(ServerHandshake, same_origin_passes_unless_it_is_forbidden) {
    const ServerPolicy strict{.allow_same_origin = false};
    LONGS_EQUAL(101, status(with("Origin", "http://server.example.com")));
    LONGS_EQUAL(101, status(with("Origin", "https://Server.example.com")));
    LONGS_EQUAL(403, status(with("Origin", "http://server.example.com"), strict));
    LONGS_EQUAL(403, status(with("Origin", "http://server.example.com:8080")));
    LONGS_EQUAL(403, status(with("Origin", "ftp://server.example.com")));
    http::Request request = with("Host", "127.0.0.1:8080");
    request.headers.emplace_back("Origin", "http://127.0.0.1:8080");
    LONGS_EQUAL(101, status(request));
    request = with("Host", "server.example.com:443");
    request.headers.emplace_back("Origin", "https://server.example.com");
    LONGS_EQUAL(101, status(request));
}

TEST(ServerHandshake, extensions_are_answered_where_the_policy_says_so) {
    http::Request request = with("Sec-WebSocket-Extensions", "permessage-deflate; a=1");
    request.headers.emplace_back("Sec-WebSocket-Extensions", "x, permessage-deflate");
    const ServerAnswer without_deflate = answer(request, {});
    CHECK_FALSE(without_deflate.deflate.has_value());
    LONGS_EQUAL(0, without_deflate.response.count("Sec-WebSocket-Extensions"));
    const ServerAnswer result = answer(request, {.deflate = {.enabled = true}});
    CHECK_TRUE(result.deflate.has_value());
    STRCMP_EQUAL("permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                 std::string(result.response.header("Sec-WebSocket-Extensions")).c_str());
}

TEST(ServerHandshake, refusal_ends_the_connection_and_says_why) {
    const ServerAnswer result = answer(without("Connection"), {});
    CHECK_FALSE(result.response.keep_alive);
    CHECK_FALSE(result.response.body.empty());
}

}  // namespace holdfast::websocket
