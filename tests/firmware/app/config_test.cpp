#include "firmware/app/config.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdlib.h>
#include <string>

#include <CppUTest/TestHarness.h>

using holdfast::Duration;
using holdfast::ErrorCode;
using holdfast::app::Config;
using namespace std::chrono_literals;

namespace {

const std::string kNode = "[node]\nid = \"a\"\n";

/// An uplink to a hub, for the lines from 3 on.
const std::string kUplink = "[uplink]\nurl = \"ws://h\"\n";

holdfast::Result<Config> parse(const std::string& text,
                               const std::map<std::string, std::string>& environment = {}) {
    return holdfast::app::parse_config(text, "gw.toml", [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    });
}

/// What is wrong with `text`; "" if nothing is.
std::string problems(const std::string& text) {
    const auto config = holdfast::app::parse_config(text, "gw.toml");
    if (config) {
        return "";
    }
    CHECK(config.error().code == ErrorCode::invalid);
    return config.error().message;
}

/// `lines` follow a good [node], so the first of them is line 3.
void expect_problem(const std::string& lines, const std::string& expected) {
    STRCMP_EQUAL(expected.c_str(), problems(kNode + lines).c_str());
}

/// The uplink of a file with `lines` in [uplink], which is right.
Config::Uplink uplink_of(const std::string& lines,
                         const std::map<std::string, std::string>& environment = {},
                         const std::string& url = "ws://hub.example") {
    const auto config = parse(kNode + ("[uplink]\nurl = \"" + url + "\"\n") + lines, environment);
    STRCMP_EQUAL("", config ? "" : config.error().message.c_str());
    return config && config->uplink ? *config->uplink : Config::Uplink{};
}

}  // namespace

TEST_GROUP(Config) {
    std::filesystem::path directory;
    void setup() override {
        std::string name = (std::filesystem::temp_directory_path() / "holdfast-XXXXXX").native();
        directory = mkdtemp(name.data());
    }
    void teardown() override {
        std::filesystem::remove_all(directory);
        directory.clear();
    }
    std::string file(const std::string& name, const std::string& text = "x") const {
        std::ofstream(directory / name) << text;
        return (directory / name).native();
    }
};

TEST(Config, every_key_but_two_has_its_default) {
    const auto config = holdfast::app::parse_config(
        "[node]\nid = \"a\"\n[uplink]\nurl = \"ws://hub\"\n[listen]\n", "gw.toml");
    CHECK(config.has_value());
    STRCMP_EQUAL("a", config->node.id.c_str());
    STRCMP_EQUAL("/var/lib/holdfast", config->node.data_dir.c_str());
    CHECK(config->journal.max_size_bytes == 256u << 20u);
    CHECK(config->journal.when_full == holdfast::journal::WhenFull::drop_oldest);
    CHECK(config->journal.commit_interval == 200ms);
    CHECK(config->journal.memory_bytes == 1u << 20u);
    STRCMP_EQUAL("ws://hub", config->uplink->url.c_str());
    CHECK(config->uplink->token_file.empty());
    CHECK(!config->uplink->heartbeat.has_value());
    CHECK(config->uplink->heartbeat_min == 4s && config->uplink->heartbeat_max == 30min);
    CHECK(!config->uplink->proxy.has_value());
    CHECK(config->uplink->pong_timeout == 10s);
    CHECK(config->uplink->connect_timeout == 10s);
    STRCMP_EQUAL("127.0.0.1:8080", config->listen->address.c_str());
    CHECK(config->listen->max_connections == 10'000);
    CHECK(config->listen->idle_timeout == 75s);
    CHECK(config->listen->message_timeout == 5min);
    CHECK(config->listen->deflate.enabled && !config->listen->deflate.context_takeover);
    CHECK(!config->uplink->deflate.enabled);
    CHECK(config->listen->max_message_bytes == 1u << 20u);
    CHECK(config->sensors.empty());
    STRCMP_EQUAL("info", config->log.level.c_str());
}

TEST(Config, a_node_alone_has_neither_uplink_nor_listener) {
    const auto config = holdfast::app::parse_config(kNode, "gw.toml");
    CHECK(config.has_value());
    CHECK(!config->uplink);
    CHECK(!config->listen);
}

TEST(Config, every_key_is_read) {
    const std::string some = file("some");
    const auto config = holdfast::app::parse_config(
        "[node]\nid = \"green-house_7.x\"\ndata_dir = \"/d\"\n"
        "[journal]\nmax_size = \"1 MiB\"\nwhen_full = \"refuse-new\"\ncommit_interval = \"1 ms\"\n"
        "memory = \"64 KiB\"\n"
        "[uplink]\nurl = \"wss://hub.example.com:8443/v1/uplink\"\ntoken_file = \"" +
            some + "\"\nca_file = \"" + some + "\"\ncert_file = \"" + some + "\"\nkey_file = \"" +
            some +
            "\"\nheartbeat = \"1 h\"\npong_timeout = \"100ms\"\nconnect_timeout = \"1.5 s\"\n"
            "retry_min = \"10 ms\"\nretry_max = \"1 min\"\ndeflate = \"shared\"\n"
            "message_timeout = \"2 h\"\nproxy = \"http://u:p@proxy.example:3128\"\n"
            "[listen]\naddress = \"[::]:0\"\ntls_cert = \"" +
            some + "\"\ntls_key = \"" + some + "\"\nclient_ca = \"" + some +
            "\"\nallowed_origins = [\"https://ops.example.com\", \"*\"]\nmax_connections = 5\n"
            "handshake_timeout = \"2 s\"\nidle_timeout = \"3 s\"\nmax_message = \"4 KiB\"\n"
            "message_timeout = \"4 s\"\ndeflate = \"context-takeover\"\nshare_port = true\n"
            "[[sensor]]\ndriver = \"hwmon\"\ninterval = \"10 ms\"\non_change = true\n"
            "dead_band = 0.5\n[[sensor]]\ndriver = \"lines\"\npath = \"-\"\n"
            "[log]\nlevel = \"debug\"\n",
        "gw.toml");
    STRCMP_EQUAL("", config ? "" : config.error().message.c_str());
    STRCMP_EQUAL("green-house_7.x", config->node.id.c_str());
    STRCMP_EQUAL("/d", config->node.data_dir.c_str());
    CHECK(config->journal.max_size_bytes == 1u << 20u);
    CHECK(config->journal.when_full == holdfast::journal::WhenFull::refuse_new);
    CHECK(config->journal.commit_interval == 1ms);
    CHECK(config->journal.memory_bytes == 64u << 10u);
    CHECK(config->uplink->token_file == some && config->uplink->ca_file == some);
    CHECK(config->uplink->cert_file == some && config->uplink->key_file == some);
    CHECK(config->uplink->heartbeat == 1h && config->uplink->pong_timeout == 100ms);
    CHECK(config->uplink->connect_timeout == 1500ms);
    CHECK(config->uplink->message_timeout == 2h);
    STRCMP_EQUAL("proxy.example:3128", config->uplink->proxy->authority().c_str());
    CHECK(config->uplink->proxy->user == "u" && config->uplink->proxy->password == "p");
    CHECK(config->uplink->retry_min == 10ms && config->uplink->retry_max == 1min);
    STRCMP_EQUAL("[::]:0", config->listen->address.c_str());
    CHECK(config->listen->tls_cert == some && config->listen->tls_key == some);
    CHECK(config->listen->client_ca == some);
    LONGS_EQUAL(2, config->listen->allowed_origins.size());
    CHECK(config->listen->max_connections == 5);
    CHECK(config->listen->handshake_timeout == 2s && config->listen->idle_timeout == 3s);
    CHECK(config->listen->message_timeout == 4s && config->listen->share_port);
    CHECK(config->listen->deflate.enabled && config->listen->deflate.context_takeover);
    CHECK(config->uplink->deflate.enabled && !config->uplink->deflate.context_takeover);
    CHECK(config->listen->max_message_bytes == 4u << 10u);
    LONGS_EQUAL(2, config->sensors.size());
    STRCMP_EQUAL("hwmon", config->sensors[0].driver.c_str());
    CHECK(config->sensors[0].interval == 10ms && config->sensors[0].on_change);
    DOUBLES_EQUAL(0.5, config->sensors[0].dead_band, 0);
    STRCMP_EQUAL("-", config->sensors[1].path.c_str());
    STRCMP_EQUAL("debug", config->log.level.c_str());
}

TEST(Config, an_unknown_key_is_told_with_the_one_that_was_meant) {
    expect_problem("[listen]\nadress = \"127.0.0.1:1\"\n",
                   "gw.toml:4: listen.adress: unknown key; did you mean \"address\"?");
    expect_problem("[node.x]\n", "gw.toml:3: node.x: unknown key; there are \"id\", \"data_dir\"");
    expect_problem("[jurnal]\n", "gw.toml:3: jurnal: unknown section; did you mean [journal]?");
    expect_problem("[[sensors]]\n", "gw.toml:3: sensors: unknown section; did you mean [sensor]?");
    expect_problem("[mqtt]\n",
                   "gw.toml:3: mqtt: unknown section; there are [node], [journal], [uplink], "
                   "[listen], [log], [sensor]");
    STRCMP_EQUAL(
        "gw.toml:1: node.id: is missing; the file needs [node] and id = \"greenhouse-7\" in it\n"
        "gw.toml:1: id: unknown key; it stands before any section, such as [node]",
        problems("id = \"a\"\n").c_str());
}

TEST(Config, a_missing_unit_is_told_with_the_value_that_has_it) {
    expect_problem("[journal]\nmax_size = \"256\"\n",
                   "gw.toml:4: journal.max_size: \"256\" has no unit; write it as \"256 MiB\"");
    expect_problem("[journal]\nmax_size = 256\n",
                   "gw.toml:4: journal.max_size: 256 has no unit; write it as \"256 MiB\"");
    expect_problem("[journal]\ncommit_interval = 1.5\n",
                   "gw.toml:4: journal.commit_interval: 1.5 has no unit; write it as \"1.5 s\"");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\ninterval = \"1\"\n",
                   "gw.toml:5: sensor.interval: \"1\" has no unit; write it as \"1 s\"");
    expect_problem("[journal]\nmax_size = \"2 parsec\"\n",
                   "gw.toml:4: journal.max_size: \"2 parsec\" has an unknown unit; write it like "
                   "\"256 MiB\" or \"64 KiB\"");
}

TEST(Config, a_wrong_type_is_told_with_the_right_one) {
    expect_problem("[listen]\nallowed_origins = \"https://x.example\"\n",
                   "gw.toml:4: listen.allowed_origins: is a string; an array of strings is "
                   "expected, as in [\"https://ops.example.com\"]");
    expect_problem("[listen]\nallowed_origins = [\n \"https://x.example\",\n 5]\n",
                   "gw.toml:6: listen.allowed_origins: holds an integer; an array of strings is "
                   "expected, as in [\"https://ops.example.com\"]");
    expect_problem("[listen]\nmax_connections = \"many\"\n",
                   "gw.toml:4: listen.max_connections: is a string; an integer is expected, as in "
                   "10000");
    expect_problem("[listen]\naddress = 8080\n",
                   "gw.toml:4: listen.address: is an integer; a string is expected, as in "
                   "\"127.0.0.1:8080\"");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\non_change = \"yes\"\n",
                   "gw.toml:5: sensor.on_change: is a string; a boolean is expected, as in true");
    expect_problem("[journal]\nmax_size = true\n",
                   "gw.toml:4: journal.max_size: is a boolean; a size is expected, as in "
                   "\"256 MiB\"");
    expect_problem("[sensor]\ndriver = \"hwmon\"\n",
                   "gw.toml:3: sensor: is a table; sections [[sensor]], in two brackets, are "
                   "expected");
    STRCMP_EQUAL("gw.toml:1: node: is an integer; a section [node] is expected",
                 problems("node = 3\n").c_str());
}

TEST(Config, a_value_out_of_range_is_told_with_the_range) {
    expect_problem("[journal]\nmax_size = \"10 KiB\"\n",
                   "gw.toml:4: journal.max_size: \"10 KiB\" is out of range; from \"1 MiB\" to "
                   "\"1 TiB\" is possible");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\ninterval = \"9 ms\"\n",
                   "gw.toml:5: sensor.interval: \"9 ms\" is out of range; from \"10 ms\" to "
                   "\"1 d\" is possible");
    expect_problem("[listen]\nmax_connections = 0\n",
                   "gw.toml:4: listen.max_connections: 0 is out of range; from 1 to 1000000 is "
                   "possible");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\non_change = true\ndead_band = -1\n",
                   "gw.toml:6: sensor.dead_band: must be a number from 0 on");
    expect_problem("[uplink]\nurl = \"ws://h\"\nretry_min = \"2 s\"\nretry_max = \"1 s\"\n",
                   "gw.toml:6: uplink.retry_max: \"1 s\" is out of range; from \"2 s\" to \"1 h\" "
                   "is possible");
    CHECK(problems(kNode + "[journal]\nmax_size = \"1 MiB\"\n").empty());
    CHECK(problems(kNode + "[listen]\nmax_connections = 1000000\n").empty());
}

TEST(Config, a_word_that_is_none_of_the_choices_is_told_with_them) {
    expect_problem("[journal]\nwhen_full = \"drop\"\n",
                   "gw.toml:4: journal.when_full: \"drop\" is unknown; there are \"drop-oldest\", "
                   "\"refuse-new\"");
    expect_problem("[log]\nlevel = \"warn\"\n",
                   "gw.toml:4: log.level: \"warn\" is unknown; there are \"trace\", \"debug\", "
                   "\"info\", \"warning\", \"error\"");
}

TEST(Config, what_is_required_is_missed) {
    STRCMP_EQUAL(
        "gw.toml:1: node.id: is missing; the file needs [node] and id = \"greenhouse-7\" in it",
        problems("").c_str());
    STRCMP_EQUAL(
        "gw.toml:2: node.id: is missing; it is this node's name, as in id = \"greenhouse-7\"",
        problems("\n[node]\n").c_str());
    expect_problem("[uplink]\n",
                   "gw.toml:3: uplink.url: is missing; it names the hub, as in url = "
                   "\"wss://hub.example.com/v1/uplink\"");
    expect_problem("[[sensor]]\n",
                   "gw.toml:3: sensor.driver: is missing; write it like driver = \"hwmon\"");
    expect_problem("[[sensor]]\ndriver = \"lines\"\n",
                   "gw.toml:3: sensor.path: is missing; lines come from a file, a FIFO or \"-\" "
                   "(standard input), as in path = \"/run/holdfast/readings\"");
}

TEST(Config, a_node_id_holds_what_fits_into_paths_and_urls) {
    STRCMP_EQUAL(
        "gw.toml:2: node.id: \"a b\" may hold letters, digits, '.', '_' and '-' only, as "
        "in \"greenhouse-7\"",
        problems("[node]\nid = \"a b\"\n").c_str());
    STRCMP_EQUAL("", problems("[node]\nid = \"" + std::string(64, 'x') + "\"\n").c_str());
    STRCMP_EQUAL("gw.toml:2: node.id: has 65 characters; at most 64 are possible",
                 problems("[node]\nid = \"" + std::string(65, 'x') + "\"\n").c_str());
    STRCMP_EQUAL("gw.toml:2: node.id: is empty; write it like \"greenhouse-7\"",
                 problems("[node]\nid = \"\"\n").c_str());
}

TEST(Config, a_file_that_is_named_but_absent_is_told_with_its_path) {
    expect_problem("[uplink]\nurl = \"ws://h\"\ntoken_file = \"/nonexistent/token\"\n",
                   "gw.toml:5: uplink.token_file: \"/nonexistent/token\" is not there");
    expect_problem("[uplink]\nurl = \"wss://h\"\nca_file = \"/nonexistent/ca\"\n",
                   "gw.toml:5: uplink.ca_file: \"/nonexistent/ca\" is not there");
    expect_problem("[uplink]\nurl = \"ws://h\"\nca_file = \"/nonexistent/ca\"\n", "");
    expect_problem("[uplink]\nurl = \"ws://h\"\ntoken_file = \"" + directory.native() + "\"\n",
                   "gw.toml:5: uplink.token_file: \"" + directory.native() +
                       "\" is a directory; a file is expected");
    expect_problem("[[sensor]]\ndriver = \"lines\"\npath = \"/nonexistent/fifo\"\n", "");
}

TEST(Config, certificate_and_key_come_together) {
    const std::string some = file("some");
    expect_problem("[listen]\ntls_cert = \"" + some + "\"\n",
                   "gw.toml:4: listen.tls_cert: needs tls_key beside it");
    expect_problem("[listen]\ntls_key = \"" + some + "\"\n",
                   "gw.toml:4: listen.tls_key: needs tls_cert beside it");
    expect_problem("[uplink]\nurl = \"ws://h\"\ncert_file = \"" + some + "\"\n",
                   "gw.toml:5: uplink.cert_file: needs key_file beside it");
    expect_problem("[listen]\nclient_ca = \"" + some + "\"\n",
                   "gw.toml:4: listen.client_ca: needs tls_cert and tls_key beside it");
}

TEST(Config, an_url_or_address_that_cannot_be_is_told) {
    expect_problem("[uplink]\nurl = \"https://hub\"\n",
                   "gw.toml:4: uplink.url: begins with \"https://\"; a WebSocket's begins with "
                   "\"wss://\" or \"ws://\"");
    expect_problem("[uplink]\nurl = \"ws://u:p@hub\"\n",
                   "gw.toml:4: uplink.url: holds a user or a password; a hub asks for a token "
                   "(token_file)");
    STRCMP_CONTAINS("gw.toml:4: uplink.url: ",
                    problems(kNode + "[uplink]\nurl = \"hub\"\n").c_str());
    for (const std::string address : {"8080", "localhost", "127.0.0.1:", "127.0.0.1:65536", ":80",
                                      "::1:80", "[::1:80", "a]:80", "h:8o"}) {
        expect_problem("[listen]\naddress = \"" + address + "\"\n",
                       "gw.toml:4: listen.address: \"" + address +
                           "\" is no address with a port; write it like \"127.0.0.1:8080\", "
                           "\"0.0.0.0:8443\" or \"[::]:8443\"");
    }
    expect_problem("[listen]\nallowed_origins = [\"https://x.example/\"]\n",
                   "gw.toml:4: listen.allowed_origins: \"https://x.example/\" is no origin; write "
                   "it like \"https://ops.example.com\", without a path");
}

TEST(Config, a_driver_that_does_not_exist_is_told_with_those_that_do) {
    expect_problem("[[sensor]]\ndriver = \"hwmonn\"\n",
                   "gw.toml:4: sensor.driver: there is no driver \"hwmonn\"; there are \"hwmon\", "
                   "\"thermal\", \"iio\", \"procfs\", \"lines\"");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\npath = \"/x\"\n",
                   "gw.toml:5: sensor.path: is for the driver \"lines\" only");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\ndead_band = 0.5\n",
                   "gw.toml:5: sensor.dead_band: is of use only with on_change = true");
}

TEST(Config, what_is_given_twice_is_told) {
    expect_problem("id = \"b\"\n",
                   "gw.toml:3: \"id\" is there already; a key or section may be given once only");
    expect_problem("[log]\n[node]\n",
                   "gw.toml:4: \"node\" is there already; a key or section may be given once only");
    expect_problem("[[sensor]]\ndriver = \"hwmon\"\n[[sensor]]\ndriver = \"hwmon\"\n",
                   "gw.toml:6: sensor.driver: \"hwmon\" is read by the [[sensor]] in line 3 "
                   "already");
    expect_problem(
        "[[sensor]]\ndriver = \"lines\"\npath = \"a\"\n"
        "[[sensor]]\ndriver = \"lines\"\npath = \"b\"\n"
        "[[sensor]]\ndriver = \"lines\"\npath = \"a\"\n",
        "gw.toml:11: sensor.path: \"a\" is read by the [[sensor]] in line 3 already");
}

TEST(Config, the_heartbeat_is_adaptive_within_bounds_or_fixed) {
    const auto adaptive =
        uplink_of("heartbeat = \"adaptive\"\nheartbeat_min = \"1 s\"\nheartbeat_max = \"1 h\"\n");
    CHECK(!adaptive.heartbeat.has_value());
    CHECK(adaptive.heartbeat_min == 1s && adaptive.heartbeat_max == 1h);
    CHECK(uplink_of("heartbeat = \"1 s\"\n").heartbeat == Duration(1s));
    const auto equal = uplink_of("heartbeat_min = \"9 s\"\nheartbeat_max = \"9 s\"\n");
    CHECK(equal.heartbeat_min == 9s && equal.heartbeat_max == 9s);
}

TEST(Config, a_heartbeat_that_cannot_be_is_told) {
    expect_problem(kUplink + "heartbeat = \"999 ms\"\n",
                   "gw.toml:5: uplink.heartbeat: \"999 ms\" is out of range; from \"1 s\" to "
                   "\"1 h\" is possible");
    expect_problem(kUplink + "heartbeat_min = \"999 ms\"\n",
                   "gw.toml:5: uplink.heartbeat_min: \"999 ms\" is out of range; from \"1 s\" to "
                   "\"1 h\" is possible");
    expect_problem(kUplink + "heartbeat_min = \"10 s\"\nheartbeat_max = \"9 s\"\n",
                   "gw.toml:6: uplink.heartbeat_max: \"9 s\" is out of range; from \"10 s\" to "
                   "\"1 h\" is possible");
    expect_problem(kUplink + "heartbeat_max = \"61 min\"\n",
                   "gw.toml:5: uplink.heartbeat_max: \"61 min\" is out of range; from \"4 s\" to "
                   "\"1 h\" is possible");
    expect_problem(kUplink + "heartbeat_min = \"31 min\"\n",
                   "gw.toml:5: uplink.heartbeat_min: is longer than heartbeat_max, \"30 min\"");
    expect_problem(kUplink + "heartbeat = \"25 s\"\nheartbeat_min = \"10 s\"\n",
                   "gw.toml:6: uplink.heartbeat_min: is of use only with heartbeat = "
                   "\"adaptive\"");
    expect_problem(kUplink + "heartbeat = \"25 s\"\nheartbeat_max = \"10 s\"\n",
                   "gw.toml:6: uplink.heartbeat_max: is of use only with heartbeat = "
                   "\"adaptive\"");
    expect_problem(
        kUplink + "heartbeat = \"adaptiv\"\n",
        "gw.toml:5: uplink.heartbeat: \"adaptiv\" does not begin with a number; write it "
        "like \"25 s\" or \"200 ms\", or \"adaptive\"");
    expect_problem(kUplink + "heartbeat = \"\"\nheartbeat = 1\n",
                   "gw.toml:6: \"heartbeat\" is there already; a key or section may be given once "
                   "only");
}

TEST(Config, a_proxy_that_cannot_be_is_told_without_what_may_be_its_password) {
    const auto proxy = [](const std::string& value, const std::string& expected) {
        expect_problem(kUplink + "proxy = \"" + value + "\"\n",
                       "gw.toml:5: uplink.proxy: " + expected);
    };
    proxy("http://proxy.example",
          "names no port; there is no agreed one, so write it like \"http://proxy.example:3128\"");
    proxy("socks5://u:secret@p:1080",
          "begins with \"socks5://\"; a proxy that is spoken to in plain HTTP is what this version "
          "can use: \"http://proxy.example:3128\"");
    proxy("http://u:secret@p:port", "has a port that is not a number from 1 to 65535");
    expect_problem(kUplink + "proxy = 3128\n",
                   "gw.toml:5: uplink.proxy: is an integer; a string is expected, as in "
                   "\"http://proxy.example:3128\"");
    expect_problem(kUplink + "proxi = \"http://u:secret@p:1\"\n",
                   "gw.toml:5: uplink.proxi: unknown key; did you mean \"proxy\"?");
}

TEST(Config, without_a_key_the_environment_names_the_proxy) {
    const auto proxy_of = [](const std::map<std::string, std::string>& environment,
                             const std::string& url = "ws://hub.example") {
        const auto proxy = uplink_of("", environment, url).proxy;
        return proxy ? proxy->authority() : "none";
    };
    STRCMP_EQUAL("none", proxy_of({}).c_str());
    STRCMP_EQUAL("a:1", proxy_of({{"https_proxy", "http://u:p@a:1/"}}).c_str());
    STRCMP_EQUAL("b:2", proxy_of({{"HTTPS_PROXY", "b:2"}}).c_str());
    STRCMP_EQUAL("a:1", proxy_of({{"https_proxy", "a:1"}, {"HTTPS_PROXY", "b:2"}}).c_str());
    STRCMP_EQUAL("none", proxy_of({{"http_proxy", "a:1"}, {"all_proxy", "a:1"}}).c_str());
    // Exceptions, lower case first; what is not used need not be right.
    STRCMP_EQUAL("none", proxy_of({{"https_proxy", "a:x"}, {"no_proxy", "example"}}).c_str());
    STRCMP_EQUAL("none", proxy_of({{"https_proxy", "a:1"}, {"NO_PROXY", ".hub.example"}}).c_str());
    STRCMP_EQUAL(
        "a:1",
        proxy_of({{"https_proxy", "a:1"}, {"no_proxy", "elsewhere.example"}, {"NO_PROXY", "*"}})
            .c_str());
    STRCMP_EQUAL("a:1",
                 proxy_of({{"https_proxy", "a:1"}, {"no_proxy", "hub.example:443"}}).c_str());
    STRCMP_EQUAL("none",
                 proxy_of({{"https_proxy", "a:1"}, {"no_proxy", "hub.example:80"}}).c_str());
    for (const std::string here : {"ws://localhost", "ws://127.0.0.1:8080/x", "ws://[::1]:8080"}) {
        STRCMP_EQUAL("none", proxy_of({{"https_proxy", "a:1"}}, here).c_str());
    }
}

TEST(Config, a_proxy_in_the_file_stands_before_the_environment_and_its_exceptions) {
    const std::map<std::string, std::string> environment{{"https_proxy", "a:1"}, {"no_proxy", "*"}};
    STRCMP_EQUAL("f:9", uplink_of("proxy = \"f:9\"\n", environment).proxy->authority().c_str());
    CHECK(!uplink_of("proxy = \"\"\n", {{"https_proxy", "a:1"}}).proxy.has_value());
    CHECK(!uplink_of("proxy = \"\"\n", {{"https_proxy", "bad"}}).proxy.has_value());
}

TEST(Config, a_bad_proxy_in_the_environment_is_told_with_the_variable) {
    for (const std::string name : {"https_proxy", "HTTPS_PROXY"}) {
        const auto config = parse(kNode + kUplink, {{name, "http://u:secret@p"}});
        STRCMP_EQUAL(
            ("gw.toml:3: uplink.proxy: is not given here, and the environment variable " + name +
             " names no port; there is no agreed one, so write it like "
             "\"http://proxy.example:3128\"")
                .c_str(),
            config.error().message.c_str());
    }
    CHECK(parse(kNode, {{"https_proxy", "bad"}}).has_value());  // no uplink, no proxy
}

TEST(Config, the_least_wait_is_not_above_the_default_of_the_longest) {
    expect_problem("[uplink]\nurl = \"ws://h\"\nretry_min = \"2 min\"\n",
                   "gw.toml:5: uplink.retry_min: is longer than retry_max, \"1 min\"");
}

TEST(Config, syntax_errors_carry_their_line) {
    for (const std::string bad : {"x = \n", "x = \"open\n", "[open\n", "= 5\n", "x = 08\n",
                                  "\xFF\n", "x = [1, 2\n", "[&\n", "[é\n", "[\xEF\xBB\xBF\n"}) {
        const std::string problem = problems(kNode + bad);
        CHECK_TEXT(problem.starts_with("gw.toml:3: not TOML: ") ||
                       problem.starts_with("gw.toml:4: not TOML: "),
                   problem.c_str());
    }
}

TEST(Config, a_sentence_stays_on_its_line) {
    expect_problem("[log]\nlevel = \"a\\nb\\u001b\"\n",
                   "gw.toml:4: log.level: \"a\\nb\\u001b\" is unknown; there are \"trace\", "
                   "\"debug\", \"info\", \"warning\", \"error\"");
    expect_problem("x = i\n", "gw.toml:3: not TOML: expected 'inf', saw 'i\\n'");
}

TEST(Config, all_that_is_wrong_is_told_at_once_in_the_order_of_the_file) {
    STRCMP_EQUAL(
        "gw.toml:2: log.level: \"loud\" is unknown; there are \"trace\", \"debug\", \"info\", "
        "\"warning\", \"error\"\n"
        "gw.toml:4: node.id: is empty; write it like \"greenhouse-7\"\n"
        "gw.toml:5: node.data: unknown key; there are \"id\", \"data_dir\"\n"
        "gw.toml:7: journal.memory: \"1\" has no unit; write it as \"1 MiB\"",
        problems("[log]\nlevel = \"loud\"\n[node]\nid = \"\"\ndata = 1\n[journal]\n"
                 "memory = \"1\"\n")
            .c_str());
}

TEST(Config, a_file_is_named_in_its_problems_and_read_as_text_is) {
    const std::string path = file("my.toml", "[node]\nid = \"a\"\nx = 1\n");
    const auto wrong = holdfast::app::load_config(path);
    STRCMP_EQUAL((path + ":3: node.x: unknown key; there are \"id\", \"data_dir\"").c_str(),
                 wrong.error().message.c_str());
    CHECK(holdfast::app::load_config(file("good.toml", kNode)).has_value());
}

TEST(Config, a_file_that_cannot_be_read_is_not_found) {
    const auto absent = holdfast::app::load_config("/nonexistent/gw.toml");
    CHECK(absent.error().code == ErrorCode::not_found);
    STRCMP_EQUAL("the configuration file \"/nonexistent/gw.toml\" is not there",
                 absent.error().message.c_str());
    CHECK(holdfast::app::load_config(directory).error().code == ErrorCode::not_found);
}

TEST(Config, the_examples_that_are_installed_are_right) {
    // Their files are those of a device; all else must be in order.
    for (const std::string name : {"holdfast.toml", "hub.toml"}) {
        const std::filesystem::path examples = std::filesystem::path(EXAMPLES_DIRECTORY) / name;
        const auto config = holdfast::app::load_config(examples);
        std::string message = config ? "" : config.error().message + "\n";
        for (std::size_t at = 0; at < message.size();) {
            const std::size_t end = message.find('\n', at);
            STRCMP_CONTAINS("is not there", message.substr(at, end - at).c_str());
            at = end + 1;
        }
    }
}
