#include "firmware/api/verdict.h"

#include <string>
#include <string_view>

#include <CppUTest/TestHarness.h>
#include <boost/json/parse.hpp>

using namespace holdfast::api;
using Level = Verdict::Level;

namespace {

void says(Level level, const char* words, std::string_view status) {
    const Verdict verdict = verdict_of(boost::json::parse(status).as_object());
    STRCMP_EQUAL(words, verdict.words.c_str());
    LONGS_EQUAL(static_cast<int>(level), static_cast<int>(verdict.level));
}

}  // namespace

TEST_GROUP(Verdict){};

TEST(Verdict, a_live_gateway_whose_readings_are_all_upstream) {
    says(Level::good, "connected for 2 h: every reading is upstream",
         R"({"node":{"time":"2026-11-20T12:30:00Z"},
             "uplink":{"state":"live","since":"2026-11-20T10:00:00Z"},
             "journal":{"backlog":0,"waiting_on_disk":0,"waiting_in_memory":0,"dropped":0}})");
}

TEST(Verdict, a_live_gateway_that_still_sends) {
    says(Level::good, "connected for 2 h; 157 readings wait, none lost",
         R"({"node":{"time":"2026-11-20T12:30:00Z"},
             "uplink":{"state":"live","since":"2026-11-20T10:00:00Z"},
             "journal":{"backlog":157,"waiting_on_disk":135,"waiting_in_memory":22,"dropped":0}})");
}

TEST(Verdict, a_live_gateway_that_has_lost_readings) {
    says(Level::warning, "connected; no reading waits, 1,200 lost",
         R"({"uplink":{"state":"live"},"journal":{"backlog":0,"dropped":1200}})");
}

TEST(Verdict, a_gateway_that_waits_for_its_next_try) {
    says(Level::bad,
         "not connected for 8 s: the hub refuses connections; next try in 3 s; 157 readings wait, "
         "none lost",
         R"({"uplink":{"state":"waiting","down_s":8.107,"next_try_s":3.71,
             "last_error":"connecting to 127.0.0.1:18081: connection refused"},
             "journal":{"backlog":157,"waiting_on_disk":135,"waiting_in_memory":22,"dropped":0}})");
    says(Level::bad, "not connected for 8 s: bad day; next try now; 1 reading waits, none lost",
         R"({"uplink":{"state":"waiting","down_s":8.9,"next_try_s":0.3,"last_error":"bad day"},
             "journal":{"waiting_on_disk":1,"waiting_in_memory":0,"dropped":0}})");
}

TEST(Verdict, a_gateway_that_tries) {
    says(Level::bad,
         "not connected for 31 min: the hub does not answer; trying now; 12,345 readings wait, 7 "
         "lost",
         R"({"uplink":{"state":"connecting","down_s":1860,
             "last_error":"connecting to hub.example:443: no answer within 10 s"},
             "journal":{"waiting_on_disk":12000,"waiting_in_memory":345,"dropped":7}})");
}

TEST(Verdict, the_first_try_is_not_an_error_yet) {
    says(Level::warning, "not connected for less than 1 s; trying now; no reading waits, none lost",
         R"({"uplink":{"state":"connecting","down_s":0.2},"journal":{"dropped":0}})");
}

TEST(Verdict, a_gateway_that_was_not_welcomed_yet) {
    says(Level::warning,
         "not connected for 2 s; the hub has not said Welcome yet; 3 readings wait, none lost",
         R"({"uplink":{"state":"greeting","down_s":2},
             "journal":{"waiting_on_disk":0,"waiting_in_memory":3,"dropped":0}})");
}

TEST(Verdict, a_hub_whose_devices_are_here) {
    says(Level::good, "listening on 127.0.0.1:8080: all 4 devices are here; all is stored",
         R"({"journal":{"readings":9,"dropped":0},
             "listen":{"address":"127.0.0.1:8080","devices":4,"devices_online":4}})");
}

TEST(Verdict, a_hub_that_misses_devices) {
    says(Level::warning, "listening on [::]:8080: 3 of 4 devices are here; all is stored",
         R"({"journal":{"dropped":0},
             "listen":{"address":"[::]:8080","devices":4,"devices_online":3}})");
    says(Level::warning, "listening on [::]:8080: its device is not here; all is stored",
         R"({"journal":{"dropped":0},
             "listen":{"address":"[::]:8080","devices":1,"devices_online":0}})");
    says(Level::warning, "listening on [::]:8080: none of 20 devices is here; all is stored",
         R"({"journal":{"dropped":0},
             "listen":{"address":"[::]:8080","devices":20,"devices_online":0}})");
}

TEST(Verdict, a_hub_that_nobody_has_called) {
    says(Level::good, "listening on 127.0.0.1:8080: no device has been here yet; all is stored",
         R"({"journal":{"dropped":0},"listen":{"address":"127.0.0.1:8080","devices":0}})");
}

TEST(Verdict, a_hub_whose_journal_is_full) {
    says(Level::good,
         "listening on a:1: its device is here; the journal is full: 5,000 readings dropped "
         "since the start",
         R"({"journal":{"dropped":5000},
             "listen":{"address":"a:1","devices":1,"devices_online":1}})");
}

TEST(Verdict, a_node_by_itself) {
    says(Level::good,
         "readings are kept here: there is neither an [uplink] nor a [listen]; all is stored",
         R"({"journal":{"dropped":0}})");
}

TEST(Verdict, storage_that_fails_comes_first) {
    says(Level::bad,
         "readings cannot be stored: the disk is full; listening on a:1: its device is here",
         R"({"journal":{"dropped":0,"last_error":"the disk is full"},
             "listen":{"address":"a:1","devices":1,"devices_online":1}})");
    says(Level::bad,
         "readings cannot be stored: the disk is full; connected; 5 readings wait, 2 lost",
         R"({"uplink":{"state":"live"},"journal":{"waiting_on_disk":1,"waiting_in_memory":4,
             "dropped":2,"last_error":"the disk is full"}})");
}

TEST(Verdict, a_site_gateway_tells_of_its_uplink_and_of_its_devices) {
    says(Level::warning, "connected: every reading is upstream; 1 of 2 devices is here",
         R"({"uplink":{"state":"live"},"journal":{"dropped":0},
             "listen":{"address":"a:1","devices":2,"devices_online":1}})");
}

TEST(Verdict, sensors_that_fail_are_counted) {
    says(Level::warning, "connected: every reading is upstream; 1 of 2 sensors has an error",
         R"({"uplink":{"state":"live"},"journal":{"dropped":0},
             "sensors":[{"driver":"a","last_error":"gone"},{"driver":"b"}]})");
    says(Level::warning, "connected: every reading is upstream; 2 of 2 sensors have errors",
         R"({"uplink":{"state":"live"},"journal":{"dropped":0},
             "sensors":[{"last_error":"gone"},{"last_error":"gone"}]})");
}

TEST(Verdict, what_another_version_does_not_tell_is_left_out) {
    says(Level::bad, "not connected: refused; 8 readings wait, none lost",
         R"({"uplink":{"state":"waiting","last_error":"refused"},"journal":{"backlog":8}})");
    says(Level::good,
         "readings are kept here: there is neither an [uplink] nor a [listen]; all is stored",
         "{}");
    says(Level::warning, "not connected; no reading waits, none lost",
         R"({"uplink":{"state":7,"down_s":"8","next_try_s":[]},"journal":7,"sensors":{}})");
}

TEST(Verdict, figures_out_of_all_measure_are_cut) {
    says(Level::warning,
         "not connected for 1,000,000,000,000,000 days; 1,000,000,000,000,000 readings wait, none "
         "lost",
         R"({"uplink":{"state":"waiting","down_s":1e300},
             "journal":{"waiting_on_disk":1e300,"waiting_in_memory":-7,"dropped":-1}})");
}

TEST(Verdict, causes_in_few_words) {
    const auto is = [](const char* words, const char* error) {
        STRCMP_EQUAL(words, cause_words(error).c_str());
    };
    is("the hub refuses connections", "connecting to hub:8080: connection refused");
    is("the hub does not answer", "connecting to hub:8080: no answer within 10 s");
    is("the hub does not answer", "connecting to hub:8080: Connection timed out");
    is("the hub is out of reach: there is no network",
       "connecting to hub:1: Network is unreachable");
    is("the hub is out of reach: there is no route to it", "connecting to hub:1: No route to host");
    is("the hub refuses connections", "connecting to [2001:db8::1]:8080: connection refused");
    is("the proxy p:3128 refuses connections",
       "connecting to the proxy p:3128: connection refused");
    is("looking up hub.example: no such host", "looking up hub.example: no such host");
    is("connecting to hub:1: something else", "connecting to hub:1: something else");
    is("connecting to ", "connecting to ");
    is("", "");
}
