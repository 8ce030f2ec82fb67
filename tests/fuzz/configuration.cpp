// Any text is read as a configuration or gets sentences that name file and line; what is read keeps
// the ranges of config.h.
#include "firmware/app/config.h"
#include "firmware/base/text.h"
#include "firmware/http/message.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::app;
using namespace std::chrono_literals;

namespace {

void check(const std::string& sentences) {
    HOLDFAST_CHECK(!sentences.empty() && is_utf8(as_bytes(sentences)));
    for (std::string_view rest = sentences; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        HOLDFAST_CHECK(line.starts_with("f.toml:") && line.size() > 7 && line[7] >= '1' &&
                       line[7] <= '9');
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
}

void check(const Config& config) {
    HOLDFAST_CHECK(is_node_id(config.node.id));
    HOLDFAST_CHECK(config.journal.max_size_bytes >= 1u << 20);
    HOLDFAST_CHECK(config.journal.commit_interval >= 1ms && config.journal.commit_interval <= 1h);
    HOLDFAST_CHECK(config.journal.memory_bytes >= 64u << 10 &&
                   config.journal.memory_bytes <= 1u << 30 &&
                   config.journal.memory_bytes <= config.journal.max_size_bytes / 8);
    if (config.uplink) {
        const auto url = http::parse_url(config.uplink->url);
        HOLDFAST_CHECK(url && (url->scheme == "ws" || url->scheme == "wss"));
        const Duration fixed = config.uplink->heartbeat.value_or(1s);
        HOLDFAST_CHECK(fixed >= 1s && fixed <= 1h);
        HOLDFAST_CHECK(config.uplink->heartbeat_min >= 1s &&
                       config.uplink->heartbeat_min <= config.uplink->heartbeat_max &&
                       config.uplink->heartbeat_max <= 1h);
        HOLDFAST_CHECK(!config.uplink->proxy ||
                       http::parse_proxy(config.uplink->proxy->authority()));
        HOLDFAST_CHECK(config.uplink->retry_min >= 10ms &&
                       config.uplink->retry_min <= config.uplink->retry_max &&
                       config.uplink->retry_max <= 1h);
    }
    if (config.listen) {
        HOLDFAST_CHECK(config.listen->max_message_bytes >= 1u << 10 &&
                       config.listen->max_message_bytes <= 64u << 20);
    }
    for (const Config::Sensor& sensor : config.sensors) {
        HOLDFAST_CHECK(sensor.interval >= 10ms && sensor.interval <= 24h);
        HOLDFAST_CHECK(sensor.dead_band >= 0);
        HOLDFAST_CHECK((sensor.driver == "lines") == !sensor.path.empty());
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(as_text(fuzz::Input(data, size).rest()));
    const auto config = parse_config(text, "f.toml");
    if (config) {
        check(*config);
    } else {
        check(config.error().message);
    }
    return 0;
}
