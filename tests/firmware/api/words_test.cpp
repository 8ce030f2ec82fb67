#include "firmware/api/words.h"

#include <map>

#include <CppUTest/TestHarness.h>
#include <boost/json/parse.hpp>

using namespace holdfast;

namespace {

std::map<std::string, std::string> words(std::string_view uplink) {
    const auto facts = api::uplink_words(boost::json::parse(uplink).as_object());
    return {facts.begin(), facts.end()};
}

void learned_is(const char* expected, std::string_view uplink) {
    STRCMP_EQUAL(expected, words(uplink)["learned of the path"].c_str());
}

}  // namespace

TEST_GROUP(UplinkWords){};

TEST(UplinkWords, each_kind_of_cut_is_told) {
    learned_is("cuts idle lines after 240 s (silent); 8 probes",
               R"({"learned_cut_s":240.4,"cut_kind":"silent","counts":"either-way","probes":8})");
    learned_is("cuts idle lines after 60 s (closed), counts only what the hub sends; 1 probe",
               R"({"learned_cut_s":60,"cut_kind":"fin","counts":"from-hub-only","probes":1})");
    learned_is("cuts idle lines after 4.2 s (reset); 8 probes",
               R"({"learned_cut_s":4.21,"cut_kind":"reset","counts":"unknown","probes":8})");
    learned_is("no cut up to 31 min; 12 probes",
               R"({"safe_s":1860.5,"cut_kind":"none","counts":"unknown","probes":12})");
}

TEST(UplinkWords, a_lifetime_of_lines_is_told_beside_the_cut) {
    learned_is("no cut up to 31 min; 9 probes; ends every line at the age of 2 h",
               R"({"safe_s":1860,"cut_kind":"none","lifetime_s":7200,"probes":9})");
}

TEST(UplinkWords, while_nothing_is_learned_the_probes_so_far_are_told) {
    learned_is("learning: 0 probes so far", R"({"probes":0})");
    learned_is("learning: 3 probes so far; idle for 11 s is safe", R"({"probes":3,"safe_s":10.6})");
    learned_is("nothing: no side lines can be opened on this path",
               R"({"probes":3,"probes_blocked":true})");
}

TEST(UplinkWords, a_fixed_heartbeat_learns_nothing) {
    auto said = words(R"({"heartbeat_interval_s":25.0})");
    STRCMP_EQUAL("when idle for 25 s; fixed", said["heartbeat"].c_str());
    CHECK_FALSE(said.contains("learned of the path"));
}

TEST(UplinkWords, a_live_line_is_told) {
    auto said = words(R"({"state":"live","since":"2026-11-20T10:00:00Z","url":"wss://hub/v1/uplink",
        "path":"proxy+xhr","rtt_ms":12.6,"heartbeat_interval_s":226.1,"heartbeat_bytes_a_day":20592,
        "probes":8,"reconnects":2,"last_end":"idle cut","in_flight_bytes":700})");
    STRCMP_EQUAL("live", said["state"].c_str());
    STRCMP_EQUAL("2026-11-20T10:00:00Z", said["live since"].c_str());
    STRCMP_EQUAL("wss://hub/v1/uplink", said["hub"].c_str());
    STRCMP_EQUAL("through the proxy, SockJS xhr", said["path"].c_str());
    STRCMP_EQUAL("13 ms", said["round trip"].c_str());
    STRCMP_EQUAL("when idle for 226 s; 20.1 KiB a day", said["heartbeat"].c_str());
    STRCMP_EQUAL("2, last end: idle cut", said["reconnects"].c_str());
    STRCMP_EQUAL("700 B", said["in flight"].c_str());
    CHECK_FALSE(said.contains("last error"));
}

TEST(UplinkWords, a_line_that_is_down_says_why) {
    auto said =
        words(R"({"state":"waiting","path":"direct","since":"2026-11-20T10:00:00Z","rtt_ms":1,
                 "last_error":"refused","reconnects":0})");
    STRCMP_EQUAL("down, waiting to try again", said["state"].c_str());
    STRCMP_EQUAL("direct, WebSocket", said["path"].c_str());
    STRCMP_EQUAL("refused", said["last error"].c_str());
    CHECK_FALSE(said.contains("live since"));
    CHECK_FALSE(said.contains("round trip"));
}

TEST(UplinkWords, what_is_of_another_type_than_it_should_be_is_left_out) {
    auto said = words(R"({"state":7,"path":[],"probes":"8","rtt_ms":null,"last_error":{}})");
    LONGS_EQUAL(2, said.size());
    STRCMP_EQUAL("0", said["reconnects"].c_str());
    STRCMP_EQUAL("0 B", said["in flight"].c_str());
}

TEST(UplinkWords, a_peers_words_do_not_steer_the_terminal) {
    STRCMP_EQUAL("bye uplink  [31m, caf\u00e9\u00a0 5 m",
                 api::on_one_line("bye\nuplink\x07\x1b[31m, caf\u00e9\u00a0\u009b5\x7fm").c_str());
    STRCMP_EQUAL("\xc2", api::on_one_line("\xc2").c_str());
}
