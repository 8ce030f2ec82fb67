#include "firmware/api/status.h"

#include <algorithm>
#include <chrono>
#include <ranges>
#include <utility>

#include "firmware/api/ask.h"
#include "firmware/base/text.h"
#include "firmware/telemetry/json_object.h"

namespace holdfast::api {

namespace {

using telemetry::JsonObject;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

const char* to_string(uplink::Uplink::State state) {
    switch (state) {
        case uplink::Uplink::State::waiting:
            return "waiting";
        case uplink::Uplink::State::connecting:
            return "connecting";
        case uplink::Uplink::State::greeting:
            return "greeting";
        case uplink::Uplink::State::live:
            return "live";
    }
    return "";
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

std::string uplink_status(const NodeView& node) {
    const UplinkView& uplink = *node.uplink;
    const uplink::Uplink& engine = uplink.client.engine();
    const Now now = node.now;
    JsonObject json;
    json.text("state", to_string(engine.state()))
        .text("url", uplink.url)
        .text("path", name(uplink.client.path()));
    json.text("since", format_time(now.wall - (now.monotonic - engine.since())));
    if (engine.state() != uplink::Uplink::State::live) {
        const Instant down_since = engine.live_until().value_or(node.started);
        json.real("down_s", seconds(now.monotonic - down_since));
    }
    if (engine.state() == uplink::Uplink::State::waiting) {
        json.real("next_try_s", seconds(std::max(engine.deadline() - now.monotonic, Duration{})));
    }
    if (engine.round_trip()) {
        json.real("rtt_ms", static_cast<double>(engine.round_trip()->count()) / 1000);
    }
    if (engine.adaptive() != nullptr) {
        add_learned(json, *engine.adaptive(), now.monotonic);
    } else {
        json.real("heartbeat_interval_s", seconds(uplink.heartbeat));
    }
    json.number("reconnects", engine.reconnects())
        .number("in_flight_bytes", engine.in_flight_bytes());
    if (!engine.last_error().empty()) {
        json.text("last_error", engine.last_error());
    }
    return json.end();
}

/// The backlog in readings, by where they are. The file also holds rows that are acknowledged and
/// not deleted yet, and a range of numbers that was evicted holds no readings any more: so neither
/// the rows nor the numbers say how many wait, but the smaller of the two does.
void add_waiting(JsonObject& json, const journal::Journal& journal, const StoredFacts& stored) {
    const std::uint64_t first = journal.first_position();
    const std::uint64_t in_memory_from = std::max(journal.store_end(), first);
    json.number("waiting_on_disk", std::min(in_memory_from - first, stored.readings))
        .number("waiting_in_memory", journal.next_position() - in_memory_from);
}

std::string listener_status(const NodeView& node) {
    const auto is_other = [&node](const auto& device) { return device.first != node.id; };
    auto others = node.fleet | std::views::filter(is_other);
    const auto known = std::ranges::distance(others);
    const auto online =
        std::ranges::count_if(others, [](const auto& device) { return device.second.online; });
    return JsonObject()
        .text("address", node.listener->address)
        .number("connections", node.listener->connections)
        .number("devices", static_cast<std::uint64_t>(known))
        .number("devices_online", static_cast<std::uint64_t>(online))
        .end();
}

std::string sensors_status(const std::vector<ingest::SensorState>& sensors) {
    std::string list = "[";
    for (const ingest::SensorState& sensor : sensors) {
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

StoredFacts stored_facts(journal::Store& store) {
    StoredFacts facts;
    facts.readings = store.count_readings().value_or(0);
    facts.oldest_time_us = store.oldest_time_us().value_or(std::nullopt);
    return facts;
}

std::string status_json(const NodeView& node, const StoredFacts& stored) {
    const journal::Journal& journal = node.journal;
    JsonObject about;
    about.text("id", node.id)
        .text("version", node.version)
        .real("uptime_s", seconds(node.now.monotonic - node.started))
        .time("time", node.now.wall);
    JsonObject kept;
    kept.number("readings", stored.readings)
        .number("bytes", journal.used_bytes())
        .number("limit_bytes", node.journal_limit_bytes);
    if (stored.oldest_time_us) {
        kept.text("oldest_time",
                  format_time(WallTime(std::chrono::microseconds(*stored.oldest_time_us))));
    }
    if (node.uplink) {
        kept.number("backlog", journal.backlog());
        add_waiting(kept, journal, stored);
        if (const std::uint64_t through = node.uplink->client.engine().own_acknowledged_through();
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
    if (node.uplink) {
        status.raw("uplink", uplink_status(node));
    }
    status.raw("journal", kept.end()).raw("sensors", sensors_status(node.sensors));
    if (node.listener) {
        status.raw("listen", listener_status(node));
    }
    return status.end();
}

void ask_status(AskedNode& node, std::function<void(std::string)> take) {
    ask_store(node, stored_facts, [&node, take = std::move(take)](const StoredFacts& stored) {
        take(status_json(node.view(), stored));
    });
}

}  // namespace holdfast::api
