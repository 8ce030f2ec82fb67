#include "firmware/dashboard/assets.h"

#include <set>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using dashboard::Asset;
using dashboard::assets;
using dashboard::find_asset;

// clang-format off
TEST_GROUP(Assets) {};
// clang-format on

TEST(Assets, the_page_and_what_it_names_are_there) {
    for (const char* path : {"/", "/app.js", "/style.css", "/icon.svg"}) {
        const Asset* found = find_asset(path);
        CHECK(found != nullptr);
        CHECK(found->path == path);
        CHECK(!found->bytes.empty());
    }
    POINTERS_EQUAL(assets().data(), find_asset("/"));
}

TEST(Assets, other_paths_are_not) {
    for (const char* path : {"", "app.js", "/app.js/", "/APP.JS", "/../app.js", "//"}) {
        POINTERS_EQUAL(nullptr, find_asset(path));
    }
}

TEST(Assets, are_gzip_if_they_say_so) {
    for (const Asset& asset : assets()) {
        const bool magic = asset.bytes.size() > 18 && asset.bytes[0] == std::byte{0x1f} &&
                           asset.bytes[1] == std::byte{0x8b};
        CHECK_EQUAL(asset.gzip, magic);
    }
}

TEST(Assets, have_types_and_etags_of_their_own) {
    bool unique = true;
    {
        std::set<std::string_view> tags;
        for (const Asset& asset : assets()) {
            unique = unique && tags.insert(asset.etag).second;
        }
    }
    CHECK(unique);
    for (const Asset& asset : assets()) {
        CHECK(asset.etag.size() > 2 && asset.etag.front() == '"' && asset.etag.back() == '"');
        CHECK(asset.content_type.find('/') != std::string_view::npos);
    }
    CHECK(find_asset("/app.js")->content_type == "text/javascript; charset=utf-8");
    CHECK(find_asset("/")->content_type == "text/html; charset=utf-8");
}

TEST(Assets, the_whole_page_is_under_forty_kibibytes) {
    std::size_t total = 0;
    for (const Asset& asset : assets()) {
        total += asset.bytes.size();
    }
    CHECK(total <= 40 * 1024);
}
