#include "firmware/api/words.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include <CppUTest/TestHarness.h>
#include <boost/json/parse.hpp>

using namespace holdfast;

namespace {

/// The facts of the section "Uplink".
std::map<std::string, std::string> words(std::string_view uplink) {
    const auto status = R"({"uplink":)" + std::string(uplink) + "}";
    std::map<std::string, std::string> facts;
    for (const api::Words::Section& section :
         api::words_of(boost::json::parse(status).as_object()).sections) {
        STRCMP_EQUAL("Uplink", section.name.c_str());
        for (const api::Words::Fact& fact : section.facts) {
            facts[fact.name] = fact.words;
        }
    }
    return facts;
}

std::string text(std::string_view status) {
    return api::words_text(api::words_of(boost::json::parse(status).as_object()));
}

void learned_is(const char* expected, std::string_view uplink) {
    STRCMP_EQUAL(expected, words(uplink)["Learned of the path"].c_str());
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
    learned_is("nothing: no probe lines can be opened on this path",
               R"({"probes":3,"probes_blocked":true})");
}

TEST(UplinkWords, a_fixed_heartbeat_learns_nothing) {
    auto said = words(R"({"heartbeat_interval_s":25.0})");
    STRCMP_EQUAL("when idle for 25 s; fixed", said["Heartbeat"].c_str());
    CHECK_FALSE(said.contains("Learned of the path"));
}

TEST(UplinkWords, a_live_line_is_told) {
    auto said = words(R"({"state":"live","since":"2026-11-20T10:00:00Z","url":"wss://hub/v1/uplink",
        "path":"proxy+xhr","rtt_ms":12.6,"heartbeat_interval_s":226.1,"heartbeat_bytes_a_day":20592,
        "probes":8,"reconnects":2,"last_end":"idle cut","in_flight_bytes":700})");
    STRCMP_EQUAL("live", said["State"].c_str());
    STRCMP_EQUAL("2026-11-20T10:00:00Z", said["Live since"].c_str());
    STRCMP_EQUAL("wss://hub/v1/uplink", said["Hub"].c_str());
    STRCMP_EQUAL("through the proxy, SockJS xhr", said["Path"].c_str());
    STRCMP_EQUAL("13 ms", said["Round trip"].c_str());
    STRCMP_EQUAL("when idle for 226 s; 20.1 KiB a day", said["Heartbeat"].c_str());
    STRCMP_EQUAL("2, last end: idle cut", said["Reconnects"].c_str());
    STRCMP_EQUAL("700 B", said["In flight"].c_str());
    CHECK_FALSE(said.contains("Last error"));
}

TEST(UplinkWords, a_line_that_is_down_says_why) {
    auto said =
        words(R"({"state":"waiting","path":"direct","since":"2026-11-20T10:00:00Z","rtt_ms":1,
                 "last_error":"refused","reconnects":0})");
    STRCMP_EQUAL("down, waiting to try again", said["State"].c_str());
    STRCMP_EQUAL("direct, WebSocket", said["Path"].c_str());
    STRCMP_EQUAL("refused", said["Last error"].c_str());
    CHECK_FALSE(said.contains("Live since"));
    CHECK_FALSE(said.contains("Round trip"));
}

TEST(UplinkWords, what_is_of_another_type_than_it_should_be_is_left_out) {
    auto said = words(R"({"state":7,"path":[],"probes":"8","rtt_ms":null,"last_error":{}})");
    LONGS_EQUAL(2, said.size());
    STRCMP_EQUAL("0", said["Reconnects"].c_str());
    STRCMP_EQUAL("0 B", said["In flight"].c_str());
}

TEST(UplinkWords, a_peers_words_do_not_steer_the_terminal) {
    STRCMP_EQUAL("bye uplink  [31m, caf\u00e9\u00a0 5 m",
                 api::on_one_line("bye\nuplink\x07\x1b[31m, caf\u00e9\u00a0\u009b5\x7fm").c_str());
    STRCMP_EQUAL("\xc2", api::on_one_line("\xc2").c_str());
}

TEST_GROUP(Words){};

TEST(Words, a_gateway_on_a_terminal) {
    STRCMP_EQUAL(
        "not connected for 8 s: the hub refuses connections; next try in 3 s; 157 readings wait, "
        "none lost; 1 of 2 sensors has an error\n"
        "\n"
        "Node\n"
        "  Name                 greenhouse-7\n"
        "  Version              1.2.3\n"
        "  Running for          31 min\n"
        "  Clock                2026-11-20T10:00:00Z\n"
        "\n"
        "Uplink\n"
        "  State                down, waiting to try again\n"
        "  Reconnects           1\n"
        "  In flight            0 B\n"
        "  Last error           connecting to hub:80: connection refused\n"
        "\n"
        "Journal\n"
        "  Waiting for the hub  157 readings (135 on disk, 22 in memory)\n"
        "  Oldest on disk       8 s ago (2026-11-20T09:59:51Z)\n"
        "  Lost                 none\n"
        "  File                 1.0 MiB of 256 MiB\n"
        "\n"
        "Sensors\n"
        "  procfs               22 channels, last reading just now\n"
        "  lines /data/a.jsonl  no reading yet; error: no such file\n",
        text(
            R"({"node":{"id":"greenhouse-7","version":"1.2.3","uptime_s":1860.111181,
                        "time":"2026-11-20T10:00:00.123456Z"},
                "uplink":{"state":"waiting","down_s":8.1,"next_try_s":3.2,"reconnects":1,
                          "last_error":"connecting to hub:80: connection refused"},
                "journal":{"readings":135,"bytes":1065984,"limit_bytes":268435456,
                           "oldest_time":"2026-11-20T09:59:51.5Z","backlog":157,
                           "waiting_on_disk":135,"waiting_in_memory":22,"dropped":0},
                "sensors":[{"driver":"procfs","channels":22,"last_time":"2026-11-20T10:00:00Z"},
                           {"driver":"lines /data/a.jsonl","last_error":"no such file"}]})")
            .c_str());
}

TEST(Words, a_hub_on_a_terminal) {
    STRCMP_EQUAL(
        "listening on 127.0.0.1:8080: 3 of 4 devices are here; the journal is full: 5 readings "
        "dropped since the start\n"
        "\n"
        "Node\n"
        "  Name            hub\n"
        "\n"
        "Journal\n"
        "  Stored          12,345 readings\n"
        "  Oldest on disk  2026-11-20T10:00:00Z\n"
        "  Dropped         5 readings since the start: there was no room for them\n"
        "  File            3.0 MiB of 256 MiB\n"
        "\n"
        "Listener\n"
        "  Address         127.0.0.1:8080\n"
        "  Devices         4 devices known, 3 online\n"
        "  Connections     7\n",
        text(
            R"({"node":{"id":"hub"},
                "journal":{"readings":12345,"bytes":3145728,"limit_bytes":268435456,
                           "oldest_time":"2026-11-20T10:00:00Z","dropped":5},
                "sensors":[],
                "listen":{"address":"127.0.0.1:8080","connections":7,"devices":4,
                          "devices_online":3}})")
            .c_str());
}

/// Rows that are acknowledged and not deleted yet are nobody's business.
TEST(Words, the_rows_of_a_gateways_file_are_not_told_as_readings_that_wait) {
    const std::string said = text(
        R"({"uplink":{"state":"live"},"journal":{"readings":135,"backlog":0,"waiting_on_disk":0,
            "waiting_in_memory":0,"oldest_time":"2026-11-20T10:00:00Z","dropped":0}})");
    STRCMP_CONTAINS("  Waiting for the hub  no readings\n", said.c_str());
    CHECK(said.find("135") == std::string::npos);
    CHECK(said.find("Oldest") == std::string::npos);
}

TEST(Words, no_name_and_no_error_steers_the_terminal) {
    const std::string said = text(
        R"({"node":{"id":"a\u001b[2J","version":"\u009b2J\u0085"},
            "uplink":{"state":"waiting","last_error":"bye\nUplink\r\u0007\u007f"},
            "journal":{"last_error":"disk\u001b]0;x\u0007"},
            "sensors":[{"driver":"lines /\u001b[31m\n/x","last_error":"not a reading: \u001bc"}],
            "listen":{"address":"\u009d"}})");
    for (const char c : said) {
        CHECK(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
    }
    CHECK(said.find("\xc2") == std::string::npos);
    STRCMP_CONTAINS("readings cannot be stored: disk ]0;x ; not connected: bye Uplink   ;",
                    said.c_str());
    // One line a fact, so nothing has made another.
    LONGS_EQUAL(21, std::ranges::count(said, '\n'));
}

TEST(Words, a_long_name_does_not_push_the_other_columns_away) {
    const std::string said = text(
        R"({"sensors":[{"driver":"lines /a/very/long/path/of/a/file.jsonl"},{"driver":"procfs"}]})");
    STRCMP_CONTAINS(
        "\n  lines /a/very/long/path/of/a/file.jsonl  no reading yet\n"
        "  procfs                    no reading yet\n",
        said.c_str());
}

TEST(Words, as_json) {
    STRCMP_EQUAL(
        R"({"verdict":"not connected: a \"b\"; no reading waits, none lost","level":"bad",)"
        R"("sections":[{"name":"Node","facts":[["Clock","2026-11-20T10:00:00Z"]]},)"
        R"({"name":"Uplink","facts":[["State","down, waiting to try again"],["Reconnects","0"],)"
        R"(["In flight","0 B"],["Last error","a \"b\""]]},)"
        R"({"name":"Journal","facts":[["Oldest on disk","2 min ago","2026-11-20T09:58:00Z"]]}]})",
        api::words_json(api::words_of(boost::json::parse(
                                          R"({"node":{"time":"2026-11-20T10:00:00Z"},
                                  "uplink":{"state":"waiting","last_error":"a \"b\""},
                                  "journal":{"oldest_time":"2026-11-20T09:58:00Z"}})")
                                          .as_object()))
            .c_str());
    STRCMP_CONTAINS(R"("level":"good")", api::words_json(api::words_of({})).c_str());
}
