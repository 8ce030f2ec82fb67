#include "firmware/api/words.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>

#include "firmware/http/syntax.h"
#include "firmware/telemetry/json.h"

namespace holdfast::api {

namespace {

namespace json = boost::json;

std::string text(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

std::optional<double> number(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr || !value->is_number()) {
        return std::nullopt;
    }
    return json::value_to<double>(*value);
}

/// Without an "e" and without zeros at the end.
std::string written(double value, int decimals) {
    const double scale = std::pow(10, decimals);
    std::string out;
    telemetry::append_json(out, telemetry::Value(std::round(value * scale) / scale));
    const bool whole = out.ends_with(".0");
    return whole ? out.substr(0, out.size() - 2) : out;
}

/// As exact as a person wants it: "4.2 s", "240 s", "31 min", "2.5 h".
std::string span(double seconds) {
    if (seconds < 600) {
        return written(seconds, seconds < 10 ? 1 : 0) + " s";
    }
    return seconds < 7200 ? written(seconds / 60, 0) + " min" : written(seconds / 3600, 1) + " h";
}

std::string size(double bytes) {
    constexpr std::array<const char*, 4> kUnits = {" B", " KiB", " MiB", " GiB"};
    std::size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) {
        bytes /= 1024;
    }
    return written(bytes, unit == 0 || bytes >= 100 ? 0 : 1) + kUnits[unit];
}

std::string path_words(const std::string& path) {
    std::string words = path.starts_with("proxy") ? "through the proxy" : "direct";
    const std::size_t plus = path.find('+');
    return words +
           (plus == std::string::npos ? ", WebSocket" : ", SockJS " + path.substr(plus + 1));
}

std::string state_words(const json::object& uplink) {
    const std::string state = text(uplink, "state");
    return state == "waiting"    ? "down, waiting to try again"
           : state == "greeting" ? "connected, no Welcome of the hub yet"
                                 : state;
}

std::string cut_words(const json::object& uplink) {
    const std::string kind = text(uplink, "cut_kind");
    const std::optional<double> cut = number(uplink, "learned_cut_s");
    if (kind == "none" || !cut) {
        return "no cut up to " + span(number(uplink, "safe_s").value_or(0));
    }
    const std::string_view way = kind == "silent"  ? " (silent)"
                                 : kind == "reset" ? " (reset)"
                                 : kind == "fin"   ? " (closed)"
                                                   : "";
    return "cuts idle lines after " + span(*cut) + std::string(way) +
           (text(uplink, "counts") == "from-hub-only" ? ", counts only what the hub sends" : "");
}

/// What is known of the path; "" if its heartbeat is fixed and so nothing is learned.
std::string learned_words(const json::object& uplink) {
    const std::optional<double> probes = number(uplink, "probes");
    if (!probes) {
        return "";
    }
    const std::string count = written(*probes, 0) + (*probes == 1 ? " probe" : " probes");
    const std::optional<double> safe = number(uplink, "safe_s");
    std::string words;
    if (!text(uplink, "cut_kind").empty()) {
        words = cut_words(uplink) + "; " + count;
    } else if (uplink.if_contains("probes_blocked") != nullptr) {
        words = "nothing: no side lines can be opened on this path";
    } else {
        words = "learning: " + count + " so far" +
                (safe ? "; idle for " + span(*safe) + " is safe" : "");
    }
    if (const std::optional<double> lifetime = number(uplink, "lifetime_s")) {
        words += "; ends every line at the age of " + span(*lifetime);
    }
    return words;
}

std::string heartbeat_words(const json::object& uplink) {
    const std::optional<double> interval = number(uplink, "heartbeat_interval_s");
    if (!interval) {
        return "";
    }
    const std::optional<double> bytes = number(uplink, "heartbeat_bytes_a_day");
    return "when idle for " + span(*interval) +
           (bytes ? "; " + size(*bytes) + " a day" : "; fixed");
}

std::string reconnects_words(const json::object& uplink) {
    const std::string last = text(uplink, "last_end");
    return written(number(uplink, "reconnects").value_or(0), 0) +
           (last.empty() ? "" : ", last end: " + last);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> uplink_words(const json::object& uplink) {
    std::vector<std::pair<std::string, std::string>> facts;
    const auto add = [&facts](const char* name, std::string words) {
        if (!words.empty()) {
            facts.emplace_back(name, std::move(words));
        }
    };
    add("state", state_words(uplink));
    // Without a line each try begins anew, and there is nobody to answer.
    const bool is_live = text(uplink, "state") == "live";
    if (is_live) {
        add("live since", text(uplink, "since"));
    }
    add("hub", text(uplink, "url"));
    if (const std::string path = text(uplink, "path"); !path.empty()) {
        add("path", path_words(path));
    }
    if (const std::optional<double> round_trip = number(uplink, "rtt_ms"); is_live && round_trip) {
        add("round trip", written(*round_trip, *round_trip < 10 ? 1 : 0) + " ms");
    }
    add("learned of the path", learned_words(uplink));
    add("heartbeat", heartbeat_words(uplink));
    add("reconnects", reconnects_words(uplink));
    add("in flight", size(number(uplink, "in_flight_bytes").value_or(0)));
    add("last error", text(uplink, "last_error"));
    return facts;
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
