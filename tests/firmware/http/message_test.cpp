#include "firmware/http/message.h"

#include <CppUTest/TestHarness.h>

namespace holdfast::http {

TEST_GROUP(Message){};

TEST(Message, header_names_compare_without_case_and_the_first_counts) {
    Request request;
    request.headers = {{"X-One", "1"}, {"x-one", "2"}, {"Other", "3"}};
    CHECK_TRUE(request.header("X-ONE") == "1");
    LONGS_EQUAL(2, request.count("x-One"));
    CHECK_TRUE(request.header("absent").empty());
    LONGS_EQUAL(0, request.count("absent"));
}

TEST(Message, tokens_of_all_headers_of_a_name_are_found) {
    Response response;
    response.headers = {{"Connection", "keep-alive ,"}, {"connection", "\tUpGrade "}};
    CHECK_TRUE(response.has_token("Connection", "upgrade"));
    CHECK_TRUE(response.has_token("Connection", "Keep-Alive"));
    CHECK_FALSE(response.has_token("Connection", "keep"));
    CHECK_FALSE(response.has_token("Connection", ""));
}

TEST(Message, if_none_match_compares_weakly_in_lists_and_by_an_asterisk) {
    const auto has = [](const std::vector<std::string>& values) {
        Request request;
        for (const std::string& value : values) {
            request.headers.emplace_back("if-none-match", value);
        }
        return request.has_entity("\"aB\"");
    };
    for (const char* value :
         {"\"aB\"", "W/\"aB\"", " W/\"aB\"\t", "\"x\", \"aB\"", "W/\"x\",,W/\"aB\", \"y\"",
          "\"x,y\",\"aB\"", "*", " * ", "\"aB\", junk"}) {
        CHECK_TRUE_TEXT(has({value}), value);
    }
    for (const char* value : {"", "\"x\"", "aB", "\"ab\"", "\"aB", "w/\"aB\"", "W/", "W/*", "**",
                              "\"x, \"aB\"", "\"*\"", "\"\""}) {
        CHECK_FALSE_TEXT(has({value}), value);
    }
    CHECK_FALSE(has({}));
    CHECK_TRUE(has({"\"x\"", "\"aB\""}));
}

TEST_GROUP(ToWire){};

TEST(ToWire, adds_length_and_connection) {
    Response response;
    response.headers = {{"Content-Type", "text/plain"}};
    response.body = "hello";
    STRCMP_EQUAL(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        "Connection: keep-alive\r\n\r\nhello",
        to_wire(response).c_str());
    response.keep_alive = false;
    STRCMP_EQUAL(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        "Connection: close\r\n\r\n",
        to_wire(response, true).c_str());
}

TEST(ToWire, bodiless_statuses_have_neither_length_nor_body) {
    for (const int status : {101, 204, 304}) {
        Response response;
        response.status = status;
        response.body = "never";
        const std::string wire = to_wire(response);
        CHECK_TRUE(wire.find("Content-Length") == std::string::npos);
        CHECK_TRUE(wire.ends_with("\r\n\r\n"));
    }
}

TEST(ToWire, has_one_length_even_if_the_caller_gave_another) {
    Response response;
    response.headers = {{"content-length", "99"}};
    const std::string wire = to_wire(response);
    CHECK_TRUE(wire.find("99") == std::string::npos);
    CHECK_TRUE(wire.find("Content-Length: 0\r\n") != std::string::npos);
}

TEST(ToWire, value_cannot_begin_another_header) {
    Response response;
    response.headers = {{"X", "1\r\nSet-Cookie: a"}, {std::string("Y\n"), std::string("\0", 1)}};
    CHECK_TRUE(to_wire(response).find("X: 1  Set-Cookie: a\r\nY :  \r\n") != std::string::npos);
}

TEST(ToWire, is_what_the_reader_reads) {
    Response response;
    response.status = 404;
    response.headers = {{"Content-Type", "text/plain"}};
    response.body = "no such device";
    const std::string wire = to_wire(response);
    ByteView bytes = as_bytes(wire);
    ResponseReader reader;
    const auto read = reader.next(bytes);
    LONGS_EQUAL(404, (*read)->status);
    CHECK_TRUE((*read)->body == response.body);
    CHECK_TRUE((*read)->keep_alive);
    CHECK_TRUE(reason_phrase(404) == "Not Found");
}

}  // namespace holdfast::http
