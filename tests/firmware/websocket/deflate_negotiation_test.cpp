#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/websocket/deflate.h"

// RFC 7692, Sections 5 and 7.1; RFC 6455, Section 9.1.
namespace holdfast::websocket {
namespace {

constexpr DeflatePolicy kShared{.enabled = true};
constexpr DeflatePolicy kTakeover{.enabled = true, .context_takeover = true};
constexpr DeflatePolicy kWindow10{.enabled = true, .context_takeover = true, .max_window_bits = 10};

/// The server's answer; "" if there is none.
std::string answered(std::string_view offers, const DeflatePolicy& policy = kTakeover) {
    const auto answer = answer_deflate(offers, policy);
    return answer ? answer->header : "";
}

struct Row {
    std::string_view offers;
    std::string_view answer;
};

void check_answers(const DeflatePolicy& policy, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        STRCMP_EQUAL_TEXT(std::string(row.answer).c_str(), answered(row.offers, policy).c_str(),
                          std::string(row.offers).c_str());
    }
}

std::string offer_with(std::string_view parameters) {
    return "permessage-deflate; " + std::string(parameters);
}

bool is_declined(std::string_view parameters) {
    return answered(offer_with(parameters)).empty();
}

/// What both sides agree on, when the client with `client` asks the server with `server`.
void check_same_agreement(const DeflatePolicy& client, const DeflatePolicy& server) {
    const auto answer = answer_deflate(deflate_offer(client), server);
    CHECK_TRUE(answer.has_value());
    const auto checked = check_deflate(answer->header, client);
    CHECK_TRUE(checked.has_value());
    CHECK_TRUE(checked->has_value());
    const DeflateAgreement& ours = **checked;
    const DeflateAgreement& theirs = answer->agreement;
    CHECK_EQUAL(ours.receive.context_takeover, theirs.send.context_takeover);
    LONGS_EQUAL(ours.receive.window_bits, theirs.send.window_bits);
    // A client may always use less than it is allowed.
    CHECK_TRUE(ours.send.window_bits <= theirs.receive.window_bits);
    CHECK_TRUE(!ours.send.context_takeover || theirs.receive.context_takeover);
}

std::optional<DeflateAgreement> agreed(std::string_view answer, const DeflatePolicy& policy) {
    const auto checked = check_deflate(answer, policy);
    CHECK_TRUE(checked.has_value());
    return *checked;
}

bool is_refused(std::string_view answer, const DeflatePolicy& policy = kTakeover) {
    const auto checked = check_deflate(answer, policy);
    return !checked && checked.error().code == ErrorCode::invalid;
}

}  // namespace

TEST_GROUP(DeflateAnswer){};

TEST(DeflateAnswer, nothing_is_agreed_unless_enabled_and_offered) {
    STRCMP_EQUAL("", answered("permessage-deflate", {}).c_str());
    STRCMP_EQUAL("", answered("").c_str());
    STRCMP_EQUAL("", answered(" , ,").c_str());
    STRCMP_EQUAL("", answered("x-webkit-deflate-frame, foo; bar=1").c_str());
    STRCMP_EQUAL("", answered("Permessage-Deflate").c_str());
}

TEST(DeflateAnswer, each_parameter_is_answered_as_the_rfc_demands) {
    check_answers(kTakeover,
                  {{"permessage-deflate", "permessage-deflate"},
                   {"permessage-deflate; client_max_window_bits", "permessage-deflate"},
                   {"permessage-deflate; client_max_window_bits=10",
                    "permessage-deflate; client_max_window_bits=10"},
                   {"permessage-deflate; server_max_window_bits=10",
                    "permessage-deflate; server_max_window_bits=10"},
                   {"permessage-deflate; server_max_window_bits=15",
                    "permessage-deflate; server_max_window_bits=15"},
                   {"permessage-deflate; server_max_window_bits=8",
                    "permessage-deflate; server_max_window_bits=8"},
                   {"permessage-deflate; server_no_context_takeover",
                    "permessage-deflate; server_no_context_takeover"},
                   {"permessage-deflate; client_no_context_takeover",
                    "permessage-deflate; client_no_context_takeover"},
                   {"permessage-deflate; client_no_context_takeover; server_max_window_bits=9; "
                    "server_no_context_takeover; client_max_window_bits=8",
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                    "server_max_window_bits=9; client_max_window_bits=8"}});
}

TEST(DeflateAnswer, shared_contexts_are_asked_for_even_if_the_client_did_not) {
    check_answers(kShared, {{"permessage-deflate",
                             "permessage-deflate; server_no_context_takeover; "
                             "client_no_context_takeover"},
                            {"permessage-deflate; server_no_context_takeover",
                             "permessage-deflate; server_no_context_takeover; "
                             "client_no_context_takeover"}});
}

TEST(DeflateAnswer, policy_bounds_the_windows_but_the_clients_only_if_it_allowed_that) {
    check_answers(kWindow10,
                  {{"permessage-deflate", "permessage-deflate; server_max_window_bits=10"},
                   {"permessage-deflate; client_max_window_bits",
                    "permessage-deflate; server_max_window_bits=10; "
                    "client_max_window_bits=10"},
                   {"permessage-deflate; server_max_window_bits=9; "
                    "client_max_window_bits=12",
                    "permessage-deflate; server_max_window_bits=9; "
                    "client_max_window_bits=10"}});
    LONGS_EQUAL(15, answer_deflate("permessage-deflate", kWindow10)->agreement.receive.window_bits);
}

TEST(DeflateAnswer, agreement_is_what_the_answer_says) {
    const auto answer = answer_deflate(
        offer_with(
            "server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=8"),
        kTakeover);
    CHECK_TRUE((answer->agreement ==
                DeflateAgreement{.send = {.context_takeover = false, .window_bits = 9},
                                 .receive = {.context_takeover = true, .window_bits = 8},
                                 .threshold_bytes = kTakeover.threshold_bytes}));
}

TEST(DeflateAnswer, malformed_parameters_decline_their_offer) {
    for (const std::string_view name : {"server_max_window_bits", "client_max_window_bits"}) {
        for (const std::string_view value :
             {"7", "16", "0", "00", "010", "08", "1", "100", "10.", "0xa", "-9", "+9", "ten", "9a",
              "4294967305", "99999999999999999999"}) {
            CHECK_TRUE_TEXT(is_declined(std::string(name) + "=" + std::string(value)),
                            std::string(value).c_str());
        }
        CHECK_TRUE(is_declined(std::string(name) + "=10; " + std::string(name) + "=10"));
    }
    CHECK_TRUE(is_declined("server_max_window_bits"));
    CHECK_TRUE(is_declined("client_max_window_bits; client_max_window_bits=10"));
    for (const std::string_view name :
         {"server_no_context_takeover", "client_no_context_takeover"}) {
        CHECK_TRUE(is_declined(std::string(name) + "=1"));
        CHECK_TRUE(is_declined(std::string(name) + "=\"true\""));
        CHECK_TRUE(is_declined(std::string(name) + "; " + std::string(name)));
    }
    CHECK_TRUE(is_declined("unknown"));
    CHECK_TRUE(is_declined("unknown=1; client_max_window_bits"));
    CHECK_TRUE(is_declined("Server_No_Context_Takeover"));
}

TEST(DeflateAnswer, values_may_be_quoted) {
    STRCMP_EQUAL("permessage-deflate; server_max_window_bits=10",
                 answered(offer_with("server_max_window_bits=\"10\"")).c_str());
    STRCMP_EQUAL("permessage-deflate; server_max_window_bits=10",
                 answered(offer_with("server_max_window_bits=\"1\\0\"")).c_str());
}

TEST(DeflateAnswer, blanks_do_not_matter) {
    STRCMP_EQUAL("permessage-deflate; server_max_window_bits=10",
                 answered("  permessage-deflate\t;server_max_window_bits = 10 ").c_str());
    STRCMP_EQUAL("permessage-deflate", answered(",, permessage-deflate ,").c_str());
}

TEST(DeflateAnswer, first_acceptable_offer_is_taken) {
    check_answers(
        kTakeover,
        {{"permessage-deflate; server_max_window_bits=10, permessage-deflate",
          "permessage-deflate; server_max_window_bits=10"},
         {"permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate"},
         {"permessage-deflate; unknown=\"a\", permessage-deflate; "
          "server_max_window_bits=11, permessage-deflate",
          "permessage-deflate; server_max_window_bits=11"},
         {"foo; server_max_window_bits=9, permessage-deflate", "permessage-deflate"}});
}

TEST(DeflateAnswer, header_that_is_no_list_of_extensions_offers_nothing) {
    for (const std::string_view offers :
         {"permessage-deflate;", "permessage-deflate; ; a", "permessage-deflate; =1",
          "permessage-deflate; server_max_window_bits=", "permessage-deflate; a=\"10",
          "permessage-deflate; a=\"1\\", "permessage-deflate; a=\"\"",
          "permessage-deflate; a=\"1,2\"", "permessage-deflate a", "permessage-deflate, ;",
          "permessage-deflate, (x)", "permessage-deflate, x=1", "permessage-deflate; a=1 2",
          "permessage-deflate\x01", "=, permessage-deflate"}) {
        STRCMP_EQUAL_TEXT("", answered(offers).c_str(), std::string(offers).c_str());
    }
}

TEST_GROUP(DeflateOffer){};

TEST(DeflateOffer, says_what_the_policy_wants) {
    STRCMP_EQUAL("permessage-deflate; client_max_window_bits", deflate_offer(kTakeover).c_str());
    STRCMP_EQUAL(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits",
        deflate_offer(kShared).c_str());
    STRCMP_EQUAL("permessage-deflate; server_max_window_bits=10; client_max_window_bits",
                 deflate_offer(kWindow10).c_str());
}

TEST(DeflateOffer, both_sides_understand_the_answer_alike) {
    for (int client_bits = 8; client_bits <= 15; ++client_bits) {
        for (int server_bits = 8; server_bits <= 15; ++server_bits) {
            for (int takeover = 0; takeover < 4; ++takeover) {
                check_same_agreement({.enabled = true,
                                      .context_takeover = (takeover & 1) != 0,
                                      .max_window_bits = client_bits},
                                     {.enabled = true,
                                      .context_takeover = (takeover & 2) != 0,
                                      .max_window_bits = server_bits});
            }
        }
    }
}

TEST(DeflateOffer, no_answer_is_no_compression) {
    CHECK_FALSE(agreed("", kTakeover).has_value());
    CHECK_FALSE(agreed("", {}).has_value());
}

TEST(DeflateOffer, answer_decides_windows_and_takeover) {
    CHECK_TRUE((agreed("permessage-deflate", kTakeover) ==
                DeflateAgreement{.send = {.context_takeover = true},
                                 .receive = {.context_takeover = true},
                                 .threshold_bytes = kTakeover.threshold_bytes}));
    CHECK_TRUE((agreed(offer_with("client_no_context_takeover; client_max_window_bits=8; "
                                  "server_max_window_bits=12"),
                       kTakeover) ==
                DeflateAgreement{.send = {.context_takeover = false, .window_bits = 8},
                                 .receive = {.context_takeover = true, .window_bits = 12},
                                 .threshold_bytes = kTakeover.threshold_bytes}));
    // Without client_max_window_bits in the answer we may use 15, and keep to our own policy.
    LONGS_EQUAL(10, agreed(offer_with("server_max_window_bits=9"), kWindow10)->send.window_bits);
    // Not to use takeover is the client's own choice: the hint needs no answer (Section 7.1.1.2).
    CHECK_FALSE(agreed(offer_with("server_no_context_takeover"), kShared)->send.context_takeover);
}

TEST(DeflateOffer, answer_that_was_not_allowed_is_invalid) {
    CHECK_TRUE(is_refused("permessage-deflate", {}));
    for (const std::string_view answer :
         {"foo", "permessage-deflate, permessage-deflate", "permessage-deflate, foo",
          "permessage-deflate; unknown", "permessage-deflate;", "Permessage-deflate",
          "permessage-deflate; client_max_window_bits",
          "permessage-deflate; client_max_window_bits=7",
          "permessage-deflate; client_max_window_bits=16",
          "permessage-deflate; client_max_window_bits=09",
          "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
          "permessage-deflate; server_max_window_bits",
          "permessage-deflate; server_max_window_bits=7",
          "permessage-deflate; server_max_window_bits=16",
          "permessage-deflate; server_no_context_takeover=1",
          "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
          "permessage-deflate; client_no_context_takeover=x"}) {
        CHECK_TRUE_TEXT(is_refused(answer), std::string(answer).c_str());
    }
    CHECK_TRUE(is_refused("permessage-deflate", kShared));
    CHECK_TRUE(is_refused("permessage-deflate", kWindow10));
    CHECK_TRUE(is_refused(offer_with("server_max_window_bits=11"), kWindow10));
    CHECK_FALSE(is_refused(offer_with("server_max_window_bits=10"), kWindow10));
}

}  // namespace holdfast::websocket
