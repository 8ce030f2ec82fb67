#include "firmware/sockjs/response_stream.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::sockjs;

namespace {

constexpr std::size_t kHead = 256;

/// "200 body" once it is whole, "200 body…" before, "invalid" or "too large"; fed in pieces.
std::string read(std::string_view text, std::size_t piece, bool end = false) {
    ResponseStream stream(kHead);
    std::string body;
    bool whole = false;
    while (!text.empty() && !whole) {
        ByteView bytes = as_bytes(text.substr(0, piece));
        const std::size_t size = bytes.size();
        const Result<bool> fed = stream.feed(bytes, body);
        if (!fed) {
            return fed.error().code == ErrorCode::invalid ? "invalid" : "too large";
        }
        whole = *fed;
        text.remove_prefix(size - bytes.size());
    }
    if (end && !whole) {
        const Result<void> finished = stream.finish();
        return finished ? std::to_string(stream.status()) + " " + body + " end" : "closed";
    }
    return std::to_string(stream.status()) + " " + body + (whole ? "" : "…") +
           (whole && stream.keep_alive() ? " keep" : "") +
           (text.empty() ? "" : " +" + std::string(text));
}

}  // namespace

TEST_GROUP(SockjsResponseStream){
    static void expect(const char* expected, const std::string& text, bool end = false){
        for (std::size_t piece = 1; piece <= text.size();
             ++piece){STRCMP_EQUAL(expected, read(text, piece, end).c_str());
}
}
}
;

TEST(SockjsResponseStream, bodies_with_a_length) {
    expect("200 abc keep", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    expect("200 ab…", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
    expect("closed", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", true);
    expect("204  keep", "HTTP/1.1 204 No Content\r\n\r\n");
    expect("200 abc", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
}

TEST(SockjsResponseStream, bodies_in_chunks_come_as_they_are_sent) {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect("200 abcdefghijkl keep", head + "6\r\nabcdef\r\n6;x=y\r\nghijkl\r\n0\r\n\r\n");
    expect("closed", head + "6\r\nabcdef\r\n", true);
    ResponseStream stream(kHead);
    std::string body;
    const std::string first = head + "801\r\n" + std::string(2048, 'h') + "\n\r\n2\r\no\n\r\n";
    ByteView bytes = as_bytes(first);
    CHECK(!stream.feed(bytes, body).value());
    CHECK(body.ends_with("h\no\n"));
}

TEST(SockjsResponseStream, bodies_that_end_with_the_connection) {
    expect("200 abc end", "HTTP/1.0 200 OK\r\n\r\nabc", true);
    expect("200 abc…", "HTTP/1.1 200 OK\r\n\r\nabc");
}

TEST(SockjsResponseStream, what_follows_a_response_is_left) {
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404";
    STRCMP_EQUAL("200 a keep +HTTP/1.1 404", read(text, text.size()).c_str());
}

TEST(SockjsResponseStream, interim_responses_are_passed_over) {
    expect("200 a keep",
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
}

TEST(SockjsResponseStream, the_header_that_is_wanted_is_noted_and_no_other) {
    const auto noted = [](const std::string& name, const std::string& head) {
        ResponseStream stream(kHead, name);
        ByteView bytes = as_bytes(head);
        std::string body;
        CHECK(stream.feed(bytes, body).has_value());
        return std::string(stream.noted());
    };
    const std::string head = "HTTP/1.1 200 OK\r\nX-Other: o\r\nx-one:  a \r\nX-One: b\r\n\r\n";
    STRCMP_EQUAL("a", noted("X-One", head).c_str());
    STRCMP_EQUAL("", noted("X-Two", head).c_str());
    STRCMP_EQUAL("", noted("", head).c_str());
    STRCMP_EQUAL("", noted("X-One", head.substr(0, head.size() - 2)).c_str());
    STRCMP_EQUAL("", noted("X-One",
                           "HTTP/1.1 100 Continue\r\nX-One: a\r\n\r\n"
                           "HTTP/1.1 200 OK\r\n\r\n")
                         .c_str());
}

TEST(SockjsResponseStream, what_is_no_http_is_invalid) {
    expect("invalid", "<html>");
    expect("invalid", "HTTP/1.1 abc\r\n\r\n");
    expect("invalid", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabcdef\r\n");
    expect("invalid", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc");
}

TEST(SockjsResponseStream, heads_and_what_surrounds_chunks_are_limited) {
    const std::string begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
    const std::string fits(kHead - begin.size() - 4, 'x');
    STRCMP_EQUAL("200  keep", read(begin + fits + "\r\n\r\n", 10).c_str());
    STRCMP_EQUAL("too large", read(begin + fits + "x\r\n\r\n", 10).c_str());
    STRCMP_EQUAL("too large", read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=" +
                                       std::string(2 * kHead, 'x'),
                                   10)
                                  .c_str());
}
