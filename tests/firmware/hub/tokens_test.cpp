#include "firmware/hub/tokens.h"

#include <CppUTest/TestHarness.h>

#include "platform/simulated/random.h"

using namespace holdfast;
using namespace holdfast::hub;

TEST_GROUP(TokenTable) {
    simulated::Random random{4};
    TokenTable table;
    WallTime now{std::chrono::seconds(1'790'000'000)};
};

TEST(TokenTable, a_token_has_256_random_bits_and_is_not_kept) {
    const std::string token = table.create("a", false, now, random);
    LONGS_EQUAL(64, token.size());
    CHECK(token != table.create("a", false, now, random));
    CHECK(table.to_text().find(token) == std::string::npos);
    STRCMP_EQUAL("a", table.find(token)->device.c_str());
}

TEST(TokenTable, only_the_whole_token_is_found) {
    std::string token = table.create("a", false, now, random);
    CHECK(table.find("") == nullptr);
    CHECK(table.find(token.substr(1)) == nullptr);
    CHECK(table.find(token + "0") == nullptr);
    CHECK(table.find(table.tokens()[0].hash_hex) == nullptr);
    for (char& c : token) {
        const char kept = c;
        c = c == '0' ? '1' : '0';
        CHECK(table.find(token) == nullptr);
        c = kept;
    }
    CHECK(table.find(token) != nullptr);
}

TEST(TokenTable, comes_back_from_its_text) {
    const std::string device = table.create("a", false, now, random);
    const std::string relay = table.create("b", true, now, random);
    const auto again = TokenTable::parse(table.to_text());
    CHECK(again.has_value());
    CHECK(!again->find(device)->relay);
    CHECK(again->find(relay)->relay);
    CHECK(again->find(relay)->created == now);
    STRCMP_EQUAL(table.to_text().c_str(), again->to_text().c_str());
}

TEST(TokenTable, revoke_removes_all_of_a_device) {
    const std::string one = table.create("a", false, now, random);
    const std::string two = table.create("a", false, now, random);
    const std::string other = table.create("b", false, now, random);
    LONGS_EQUAL(2, table.revoke("a"));
    LONGS_EQUAL(0, table.revoke("a"));
    CHECK(table.find(one) == nullptr && table.find(two) == nullptr);
    CHECK(table.find(other) != nullptr);
}

TEST(TokenTable, a_bad_line_is_named) {
    (void)table.create("a", false, now, random);
    const std::string good = table.to_text();
    const std::string hash(64, 'a');
    for (const std::string& bad :
         {std::string("a"), "a " + hash + " device", "a " + hash + " boss 2026-11-20T10:00:00Z",
          "a " + hash.substr(2) + " device 2026-11-20T10:00:00Z",
          "a " + std::string(64, 'g') + " device 2026-11-20T10:00:00Z",
          "a " + hash + " device yesterday", "a b " + hash + " device 2026-11-20T10:00:00Z"}) {
        const auto parsed = TokenTable::parse(good + bad + "\n");
        CHECK(!parsed);
        STRCMP_CONTAINS("line 3", parsed.error().message.c_str());
    }
    CHECK(TokenTable::parse("").has_value());
    CHECK(TokenTable::parse("\n# only this").has_value());
}
