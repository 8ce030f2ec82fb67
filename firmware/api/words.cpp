#include "firmware/api/words.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "firmware/api/json_fields.h"
#include "firmware/api/units.h"
#include "firmware/base/text.h"
#include "firmware/http/syntax.h"
#include "firmware/telemetry/json_object.h"

namespace holdfast::api {

namespace {

namespace json = boost::json;
using Fact = Words::Fact;
using Section = Words::Section;

/// Of a fact's name on a terminal.
constexpr std::size_t kNameColumns = 24;

/// Facts that are not known are left out.
void add(Section& section, const char* name, std::string words) {
    if (!words.empty()) {
        section.facts.push_back({name, std::move(words)});
    }
}

/// A moment as the node's own clock tells how long ago it was; without that clock, the moment
/// itself.
Fact moment(const char* name, const std::string& time, const std::optional<WallTime>& now) {
    const Result<WallTime> then = parse_time(time);
    if (!then) {
        return {name, ""};
    }
    if (!now) {
        return {name, time};
    }
    return {name, ago(std::chrono::duration<double>(*now - *then).count()),
            format_time(std::chrono::floor<std::chrono::seconds>(*then))};
}

void add(Section& section, Fact fact) {
    if (!fact.words.empty()) {
        section.facts.push_back(std::move(fact));
    }
}

// ---- The node

Section node_words(const json::object& node) {
    Section section{"Node", {}};
    add(section, "Name", text_of(node, "id"));
    add(section, "Version", text_of(node, "version"));
    if (const std::optional<double> uptime = number_of(node, "uptime_s")) {
        add(section, "Running for", how_long(*uptime));
    }
    if (const Result<WallTime> time = parse_time(text_of(node, "time"))) {
        add(section, "Clock", format_time(std::chrono::floor<std::chrono::seconds>(*time)));
    }
    return section;
}

// ---- The uplink

std::string path_words(const std::string& path) {
    std::string words = path.starts_with("proxy") ? "through the proxy" : "direct";
    const std::size_t plus = path.find('+');
    return words +
           (plus == std::string::npos ? ", WebSocket" : ", SockJS " + path.substr(plus + 1));
}

std::string state_words(const json::object& uplink) {
    const std::string state = text_of(uplink, "state");
    return state == "waiting"    ? "down, waiting to try again"
           : state == "greeting" ? "connected, no Welcome of the hub yet"
                                 : state;
}

std::string cut_words(const json::object& uplink) {
    const std::string kind = text_of(uplink, "cut_kind");
    const std::optional<double> cut = number_of(uplink, "learned_cut_s");
    if (kind == "none" || !cut) {
        return "no cut up to " + span(number_of(uplink, "safe_s").value_or(0));
    }
    const std::string_view way = kind == "silent"  ? " (silent)"
                                 : kind == "reset" ? " (reset)"
                                 : kind == "fin"   ? " (closed)"
                                                   : "";
    return "cuts idle lines after " + span(*cut) + std::string(way) +
           (text_of(uplink, "counts") == "from-hub-only" ? ", counts only what the hub sends" : "");
}

/// What is known of the path; "" if its heartbeat is fixed and so nothing is learned.
std::string learned_words(const json::object& uplink) {
    const std::optional<double> probes = number_of(uplink, "probes");
    if (!probes) {
        return "";
    }
    const std::string count = decimal(*probes, 0) + (*probes == 1 ? " probe" : " probes");
    const std::optional<double> safe = number_of(uplink, "safe_s");
    std::string words;
    if (!text_of(uplink, "cut_kind").empty()) {
        words = cut_words(uplink) + "; " + count;
    } else if (uplink.if_contains("probes_blocked") != nullptr) {
        words = "nothing: no probe lines can be opened on this path";
    } else {
        words = "learning: " + count + " so far" +
                (safe ? "; idle for " + span(*safe) + " is safe" : "");
    }
    if (const std::optional<double> lifetime = number_of(uplink, "lifetime_s")) {
        words += "; ends every line at the age of " + span(*lifetime);
    }
    return words;
}

std::string heartbeat_words(const json::object& uplink) {
    const std::optional<double> interval = number_of(uplink, "heartbeat_interval_s");
    if (!interval) {
        return "";
    }
    const std::optional<double> bytes = number_of(uplink, "heartbeat_bytes_a_day");
    return "when idle for " + span(*interval) +
           (bytes ? "; " + size(*bytes) + " a day" : "; fixed");
}

std::string reconnects_words(const json::object& uplink) {
    const std::string last = text_of(uplink, "last_end");
    return decimal(number_of(uplink, "reconnects").value_or(0), 0) +
           (last.empty() ? "" : ", last end: " + last);
}

Section uplink_words(const json::object& uplink, const std::optional<WallTime>& now) {
    Section section{"Uplink", {}};
    add(section, "State", state_words(uplink));
    // Without a line each try begins anew, and there is nobody to answer.
    const bool is_live = text_of(uplink, "state") == "live";
    if (is_live) {
        add(section, moment("Live since", text_of(uplink, "since"), now));
    }
    add(section, "Hub", text_of(uplink, "url"));
    if (const std::string path = text_of(uplink, "path"); !path.empty()) {
        add(section, "Path", path_words(path));
    }
    if (const auto round_trip = number_of(uplink, "rtt_ms"); is_live && round_trip) {
        add(section, "Round trip", decimal(*round_trip, *round_trip < 10 ? 1 : 0) + " ms");
    }
    add(section, "Learned of the path", learned_words(uplink));
    add(section, "Heartbeat", heartbeat_words(uplink));
    add(section, "Reconnects", reconnects_words(uplink));
    add(section, "In flight", size(number_of(uplink, "in_flight_bytes").value_or(0)));
    add(section, "Last error", text_of(uplink, "last_error"));
    return section;
}

// ---- The journal

std::string waiting_words(const Waiting& waiting) {
    if (waiting.count() == 0) {
        return "no readings";
    }
    return counted(waiting.count(), "reading") + " (" + grouped(waiting.on_disk) + " on disk, " +
           grouped(waiting.in_memory) + " in memory)";
}

Section journal_words(const json::object& journal, const std::optional<WallTime>& now) {
    Section section{"Journal", {}};
    // Of a gateway's readings people want to know how many are not upstream yet. The rows in its
    // file are another figure: the hub has acknowledged some, and the newest are in memory only.
    const bool is_owed_upstream = journal.if_contains("backlog") != nullptr;
    if (is_owed_upstream) {
        add(section, "Waiting for the hub", waiting_words(waiting_of(journal)));
    } else if (journal.if_contains("readings") != nullptr) {
        add(section, "Stored", counted(count_of(journal, "readings"), "reading"));
    }
    if (!is_owed_upstream || waiting_of(journal).on_disk > 0) {
        add(section, moment("Oldest on disk", text_of(journal, "oldest_time"), now));
    }
    if (journal.if_contains("dropped") != nullptr) {
        const std::uint64_t dropped = count_of(journal, "dropped");
        add(section, is_owed_upstream ? "Lost" : "Dropped",
            dropped == 0
                ? "none"
                : counted(dropped, "reading") + " since the start: there was no room for them");
    }
    if (const std::optional<double> bytes = number_of(journal, "bytes")) {
        const std::optional<double> limit = number_of(journal, "limit_bytes");
        add(section, "File", size(*bytes) + (limit ? " of " + size(*limit) : ""));
    }
    add(section, "Last error", text_of(journal, "last_error"));
    return section;
}

// ---- Sensors and listener

Section sensors_words(const json::array& sensors, const std::optional<WallTime>& now) {
    Section section{"Sensors", {}};
    for (const json::value& value : sensors) {
        if (!value.is_object()) {
            continue;
        }
        const json::object& sensor = value.get_object();
        const Fact last = moment("", text_of(sensor, "last_time"), now);
        const std::string error = text_of(sensor, "last_error");
        std::string words = last.words.empty() ? "no reading yet" : "last reading " + last.words;
        if (const std::uint64_t channels = count_of(sensor, "channels"); channels > 0) {
            words = counted(channels, "channel") + ", " + words;
        }
        if (!error.empty()) {
            words += "; error: " + error;
        }
        section.facts.push_back({text_of(sensor, "driver"), words});
    }
    return section;
}

Section listener_words(const json::object& listen) {
    Section section{"Listener", {}};
    add(section, "Address", text_of(listen, "address"));
    if (listen.if_contains("devices") != nullptr) {
        add(section, "Devices",
            counted(count_of(listen, "devices"), "device") + " known, " +
                grouped(count_of(listen, "devices_online")) + " online");
    }
    add(section, "Connections", grouped(count_of(listen, "connections")));
    return section;
}

const char* to_string(Verdict::Level level) {
    switch (level) {
        case Verdict::Level::good:
            return "good";
        case Verdict::Level::warning:
            return "warning";
        case Verdict::Level::bad:
            return "bad";
    }
    return "";
}

}  // namespace

Words words_of(const json::object& status) {
    Words words;
    words.verdict = verdict_of(status);
    std::optional<WallTime> now;
    if (const json::object* node = object_of(status, "node")) {
        if (const Result<WallTime> time = parse_time(text_of(*node, "time"))) {
            now = *time;
        }
        words.sections.push_back(node_words(*node));
    }
    if (const json::object* uplink = object_of(status, "uplink")) {
        words.sections.push_back(uplink_words(*uplink, now));
    }
    if (const json::object* journal = object_of(status, "journal")) {
        words.sections.push_back(journal_words(*journal, now));
    }
    if (const json::array* sensors = array_of(status, "sensors"); sensors && !sensors->empty()) {
        words.sections.push_back(sensors_words(*sensors, now));
    }
    if (const json::object* listen = object_of(status, "listen")) {
        words.sections.push_back(listener_words(*listen));
    }
    return words;
}

std::string words_json(const Words& words) {
    std::string sections = "[";
    for (const Section& section : words.sections) {
        std::string facts = "[";
        for (const Fact& fact : section.facts) {
            facts += facts.size() > 1 ? ",[" : "[";
            telemetry::append_json_string(facts, fact.name);
            facts += ',';
            telemetry::append_json_string(facts, fact.words);
            if (!fact.time.empty()) {
                facts += ',';
                telemetry::append_json_string(facts, fact.time);
            }
            facts += ']';
        }
        sections +=
            (sections.size() > 1 ? "," : "") +
            telemetry::JsonObject().text("name", section.name).raw("facts", facts + "]").end();
    }
    return telemetry::JsonObject()
        .text("verdict", words.verdict.words)
        .text("level", to_string(words.verdict.level))
        .raw("sections", sections + "]")
        .end();
}

std::string words_text(const Words& words) {
    std::size_t width = 0;
    for (const Section& section : words.sections) {
        for (const Fact& fact : section.facts) {
            // A long path of a file must not push all other columns out of sight.
            width = std::max(width, std::min(fact.name.size(), kNameColumns));
        }
    }
    std::string text = on_one_line(words.verdict.words) + '\n';
    for (const Section& section : words.sections) {
        text += '\n' + on_one_line(section.name) + '\n';
        for (const Fact& fact : section.facts) {
            std::string name = fact.name;
            name.resize(std::max(width, name.size()), ' ');
            const std::string time = fact.time.empty() ? "" : " (" + fact.time + ")";
            text += "  " + on_one_line(name + "  " + fact.words + time) + '\n';
        }
    }
    return text;
}

std::string on_one_line(std::string words) {
    std::ranges::replace_if(words, http::is_control, ' ');
    // U+0080 to U+009F are control characters, too, and some terminals obey them.
    for (std::size_t i = words.find('\xc2'); i != std::string::npos;
         i = words.find('\xc2', i + 1)) {
        if (i + 1 < words.size() && static_cast<unsigned char>(words[i + 1]) < 0xa0) {
            words.replace(i, 2, " ");
        }
    }
    return words;
}

}  // namespace holdfast::api
