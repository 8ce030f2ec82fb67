#include <CppUTest/TestHarness.h>

#include "firmware/websocket/handshake.h"
#include "tests/firmware/websocket/support.h"

// RFC 6455, Section 4.1.
namespace holdfast::websocket {
namespace {

constexpr std::string_view kNonce = "the sample nonce";

ClientHandshake handshake(ClientOffer offer = {}) {
    FixedEntropy entropy(to_bytes(kNonce));
    offer.host = "server.example.com";
    offer.target = "/chat?a=1";
    return ClientHandshake(std::move(offer), entropy);
}

http::Response good() {
    http::Response response;
    response.status = 101;
    response.headers = {{"Upgrade", "websocket"},
                        {"Connection", "Upgrade"},
                        {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};
    return response;
}

http::Response with(std::string_view name, std::string value) {
    http::Response response = good();
    std::erase_if(response.headers, [name](const auto& header) { return header.first == name; });
    response.headers.emplace_back(name, std::move(value));
    return response;
}

http::Response without(std::string_view name) {
    http::Response response = good();
    std::erase_if(response.headers, [name](const auto& header) { return header.first == name; });
    return response;
}

bool is_invalid(const http::Response& response, ClientOffer offer = {}) {
    const auto agreed = handshake(std::move(offer)).check(response);
    return !agreed && agreed.error().code == ErrorCode::invalid;
}

ErrorCode refused_as(int status) {
    http::Response response;
    response.status = status;
    return handshake().check(response).error().code;
}

}  // namespace

TEST_GROUP(ClientHandshake){};

TEST(ClientHandshake, request_is_that_of_the_rfc) {
    const ClientHandshake sent = handshake({.protocols = {"holdfast.v2", "holdfast.v1"},
                                            .deflate = {.enabled = true},
                                            .headers = {{"Authorization", "Bearer x"}}});
    STRCMP_EQUAL(
        "GET /chat?a=1 HTTP/1.1\r\n"
        "Host: server.example.com\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: holdfast.v2, holdfast.v1\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        "client_no_context_takeover; client_max_window_bits\r\n"
        "Authorization: Bearer x\r\n\r\n",
        sent.request().c_str());
}

TEST(ClientHandshake, header_value_cannot_begin_another_header) {
    const std::string request =
        handshake({.headers = {{"Authorization", "Bearer x\r\nEvil: 1"}}}).request();
    CHECK_TRUE(request.find("\r\nEvil") == std::string::npos);
}

TEST(ClientHandshake, our_own_server_accepts_it) {
    const ClientHandshake sent = handshake({.protocols = {"holdfast.v1"}});
    const std::string bytes = sent.request();
    ByteView view = as_bytes(bytes);
    http::RequestReader reader;
    const auto request = reader.next(view);
    const ServerAnswer result = answer(**request, {.protocols = {"holdfast.v1"}});
    CHECK_TRUE(result.accepted);
    STRCMP_EQUAL("holdfast.v1", sent.check(result.response)->protocol.c_str());
}

TEST(ClientHandshake, right_answer_without_subprotocol_agrees_on_none) {
    const auto agreed = handshake({.protocols = {"a"}}).check(good());
    CHECK_TRUE(agreed.has_value());
    STRCMP_EQUAL("", agreed->protocol.c_str());
    CHECK_FALSE(agreed->deflate.has_value());
}

TEST(ClientHandshake, wrong_upgrade_connection_or_accept_is_invalid) {
    CHECK_TRUE(is_invalid(without("Upgrade")));
    CHECK_TRUE(is_invalid(with("Upgrade", "h2c")));
    CHECK_TRUE(is_invalid(without("Connection")));
    CHECK_TRUE(is_invalid(with("Connection", "keep-alive")));
    CHECK_TRUE(is_invalid(without("Sec-WebSocket-Accept")));
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Accept", "S3PPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    http::Response twice = good();
    twice.headers.emplace_back("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK_TRUE(is_invalid(twice));
    CHECK_TRUE(handshake().check(with("Upgrade", "WebSocket")).has_value());
    CHECK_TRUE(handshake().check(with("Connection", "keep-alive, upgrade")).has_value());
}

TEST(ClientHandshake, subprotocol_must_be_one_of_the_offered) {
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Protocol", "a")));
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Protocol", "b"), {.protocols = {"a"}}));
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Protocol", "A"), {.protocols = {"a"}}));
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Protocol", "a, b"), {.protocols = {"a", "b"}}));
    http::Response twice = with("Sec-WebSocket-Protocol", "a");
    twice.headers.emplace_back("Sec-WebSocket-Protocol", "b");
    CHECK_TRUE(is_invalid(twice, {.protocols = {"a", "b"}}));
    STRCMP_EQUAL("b", handshake({.protocols = {"a", "b"}})
                          .check(with("Sec-WebSocket-Protocol", "b"))
                          ->protocol.c_str());
}

TEST(ClientHandshake, extension_must_be_one_that_was_offered) {
    const ClientOffer offer{.deflate = {.enabled = true}};
    const std::string_view right =
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=10";
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Extensions", std::string(right))));
    CHECK_TRUE(is_invalid(with("Sec-WebSocket-Extensions", "x"), offer));
    const auto agreed =
        handshake(offer).check(with("Sec-WebSocket-Extensions", std::string(right)));
    CHECK_TRUE(
        (agreed->deflate == DeflateAgreement{.send = {.window_bits = 10},
                                             .receive = {},
                                             .threshold_bytes = offer.deflate.threshold_bytes}));
    http::Response twice = with("Sec-WebSocket-Extensions", std::string(right));
    twice.headers.emplace_back("Sec-WebSocket-Extensions", right);
    CHECK_TRUE(is_invalid(twice, offer));
    CHECK_FALSE(handshake(offer).check(good())->deflate.has_value());
}

TEST(ClientHandshake, refusals_are_told_apart) {
    CHECK_TRUE(refused_as(401) == ErrorCode::unauthorized);
    CHECK_TRUE(refused_as(403) == ErrorCode::refused);
    for (const int status : {200, 301, 400, 404, 426, 502, 503}) {
        CHECK_TRUE(refused_as(status) == ErrorCode::unsupported);
    }
}

TEST(ClientHandshake, refusal_names_the_status_and_the_servers_words) {
    http::Response response;
    response.status = 401;
    response.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
    response.body = "token revoked";
    STRCMP_EQUAL("the server answered 401 Unauthorized: token revoked",
                 handshake().check(response).error().message.c_str());
}

TEST(ClientHandshake, refusal_does_not_repeat_where_a_redirection_leads) {
    http::Response response;
    response.status = 302;
    response.headers = {{"Content-Type", "text/plain"}};
    response.body = "Found. Redirecting to http://portal.test/login?token=1";
    STRCMP_EQUAL("the server answered 302 Found",
                 handshake().check(response).error().message.c_str());
}

TEST(ClientHandshake, refusal_does_not_repeat_what_the_request_held) {
    const ClientHandshake sent = handshake({.headers = {{"Authorization", "Bearer s3cret-token"}}});
    http::Response response;
    response.status = 400;
    response.headers = {{"Content-Type", "text/plain"}};
    for (const std::string& body :
         {sent.request(), std::string("authorization=s3cret-token"), std::string("got s3cret-t"),
          std::string("Sec-WebSocket-Key dGhlIHNhbXBsZSBub25jZQ== is strange")}) {
        response.body = body;
        STRCMP_EQUAL("the server answered 400 Bad Request",
                     sent.check(response).error().message.c_str());
    }
    response.body = " \r\nno s3cret here\n";
    STRCMP_EQUAL("the server answered 400 Bad Request: no s3cret here",
                 sent.check(response).error().message.c_str());
    response.body = "\n";
    STRCMP_EQUAL("the server answered 400 Bad Request",
                 sent.check(response).error().message.c_str());
}

}  // namespace holdfast::websocket
