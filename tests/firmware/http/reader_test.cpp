#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/http/message.h"

namespace holdfast::http {
namespace {

struct Read {
    std::vector<Request> requests;
    std::optional<ErrorCode> error;
    std::string error_message;
    std::string left;
    bool idle = false;
};

/// Stops after a request for a WebSocket, as a caller would.
Read read(std::string_view text, const std::vector<std::size_t>& cuts, const Limits& limits) {
    Read result;
    RequestReader reader(limits);
    std::size_t begin = 0;
    std::vector<std::size_t> ends = cuts;
    ends.push_back(text.size());
    for (const std::size_t end : ends) {
        // Memory of its own, so that a byte read past its end is found by the sanitizer.
        const std::string piece(text.substr(begin, end - begin));
        ByteView bytes = as_bytes(piece);
        begin = end;
        while (true) {
            auto request = reader.next(bytes);
            if (!request) {
                result.error = request.error().code;
                result.error_message = request.error().message;
                return result;
            }
            if (!*request) {
                CHECK_TRUE(bytes.empty());
                break;
            }
            result.requests.push_back(std::move(**request));
            if (result.requests.back().has_token("Upgrade", "websocket")) {
                result.left = std::string(as_text(bytes)) + std::string(text.substr(end));
                return result;
            }
        }
    }
    result.idle = reader.idle();
    return result;
}

bool same(const Read& a, const Read& b) {
    bool equal = a.error == b.error && a.left == b.left && a.idle == b.idle &&
                 a.requests.size() == b.requests.size();
    for (std::size_t i = 0; equal && i < a.requests.size(); ++i) {
        const Request& x = a.requests[i];
        const Request& y = b.requests[i];
        equal = x.method == y.method && x.target == y.target && x.version == y.version &&
                x.headers == y.headers && x.body == y.body && x.keep_alive == y.keep_alive;
    }
    return equal;
}

/// Whole, byte by byte, and split at each place: always the same.
Read read_every_way(std::string_view text, const Limits& limits = {}) {
    const Read whole = read(text, {}, limits);
    std::vector<std::size_t> every;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        every.push_back(cut);
        if (!same(whole, read(text, {cut}, limits))) {
            FAIL(("differs when cut at " + std::to_string(cut)).c_str());
        }
    }
    CHECK_TRUE(same(whole, read(text, every, limits)));
    return whole;
}

bool is_invalid(const std::string& text) {
    return read_every_way(text).error == ErrorCode::invalid;
}

std::string get(const std::string& headers) {
    return "GET / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

std::string post(const std::string& headers, const std::string& body) {
    return "POST /p HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n" + body;
}

}  // namespace

TEST_GROUP(RequestReader){};

TEST(RequestReader, takes_a_request_apart) {
    const Read result =
        read_every_way("GET /a?b=%20 HTTP/1.1\r\nHost: h\r\nX: 1\r\nx:  2 \r\n\r\n");
    LONGS_EQUAL(1, result.requests.size());
    const Request& request = result.requests[0];
    CHECK_TRUE(request.method == "GET");
    CHECK_TRUE(request.target == "/a?b=%20");
    LONGS_EQUAL(11, request.version);
    CHECK_TRUE((request.headers == std::vector<std::pair<std::string, std::string>>{
                                       {"Host", "h"}, {"X", "1"}, {"x", "2"}}));
    CHECK_TRUE(request.keep_alive);
    CHECK_TRUE(result.idle);
}

TEST(RequestReader, is_idle_only_between_requests) {
    const std::string text = post("Content-Length: 2\r\n", "ab");
    for (std::size_t size = 0; size <= text.size(); ++size) {
        CHECK_EQUAL(size == 0 || size == text.size(), read(text.substr(0, size), {}, {}).idle);
    }
}

TEST(RequestReader, pipelined_requests_come_one_after_the_other) {
    const Read result =
        read_every_way(get("") + post("Content-Length: 3\r\n", "abc") +
                       post("Transfer-Encoding: chunked\r\n", "2\r\nde\r\n0\r\n\r\n") +
                       get("Connection: close\r\n"));
    LONGS_EQUAL(4, result.requests.size());
    CHECK_TRUE(result.requests[1].body == "abc");
    CHECK_TRUE(result.requests[2].body == "de");
    CHECK_TRUE(result.requests[2].keep_alive);
    CHECK_FALSE(result.requests[3].keep_alive);
}

TEST(RequestReader, http_1_0_is_not_kept_alive_unless_asked) {
    CHECK_FALSE(read_every_way("GET / HTTP/1.0\r\n\r\n").requests.at(0).keep_alive);
    const Read asked = read_every_way("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK_TRUE(asked.requests.at(0).keep_alive);
    LONGS_EQUAL(10, asked.requests.at(0).version);
}

TEST(RequestReader, what_follows_an_upgrade_is_left) {
    const Read result =
        read_every_way(get("Upgrade: websocket\r\nConnection: Upgrade\r\n") + "\x81\x85rest");
    LONGS_EQUAL(1, result.requests.size());
    STRCMP_EQUAL("\x81\x85rest", result.left.c_str());
}

TEST(RequestReader, chunked_body_is_put_together_and_trailers_are_dropped) {
    const Read result = read_every_way(
        post("Transfer-Encoding: Chunked\r\n",
             "3;ext=1\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n"));
    LONGS_EQUAL(1, result.requests.size());
    CHECK_TRUE(result.requests[0].body == "abc0123456789");
    LONGS_EQUAL(0, result.requests[0].count("X-Trailer"));
    LONGS_EQUAL(1, result.requests[0].count("Host"));
}

TEST(RequestReader, empty_chunked_body_is_empty) {
    const Read result =
        read_every_way(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n") + get(""));
    LONGS_EQUAL(2, result.requests.size());
    CHECK_TRUE(result.requests[0].body.empty());
}

TEST(RequestReader, malformed_chunks_are_invalid) {
    for (const char* body :
         {"x\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n",
          "3 \r\nabc\r\n0\r\n\r\n", "10000000000000000\r\nabc\r\n0\r\n\r\n", "3\r\nabcXX0\r\n\r\n",
          "0\r\nbad trailer\r\n\r\n"}) {
        CHECK_TRUE(read(post("Transfer-Encoding: chunked\r\n", body), {}, {}).error.has_value());
    }
}

TEST(RequestReader, two_ways_to_find_the_end_are_refused) {
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::string length = "Content-Length: 5\r\n";
    CHECK_TRUE(is_invalid(post(length + chunked, "0\r\n\r\n")));
    CHECK_TRUE(is_invalid(post(chunked + length, "0\r\n\r\n")));
    CHECK_TRUE(is_invalid(post(length + length, "01234")));
    CHECK_TRUE(is_invalid(post(length + "Content-Length: 6\r\n", "012345")));
    CHECK_TRUE(is_invalid(post("Content-Length: 5, 5\r\n", "01234")));
    CHECK_TRUE(is_invalid(post(chunked + chunked, "0\r\n\r\n")));
    CHECK_TRUE(is_invalid(post("Transfer-Encoding: identity\r\n" + length, "01234")));
}

TEST(RequestReader, transfer_codings_other_than_chunked_are_refused) {
    for (const char* coding : {"gzip", "gzip, chunked", "identity", "chunked, identity", "xchunked",
                               "chunked, chunked", ""}) {
        CHECK_TRUE(
            is_invalid(post("Transfer-Encoding: " + std::string(coding) + "\r\n", "0\r\n\r\n")));
    }
    CHECK_TRUE(is_invalid("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}

TEST(RequestReader, malformed_heads_are_invalid) {
    for (const char* text :
         {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n X: 1\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
          "GET /\r\nHost: h\r\n\r\n", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", "\r\n\r\n", " GET / HTTP/1.1\r\n\r\n"}) {
        CHECK_TRUE(is_invalid(text));
    }
}

TEST(RequestReader, host_must_be_there_once) {
    CHECK_TRUE(is_invalid("GET / HTTP/1.1\r\n\r\n"));
    CHECK_TRUE(is_invalid(get("host: other\r\n")));
    CHECK_FALSE(is_invalid("GET / HTTP/1.0\r\n\r\n"));
}

TEST(RequestReader, what_is_not_http_is_refused_at_its_first_byte) {
    CHECK_TRUE(read("\x16\x03\x01", {}, {}).error == ErrorCode::invalid);
    CHECK_TRUE(read("\r", {}, {}).error == ErrorCode::invalid);
}

TEST(RequestReader, websocket_request_with_a_body_is_refused) {
    CHECK_TRUE(is_invalid(get("Upgrade: websocket\r\nContent-Length: 1\r\n") + "x"));
    CHECK_TRUE(is_invalid(get("Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n")));
    CHECK_FALSE(is_invalid(get("Upgrade: websocket\r\nContent-Length: 0\r\n")));
}

TEST(RequestReader, head_limit_is_exact) {
    const std::string text = get("X: " + std::string(50, 'x') + "\r\n");
    Limits limits{.head_size_bytes = text.size()};
    LONGS_EQUAL(1, read_every_way(text, limits).requests.size());
    --limits.head_size_bytes;
    const Read result = read_every_way(text, limits);
    CHECK_TRUE(result.error == ErrorCode::too_large);
    STRCMP_CONTAINS("head", result.error_message.c_str());
}

TEST(RequestReader, head_without_an_end_is_refused_at_the_limit) {
    const Limits limits{.head_size_bytes = 100};
    const std::string text = "GET /" + std::string(200, 'x');
    CHECK_TRUE(read_every_way(text.substr(0, 100), limits).error == ErrorCode::too_large);
    CHECK_FALSE(read_every_way(text.substr(0, 99), limits).error.has_value());
}

TEST(RequestReader, body_limit_is_exact_for_both_forms) {
    const Limits limits{.body_size_bytes = 10};
    CHECK_TRUE(
        read_every_way(post("Content-Length: 10\r\n", "0123456789"), limits).requests.at(0).body ==
        "0123456789");
    const Read over = read_every_way(post("Content-Length: 11\r\n", ""), limits);
    CHECK_TRUE(over.error == ErrorCode::too_large);
    STRCMP_CONTAINS("body", over.error_message.c_str());
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    CHECK_TRUE(read_every_way(post(chunked, "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"), limits)
                   .requests.at(0)
                   .body == "0123456789");
    CHECK_TRUE(
        read_every_way(post(chunked, "4\r\n0123\r\n7\r\n4567890\r\n0\r\n\r\n"), limits).error ==
        ErrorCode::too_large);
}

/// What became of a body of 11 bytes in these two pieces, where 10 are allowed, 11 or the usual 5.
std::string read_stopping(const std::string& text, std::size_t cut,
                          std::optional<std::size_t> allowed) {
    RequestReader reader({.body_size_bytes = 5, .stops_before_body = true});
    std::string seen;
    for (const std::string& piece : {text.substr(0, cut), text.substr(cut)}) {
        ByteView bytes = as_bytes(piece);
        do {
            const auto request = reader.next(bytes);
            if (!request) {
                return seen + request.error().message;
            }
            if (*request) {
                seen += (*request)->target + "=" + (*request)->body + " ";
            } else if (const Request* const head = reader.head()) {
                seen += head->method + "? ";
                CHECK_TRUE(head->body.empty());
                CHECK_FALSE(reader.idle());
                if (allowed) {
                    reader.allow_body(*allowed);
                }
            }
        } while (!bytes.empty());
    }
    return seen;
}

TEST(RequestReader, stops_before_a_body_and_takes_what_is_allowed_then) {
    const std::string get = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string empty = post("Content-Length: 0\r\n", "");
    for (const std::string& body :
         {post("Content-Length: 11\r\n", "0123456789x"),
          post("Transfer-Encoding: chunked\r\n", "4\r\n0123\r\n7\r\n456789x\r\n0\r\n\r\n")}) {
        const std::string text = empty + body + get;
        for (std::size_t cut = 1; cut < text.size(); ++cut) {
            STRCMP_EQUAL("/p= POST? /p=0123456789x /next= ", read_stopping(text, cut, 11).c_str());
            STRCMP_EQUAL("/p= POST? the body is larger than 10 bytes",
                         read_stopping(text, cut, 10).c_str());
            STRCMP_EQUAL("/p= POST? the body is larger than 5 bytes",
                         read_stopping(text, cut, std::nullopt).c_str());
        }
    }
}

TEST(RequestReader, a_body_that_is_announced_too_large_is_refused_before_it_comes) {
    RequestReader reader({.body_size_bytes = 5, .stops_before_body = true});
    const std::string head = post("Content-Length: 6\r\n", "");
    ByteView bytes = as_bytes(head);
    CHECK_FALSE(reader.next(bytes).value().has_value());
    CHECK_TRUE(bytes.empty());
    CHECK_TRUE(reader.head() != nullptr);
    CHECK_TRUE(reader.next(bytes).error().code == ErrorCode::too_large);
}

TEST(RequestReader, endless_trailers_and_chunk_extensions_are_refused) {
    const Limits limits{.head_size_bytes = 100};
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    CHECK_TRUE(read_every_way(post(chunked, "1;" + std::string(200, 'x')), limits).error ==
               ErrorCode::too_large);
    CHECK_TRUE(read_every_way(post(chunked, "0\r\nX: " + std::string(200, 'x')), limits).error ==
               ErrorCode::too_large);
}

TEST_GROUP(ResponseReader){};

namespace {

struct Answer {
    std::optional<Response> response;
    bool failed = false;
    std::string left;
    bool operator==(const Answer& other) const {
        return failed == other.failed && left == other.left &&
               response.has_value() == other.response.has_value() &&
               (!response || (response->status == other.response->status &&
                              response->headers == other.response->headers &&
                              response->body == other.response->body &&
                              response->keep_alive == other.response->keep_alive));
    }
};

Answer read_answer(std::string_view text, std::size_t step, const Limits& limits) {
    ResponseReader reader(limits);
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(begin + step, text.size());
        const std::string piece(text.substr(begin, end - begin));
        ByteView bytes = as_bytes(piece);
        begin = end;
        auto response = reader.next(bytes);
        if (!response) {
            return {.response = {}, .failed = true, .left = {}};
        }
        if (*response) {
            return {.response = std::move(*response),
                    .left = std::string(as_text(bytes)) + std::string(text.substr(end))};
        }
    }
    return {};
}

Answer answered(std::string_view text, const Limits& limits = {}) {
    Answer whole = read_answer(text, text.size(), limits);
    for (std::size_t step = 1; step < text.size(); ++step) {
        CHECK_TRUE(whole == read_answer(text, step, limits));
    }
    return whole;
}

}  // namespace

TEST(ResponseReader, head_of_101_leaves_what_follows) {
    const Answer answer = answered(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nContent-Length: "
        "3\r\n\r\n\x81\x01x");
    LONGS_EQUAL(101, answer.response->status);
    STRCMP_EQUAL("\x81\x01x", answer.left.c_str());
}

TEST(ResponseReader, http_1_0_has_no_101) {
    CHECK_TRUE(answered("HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").failed);
}

TEST(ResponseReader, body_with_a_length_is_collected) {
    const Answer answer =
        answered("HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nwrongHTTP");
    LONGS_EQUAL(401, answer.response->status);
    STRCMP_EQUAL("wrong", answer.response->body.c_str());
    STRCMP_EQUAL("HTTP", answer.left.c_str());
    CHECK_TRUE(answer.response->keep_alive);
    const Answer chunked = answered(
        "HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    STRCMP_EQUAL("abc", chunked.response->body.c_str());
}

TEST(ResponseReader, body_over_the_limit_is_cut_there) {
    const std::string text = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n123456789";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        const Answer answer = read_answer(text, step, {.body_size_bytes = 4});
        STRCMP_EQUAL("1234", answer.response->body.c_str());
        CHECK_FALSE(answer.response->keep_alive);
    }
}

TEST(ResponseReader, body_without_a_length_is_not_waited_for) {
    const Answer answer = answered("HTTP/1.1 503 Service Unavailable\r\n\r\nsorry");
    LONGS_EQUAL(503, answer.response->status);
    CHECK_FALSE(answer.response->keep_alive);
    STRCMP_EQUAL("sorry", answer.left.c_str());
}

TEST(ResponseReader, interim_responses_are_passed_over) {
    const Answer answer = answered(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 204 No Content\r\n\r\n");
    LONGS_EQUAL(204, answer.response->status);
    CHECK_TRUE(answer.response->headers.empty());
}

TEST(ResponseReader, malformed_responses_are_invalid) {
    for (const char* text :
         {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/3.0 200 OK\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
        CHECK_TRUE(answered(text).failed);
    }
}

}  // namespace holdfast::http
