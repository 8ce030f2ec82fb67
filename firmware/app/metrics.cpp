#include "firmware/app/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "firmware/app/node.h"
#include "firmware/app/sensor_scheduler.h"
#include "firmware/app/server.h"
#include "firmware/app/uplink_driver.h"
#include "firmware/base/text.h"
#include "firmware/telemetry/json_object.h"

namespace holdfast::app {

namespace {

using telemetry::JsonObject;

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

void device_metrics(Metrics& metrics, const hub::Fleet& fleet) {
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
        if (device.last_seen) {
            metrics.value("device", id, seconds(device.last_seen->time_since_epoch()));
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

void uplink_metrics(Metrics& metrics, const Node& node, const journal::Journal& journal) {
    const uplink::Uplink& engine = node.uplink()->engine();
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
        .value(static_cast<double>(journal.backlog()));
    metrics.family("holdfast_uplink_path", "gauge", "The way to the hub that is used or tried.")
        .value("path", name(node.uplink()->client().path()), 1);
    if (engine.adaptive() != nullptr) {
        heartbeat_metrics(metrics, engine.adaptive()->report(system::monotonic_now()));
    }
    if (engine.round_trip()) {
        metrics
            .family("holdfast_uplink_round_trip_seconds", "gauge",
                    "From a record or ping to its answer.")
            .value(seconds(*engine.round_trip()));
    }
}

/// What the heartbeat learned of the path; nothing of it applies to a fixed one.
void add_learned(JsonObject& json, const uplink::AdaptiveHeartbeat& heartbeat, Instant now) {
    const uplink::AdaptiveHeartbeat::Report report = heartbeat.report(now);
    json.real("heartbeat_interval_s", seconds(report.interval));
    if (report.safe > Duration{}) {
        json.real("safe_s", seconds(report.safe));
    }
    if (report.learned) {
        if (report.cut > Duration{}) {
            json.real("learned_cut_s", seconds(report.cut));
        }
        json.text("cut_kind", name(report.kind)).text("counts", name(report.counts));
    }
    if (report.lifetime > Duration{}) {
        json.real("lifetime_s", seconds(report.lifetime));
    }
    json.number("probes", report.probes).number("heartbeat_bytes_a_day", report.bytes_a_day);
    if (report.blocked) {
        json.raw("probes_blocked", "true");
    }
    if (report.last_end) {
        json.text("last_end", name(*report.last_end));
    }
}

std::string uplink_status(const Node& node) {
    const uplink::Uplink& engine = node.uplink()->engine();
    const Now now = system::now();
    JsonObject json;
    json.text("state", uplink::name(engine.state()))
        .text("url", node.uplink()->url())
        .text("path", name(node.uplink()->client().path()));
    json.text("since", format_time(now.wall - (now.monotonic - engine.since())));
    if (engine.round_trip()) {
        json.real("rtt_ms", static_cast<double>(engine.round_trip()->count()) / 1000);
    }
    if (engine.adaptive() != nullptr) {
        add_learned(json, *engine.adaptive(), now.monotonic);
    } else {
        json.real("heartbeat_interval_s", seconds(*node.config().uplink->heartbeat));
    }
    json.number("reconnects", engine.reconnects())
        .number("in_flight_bytes", engine.in_flight_bytes());
    if (!engine.last_error().empty()) {
        json.text("last_error", engine.last_error());
    }
    return json.end();
}

std::string sensors_status(const Node& node) {
    std::string list = "[";
    for (const SensorScheduler::State& sensor : node.sensors()->states()) {
        JsonObject json;
        json.text("driver", sensor.driver);
        if (sensor.channels > 0) {
            json.number("channels", sensor.channels);
        }
        if (sensor.last_time) {
            json.text("last_time", format_time(*sensor.last_time));
        }
        if (!sensor.last_error.empty()) {
            json.text("last_error", sensor.last_error);
        }
        list += (list.size() > 1 ? "," : "") + json.end();
    }
    return list + "]";
}

}  // namespace

std::string metrics_text(Node& node) {
    const journal::Journal& journal = node.journal();
    Metrics metrics;
    metrics.family("holdfast_info", "gauge", "What runs here.").value("version", kVersion, 1);
    metrics.family("holdfast_uptime_seconds", "gauge", "Since the start of the program.")
        .value(seconds(system::monotonic_now() - node.started()));
    metrics.family("holdfast_journal_bytes", "gauge", "Of the journal file that are in use.")
        .value(static_cast<double>(journal.used_bytes()));
    metrics.family("holdfast_journal_limit_bytes", "gauge", "journal.max_size.")
        .value(static_cast<double>(node.config().journal.max_size_bytes));
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
    if (node.server() != nullptr) {
        metrics.family("holdfast_connections", "gauge", "Connections of the listener.")
            .value(static_cast<double>(node.server()->connections()));
        metrics.family("holdfast_sockjs_sessions", "gauge", "Sessions of SockJS, each a line.")
            .value(static_cast<double>(node.server()->sockjs_sessions()));
        device_metrics(metrics, node.fleet());
    }
    if (node.uplink() != nullptr) {
        uplink_metrics(metrics, node, journal);
    }
    return metrics.end();
}

StoredFacts stored_facts(journal::Store& store) {
    StoredFacts facts;
    facts.readings = store.count_readings().value_or(0);
    facts.oldest_time_us = store.oldest_time_us().value_or(std::nullopt);
    return facts;
}

std::string status_json(Node& node, const StoredFacts& stored) {
    const journal::Journal& journal = node.journal();
    JsonObject about;
    about.text("id", node.config().node.id)
        .text("version", kVersion)
        .real("uptime_s", seconds(system::monotonic_now() - node.started()));
    JsonObject kept;
    kept.number("readings", stored.readings)
        .number("bytes", journal.used_bytes())
        .number("limit_bytes", node.config().journal.max_size_bytes);
    if (stored.oldest_time_us) {
        kept.text("oldest_time",
                  format_time(WallTime(std::chrono::microseconds(*stored.oldest_time_us))));
    }
    if (node.uplink() != nullptr) {
        kept.number("backlog", journal.backlog());
        if (const std::uint64_t through = node.uplink()->engine().own_acknowledged_through();
            through > 0) {
            kept.number("acknowledged_through", through);
        }
    }
    kept.number("dropped", journal.dropped());
    if (const Error* error = journal.storage_error()) {
        kept.text("last_error", error->message);
    }
    JsonObject status;
    status.raw("node", about.end());
    if (node.uplink() != nullptr) {
        status.raw("uplink", uplink_status(node));
    }
    status.raw("journal", kept.end()).raw("sensors", sensors_status(node));
    if (node.server() != nullptr) {
        status.raw("listen", JsonObject()
                                 .text("address", node.server()->address())
                                 .number("connections", node.server()->connections())
                                 .end());
    }
    return status.end();
}

}  // namespace holdfast::app
