#include "firmware/app/config_keys.h"

#include <algorithm>
#include <utility>

#include "firmware/base/text.h"
#include "firmware/http/message.h"
#include "platform/sensors/driver.h"

namespace holdfast::app {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kKiB = 1u << 10u;
constexpr std::uint64_t kMiB = 1u << 20u;
constexpr std::uint64_t kGiB = 1u << 30u;
/// So much smaller than the journal is what is written at once.
constexpr std::uint64_t kWritesInJournal = 8;
constexpr std::size_t kLongestId = 64;

bool is_id_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

/// Two files that are of use only together.
void require_pair(Section& section, std::string_view a, std::string_view b) {
    if (section.has(a) && !section.has(b)) {
        section.problem(a, "needs " + std::string(b) + " beside it");
    } else if (section.has(b) && !section.has(a)) {
        section.problem(b, "needs " + std::string(a) + " beside it");
    }
}

void read_deflate(Section& section, websocket::DeflatePolicy& policy) {
    std::size_t choice = 0;
    if (section.choice("deflate", choice, {"off", "shared", "context-takeover"})) {
        policy.enabled = choice != 0;
        policy.context_takeover = choice == 2;
    }
}

/// Whether the line will be TLS.
bool read_url(Section& section, std::string& url) {
    constexpr std::string_view kExample = "\"wss://hub.example.com/v1/uplink\"";
    if (!section.has("url")) {
        section.problem("url",
                        "is missing; it names the hub, as in url = " + std::string(kExample));
    }
    if (!section.text("url", url, kExample)) {
        return false;
    }
    const auto parsed = http::parse_url(url);
    if (!parsed) {
        section.problem("url", parsed.error().message);
        return false;
    }
    if (parsed->scheme != "ws" && parsed->scheme != "wss") {
        section.problem("url", "begins with " + in_quotes(parsed->scheme + "://") +
                                   "; a WebSocket's begins with \"wss://\" or \"ws://\"");
    } else if (!parsed->user.empty() || !parsed->password.empty()) {
        section.problem("url", "holds a user or a password; a hub asks for a token (token_file)");
    }
    return parsed->scheme == "wss";
}

void read_heartbeat(Section& section, Config::Uplink& uplink) {
    if (Duration fixed{}; !section.is("heartbeat", "adaptive") &&
                          section.duration("heartbeat", fixed, 1s, 1h, "adaptive")) {
        uplink.heartbeat = fixed;
    }
    section.duration("heartbeat_min", uplink.heartbeat_min, 1s, 1h);
    section.duration("heartbeat_max", uplink.heartbeat_max, uplink.heartbeat_min, 1h);
    if (uplink.heartbeat) {
        for (const std::string_view bound : {"heartbeat_min", "heartbeat_max"}) {
            if (section.has(bound)) {
                section.problem(bound, "is of use only with heartbeat = \"adaptive\"");
            }
        }
    } else if (uplink.heartbeat_max < uplink.heartbeat_min) {
        section.problem("heartbeat_min", "is longer than heartbeat_max, " +
                                             in_quotes(format_duration(uplink.heartbeat_max)));
    }
}

/// The first of two variables that is set, and its value.
std::pair<const char*, std::string> either(const Environment& environment, const char* first,
                                           const char* second) {
    std::string value = environment(first);
    return value.empty() ? std::pair(second, environment(second)) : std::pair(first, value);
}

void read_proxy(Section& section, Config::Uplink& uplink, const Environment& environment) {
    const auto take = [&](std::string_view text, std::string_view where) {
        Result<http::Proxy> proxy = http::parse_proxy(text);
        if (proxy) {
            uplink.proxy = *std::move(proxy);
        } else {
            section.problem("proxy", std::string(where) + proxy.error().message);
        }
    };
    if (section.is("proxy", "")) {
        return;
    }
    if (std::string text; section.text("proxy", text, "\"http://proxy.example:3128\"")) {
        take(text, "");
    }
    const auto url = http::parse_url(uplink.url);
    if (section.has("proxy") || !environment || !url || http::is_loopback(url->host)) {
        return;
    }
    const auto [name, value] = either(environment, "https_proxy", "HTTPS_PROXY");
    if (!value.empty() && !http::bypasses_proxy(either(environment, "no_proxy", "NO_PROXY").second,
                                                url->host, url->port)) {
        take(value, "is not given here, and the environment variable " + std::string(name) + " ");
    }
}

void check_address(Section& section, const std::string& address) {
    const std::size_t colon = address.rfind(':');
    const bool bracketed = address.starts_with('[');
    const std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
    const bool digits = !port.empty() && port.size() <= 5 &&
                        port.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(port) > 65535 || host.empty() || bracketed != host.ends_with(']') ||
        (!bracketed && host.find(':') != std::string::npos)) {
        section.problem("address", in_quotes(address) +
                                       " is no address with a port; write it like "
                                       "\"127.0.0.1:8080\", \"0.0.0.0:8443\" or \"[::]:8443\"");
    }
}

void check_origins(Section& section, const std::vector<std::string>& origins) {
    for (const std::string& origin : origins) {
        if (origin == "*") {
            continue;
        }
        const auto url = http::parse_url(origin);
        if (!url || !url->scheme.starts_with("http") || url->target != "/" ||
            origin.ends_with('/') || !url->user.empty()) {
            section.problem("allowed_origins", in_quotes(origin) +
                                                   " is no origin; write it like "
                                                   "\"https://ops.example.com\", without a path");
        }
    }
}

void check_driver(Section& section, const std::string& driver) {
    std::vector<std::string_view> names;
    for (const sensors::DriverType& type : sensors::driver_types()) {
        names.push_back(type.name);
    }
    names.emplace_back("lines");
    if (std::ranges::find(names, driver) == names.end()) {
        // All of them: who guesses a name wants to know what there is.
        std::string all;
        for (const std::string_view name : names) {
            all.append(all.empty() ? "" : ", ").append(in_quotes(name));
        }
        section.problem("driver", "there is no driver " + in_quotes(driver) + "; there are " + all);
    }
}

}  // namespace

void read_node(Section& section, Config::Node& node) {
    if (!section.has("id")) {
        section.problem("id", "is missing; it is this node's name, as in id = \"greenhouse-7\"");
    }
    if (section.text("id", node.id, "\"greenhouse-7\"")) {
        if (!std::ranges::all_of(node.id, is_id_character)) {
            section.problem("id", in_quotes(node.id) +
                                      " may hold letters, digits, '.', '_' and '-' only, as in "
                                      "\"greenhouse-7\"");
        } else if (node.id.size() > kLongestId) {
            section.problem("id", "has " + std::to_string(node.id.size()) +
                                      " characters; at most 64 are possible");
        }
    }
    section.path("data_dir", node.data_dir, "\"/var/lib/holdfast\"");
}

void read_journal(Section& section, Config::Journal& journal) {
    section.size("max_size", journal.max_size_bytes, kMiB, kMiB << 20u);
    std::size_t policy = 0;
    if (section.choice("when_full", policy, {"drop-oldest", "refuse-new"})) {
        journal.when_full =
            policy == 0 ? journal::WhenFull::drop_oldest : journal::WhenFull::refuse_new;
    }
    section.duration("commit_interval", journal.commit_interval, 1ms, 1h);
    // One write must fit beside what it makes room for.
    const std::uint64_t share = journal.max_size_bytes / kWritesInJournal;
    journal.memory_bytes = std::min(journal.memory_bytes, share);
    section.size("memory", journal.memory_bytes, 64 * kKiB, std::min(kGiB, share));
}

void read_uplink(Section& section, Config::Uplink& uplink, const Environment& environment) {
    const bool tls = read_url(section, uplink.url);
    section.file("token_file", uplink.token_file, "\"/etc/holdfast/token\"");
    section.path("ca_file", uplink.ca_file, "\"/etc/ssl/certs/ca-certificates.crt\"");
    if (const std::string why = why_unreadable(uplink.ca_file); tls && !why.empty()) {
        section.problem(
            section.has("ca_file") ? "ca_file" : "url",
            section.has("ca_file")
                ? why
                : "wss:// needs the certificates of authorities, but ca_file's default " + why +
                      "; install ca-certificates or name a ca_file");
    }
    section.file("cert_file", uplink.cert_file, "\"/etc/holdfast/device.crt\"");
    section.file("key_file", uplink.key_file, "\"/etc/holdfast/device.key\"");
    require_pair(section, "cert_file", "key_file");
    read_heartbeat(section, uplink);
    section.duration("pong_timeout", uplink.pong_timeout, 100ms, 10min);
    section.duration("connect_timeout", uplink.connect_timeout, 100ms, 10min);
    section.duration("retry_min", uplink.retry_min, 10ms, 1h);
    section.duration("retry_max", uplink.retry_max, uplink.retry_min, 1h);
    if (uplink.retry_max < uplink.retry_min) {
        section.problem("retry_min", "is longer than retry_max, " +
                                         in_quotes(format_duration(uplink.retry_max)));
    }
    section.duration("message_timeout", uplink.message_timeout, 100ms, 24h);
    read_deflate(section, uplink.deflate);
    read_proxy(section, uplink, environment);
}

void read_listen(Section& section, Config::Listen& listen, std::uint64_t journal_bytes) {
    if (section.text("address", listen.address, "\"127.0.0.1:8080\"")) {
        check_address(section, listen.address);
    }
    section.file("tls_cert", listen.tls_cert, "\"/etc/holdfast/hub.crt\"");
    section.file("tls_key", listen.tls_key, "\"/etc/holdfast/hub.key\"");
    require_pair(section, "tls_cert", "tls_key");
    section.file("client_ca", listen.client_ca, "\"/etc/holdfast/devices-ca.crt\"");
    if (section.has("client_ca") && !section.has("tls_cert")) {
        section.problem("client_ca", "needs tls_cert and tls_key beside it");
    }
    if (section.texts("allowed_origins", listen.allowed_origins, "[\"https://ops.example.com\"]")) {
        check_origins(section, listen.allowed_origins);
    }
    section.count("max_connections", listen.max_connections, 1, 1'000'000);
    section.duration("handshake_timeout", listen.handshake_timeout, 100ms, 10min);
    section.duration("idle_timeout", listen.idle_timeout, 1s, 24h);
    section.duration("message_timeout", listen.message_timeout, 100ms, 24h);
    read_deflate(section, listen.deflate);
    section.boolean("share_port", listen.share_port);
    const std::uint64_t share = journal_bytes / kWritesInJournal;
    listen.max_message_bytes = std::min(listen.max_message_bytes, share);
    section.size("max_message", listen.max_message_bytes, kKiB, std::min(64 * kMiB, share));
}

void read_sensor(Section& section, Config::Sensor& sensor) {
    if (!section.has("driver")) {
        section.problem("driver", "is missing; write it like driver = \"hwmon\"");
    }
    if (section.text("driver", sensor.driver, "\"hwmon\"")) {
        check_driver(section, sensor.driver);
    }
    section.duration("interval", sensor.interval, 10ms, 24h);
    section.boolean("on_change", sensor.on_change);
    if (section.number("dead_band", sensor.dead_band) && !sensor.on_change) {
        section.problem("dead_band", "is of use only with on_change = true");
    }
    section.text("path", sensor.path, "\"/run/holdfast/readings\"");
    if (sensor.driver == "lines" && !section.has("path")) {
        section.problem("path",
                        "is missing; lines come from a file, a FIFO or \"-\" (standard input), as "
                        "in path = \"/run/holdfast/readings\"");
    } else if (sensor.driver != "lines" && !sensor.driver.empty() && section.has("path")) {
        section.problem("path", "is for the driver \"lines\" only");
    }
}

void read_log(Section& section, Config::Log& log) {
    std::size_t level = 0;
    if (section.choice("level", level, {"trace", "debug", "info", "warning", "error"})) {
        section.text("level", log.level, "\"info\"");
    }
}

bool is_node_id(std::string_view id) {
    return !id.empty() && id.size() <= kLongestId && std::ranges::all_of(id, is_id_character);
}

}  // namespace holdfast::app
