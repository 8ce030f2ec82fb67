#include "firmware/api/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "firmware/telemetry/json.h"

namespace holdfast::api {

namespace {

/// One metric family after the other; label values escaped as the format demands.
class Metrics {
public:
    Metrics& family(const char* name, const char* type, const char* help) {
        name_ = name;
        out_ += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
        return *this;
    }
    Metrics& value(double number) { return line("", number); }
    Metrics& value(const char* label, std::string_view text, double number) {
        std::string labels = std::string("{") + label + "=\"";
        for (const char c : text) {
            labels += c == '\n'               ? "\\n"
                      : c == '"' || c == '\\' ? std::string{'\\', c}
                                              : std::string{c};
        }
        return line(labels + "\"}", number);
    }
    [[nodiscard]] std::string end() { return std::move(out_); }

private:
    Metrics& line(const std::string& labels, double number) {
        out_ += name_ + labels + ' ';
        telemetry::append_json(out_, std::trunc(number) == number
                                         ? telemetry::Value(static_cast<std::int64_t>(number))
                                         : telemetry::Value(number));
        out_ += '\n';
        return *this;
    }
    std::string out_;
    std::string name_;
};

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

void device_metrics(Metrics& metrics, const NodeView& node) {
    const hub::Fleet& fleet = node.fleet;
    const auto online =
        std::ranges::count_if(fleet, [](const auto& device) { return device.second.online; });
    metrics.family("holdfast_devices", "gauge", "Devices known.")
        .value(static_cast<double>(fleet.size()));
    metrics.family("holdfast_devices_online", "gauge", "Devices with a line.")
        .value(static_cast<double>(online));
    metrics.family("holdfast_device_online", "gauge", "Whether the device has a line.");
    for (const auto& [id, device] : fleet) {
        metrics.value("device", id, device.online ? 1 : 0);
    }
    metrics.family("holdfast_device_readings_total", "counter",
                   "Readings taken from the device since this node started.");
    for (const auto& [id, device] : fleet) {
        metrics.value("device", id, static_cast<double>(device.readings));
    }
    metrics.family("holdfast_device_gaps_total", "counter",
                   "Gap records taken from the device since this node started.");
    for (const auto& [id, device] : fleet) {
        metrics.value("device", id, static_cast<double>(device.gaps));
    }
    metrics.family("holdfast_device_last_seen_timestamp_seconds", "gauge",
                   "When the device was last heard.");
    for (const auto& [id, device] : fleet) {
        // This node sees itself as long as it answers.
        const std::optional<WallTime> seen = id == node.id ? node.now.wall : device.last_seen;
        if (seen) {
            metrics.value("device", id, seconds(seen->time_since_epoch()));
        }
    }
}

void heartbeat_metrics(Metrics& metrics, const uplink::AdaptiveHeartbeat::Report& report) {
    metrics
        .family("holdfast_uplink_heartbeat_interval_seconds", "gauge",
                "How long the line may be idle before the next beat.")
        .value(seconds(report.interval));
    metrics
        .family("holdfast_uplink_heartbeat_bytes_a_day", "gauge",
                "Of beats and their answers, heads of TCP and IP not counted.")
        .value(static_cast<double>(report.bytes_a_day));
    metrics
        .family("holdfast_uplink_probes_total", "counter",
                "Side lines that were opened to learn what the path does to idle ones.")
        .value(static_cast<double>(report.probes));
    if (report.learned) {
        metrics
            .family("holdfast_uplink_learned_cut_seconds", "gauge",
                    "Idle time after which this path cuts a line; kind none: it does not.")
            .value("kind", name(report.kind), seconds(report.cut));
    }
}

void uplink_metrics(Metrics& metrics, const uplink::Client& client, const NodeView& node) {
    const uplink::Uplink& engine = client.engine();
    metrics.family("holdfast_uplink_connected", "gauge", "Whether the line to the hub is live.")
        .value(engine.state() == uplink::Uplink::State::live ? 1 : 0);
    metrics
        .family("holdfast_uplink_reconnects_total", "counter",
                "Lines that ended after they had been live.")
        .value(static_cast<double>(engine.reconnects()));
    metrics.family("holdfast_uplink_in_flight_bytes", "gauge", "Sent and not yet acknowledged.")
        .value(static_cast<double>(engine.in_flight_bytes()));
    metrics
        .family("holdfast_uplink_backlog_readings", "gauge",
                "Readings not yet acknowledged by the hub.")
        .value(static_cast<double>(node.journal.backlog()));
    metrics.family("holdfast_uplink_path", "gauge", "The way to the hub that is used or tried.")
        .value("path", name(client.path()), 1);
    if (engine.adaptive() != nullptr) {
        heartbeat_metrics(metrics, engine.adaptive()->report(node.now.monotonic));
    }
    if (engine.round_trip()) {
        metrics
            .family("holdfast_uplink_round_trip_seconds", "gauge",
                    "From a record or ping to its answer.")
            .value(seconds(*engine.round_trip()));
    }
}

}  // namespace

std::string metrics_text(const NodeView& node) {
    const journal::Journal& journal = node.journal;
    Metrics metrics;
    metrics.family("holdfast_info", "gauge", "What runs here.").value("version", node.version, 1);
    metrics.family("holdfast_uptime_seconds", "gauge", "Since the start of the program.")
        .value(seconds(node.now.monotonic - node.started));
    metrics.family("holdfast_journal_bytes", "gauge", "Of the journal file that are in use.")
        .value(static_cast<double>(journal.used_bytes()));
    metrics.family("holdfast_journal_limit_bytes", "gauge", "journal.max_size.")
        .value(static_cast<double>(node.journal_limit_bytes));
    metrics.family("holdfast_journal_memory_bytes", "gauge", "Of readings held in memory.")
        .value(static_cast<double>(journal.memory_used_bytes()));
    metrics
        .family("holdfast_journal_dropped_readings_total", "counter",
                "Readings evicted or refused since the start.")
        .value(static_cast<double>(journal.dropped()));
    metrics.family("holdfast_storage_failing", "gauge", "Whether the last write failed.")
        .value(journal.storage_error() == nullptr ? 0 : 1);
    metrics
        .family("holdfast_own_readings_total", "counter",
                "Readings of this node itself since the start.")
        .value(static_cast<double>(journal.own_next_seq() - 1));
    if (node.listener) {
        metrics.family("holdfast_connections", "gauge", "Connections of the listener.")
            .value(static_cast<double>(node.listener->connections));
        metrics.family("holdfast_sockjs_sessions", "gauge", "Sessions of SockJS, each a line.")
            .value(static_cast<double>(node.listener->sockjs_sessions));
        device_metrics(metrics, node);
    }
    if (node.uplink) {
        uplink_metrics(metrics, node.uplink->client, node);
    }
    return metrics.end();
}

}  // namespace holdfast::api
