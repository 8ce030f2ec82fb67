#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/http/message.h"

namespace holdfast::http {
namespace {

using Generator = std::mt19937_64;

std::size_t below(Generator& random, std::size_t limit) {
    return static_cast<std::size_t>(random() % limit);
}

constexpr std::string_view kSample =
    "GET /a?b=c HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n"
    "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "POST /q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
    "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    "POST /r HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    "GET / HTTP/1.0\r\n\r\n";

/// Changes, removes or doubles a few bytes.
std::string spoiled(Generator& random) {
    constexpr std::string_view kMarks = "\r\n :;,0fx\t\x7f";
    std::string text(kSample);
    for (std::size_t changes = below(random, 4); changes > 0; --changes) {
        const std::size_t place = below(random, text.size());
        switch (below(random, 3)) {
            case 0:
                text[place] = kMarks[below(random, kMarks.size())];
                break;
            case 1:
                text.erase(place, 1 + below(random, 3));
                break;
            default:
                text.insert(place, text.substr(place, 1 + below(random, 20)));
                break;
        }
    }
    return text;
}

/// Everything that was read, as one text; ends with the error's code, if there was one.
std::string outcome(std::string_view text, Generator* random) {
    RequestReader reader({.head_size_bytes = 200, .body_size_bytes = 20});
    std::string out;
    while (!text.empty()) {
        const std::size_t size =
            random == nullptr ? text.size() : std::min(text.size(), 1 + below(*random, 12));
        const std::string piece(text.substr(0, size));
        text.remove_prefix(size);
        ByteView bytes = as_bytes(piece);
        while (true) {
            auto request = reader.next(bytes);
            if (!request) {
                return out + "!" + std::to_string(static_cast<int>(request.error().code));
            }
            if (!*request) {
                break;
            }
            out += (*request)->method + " " + (*request)->target + " " + (*request)->body + "\n";
            for (const auto& [name, value] : (*request)->headers) {
                out.append(name).append("=").append(value).append("\n");
            }
        }
    }
    return out;
}

}  // namespace

TEST_GROUP(RandomRequests){};

TEST(RandomRequests, are_read_the_same_however_they_are_split) {
    const char* given = std::getenv("HOLDFAST_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    UT_PRINT(("HOLDFAST_SEED=" + std::to_string(seed)).c_str());
    Generator random(seed);
    for (int round = 0; round < 5000; ++round) {
        const std::string text = spoiled(random);
        STRCMP_EQUAL(outcome(text, nullptr).c_str(), outcome(text, &random).c_str());
    }
}

}  // namespace holdfast::http
