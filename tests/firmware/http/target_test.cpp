#include <string>

#include <CppUTest/TestHarness.h>

#include "firmware/http/message.h"

namespace holdfast::http {

using Strings = std::vector<std::string>;

TEST_GROUP(Target){};

TEST(Target, is_split_before_it_is_decoded) {
    const auto target = parse_target("/api/devices/a%2Fb%20c/readings");
    CHECK_TRUE((target->segments == Strings{"api", "devices", "a/b c", "readings"}));
    CHECK_TRUE(target->path == "/api/devices/a/b c/readings");
    CHECK_TRUE(target->query.empty());
}

TEST(Target, root_has_no_segments) {
    CHECK_TRUE(parse_target("/")->segments.empty());
    CHECK_TRUE(parse_target("/")->path == "/");
    CHECK_TRUE((parse_target("/a/")->segments == Strings{"a", ""}));
}

TEST(Target, query_is_decoded_as_browsers_encode_it) {
    const auto target = parse_target("/r?channel=t%31&from=a+b%2Bc&limit=5&flag&empty=&&channel=2");
    CHECK_TRUE(target->path == "/r");
    CHECK_TRUE(target->parameter("channel") == "t1");
    CHECK_TRUE(target->parameter("from") == "a b+c");
    CHECK_TRUE(target->parameter("flag") == "");
    CHECK_TRUE(target->parameter("empty") == "");
    CHECK_FALSE(target->parameter("absent").has_value());
    LONGS_EQUAL(6, target->query.size());
}

TEST(Target, plus_in_the_path_is_a_plus) {
    CHECK_TRUE(parse_target("/a+b")->path == "/a+b");
}

TEST(Target, malformed_ones_are_invalid) {
    for (const char* text :
         {"", "a", "*", "http://h/", "/%", "/%2", "/%zz", "/a%00", "/?a=%", "/?%00=1", "?a"}) {
        const auto target = parse_target(text);
        CHECK_FALSE(target.has_value());
        CHECK_TRUE(target.error().code == ErrorCode::invalid);
    }
}

TEST(Target, percent_encoding_comes_back) {
    std::string all;
    for (int i = 1; i < 256; ++i) {
        all.push_back(static_cast<char>(i));
    }
    CHECK_TRUE(parse_target("/" + percent_encode(all))->segments[0] == all);
    CHECK_TRUE(parse_target("/?" + percent_encode(all) + "=1")->parameter(all) == "1");
    CHECK_TRUE(percent_encode("aZ09-._~") == "aZ09-._~");
    CHECK_TRUE(percent_encode("a/b +\xff") == "a%2Fb%20%2B%FF");
}

}  // namespace holdfast::http
