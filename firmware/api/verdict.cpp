#include "firmware/api/verdict.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "firmware/api/json_fields.h"
#include "firmware/api/units.h"
#include "firmware/base/text.h"

namespace holdfast::api {

namespace {

namespace json = boost::json;
using Level = Verdict::Level;

/// Clauses of one sentence; the level is that of the worst.
class Sentence {
public:
    void add(Level level, const std::string& clause) {
        verdict_.level = std::max(verdict_.level, level);
        verdict_.words += verdict_.words.empty() ? clause : "; " + clause;
    }
    [[nodiscard]] Verdict end() { return std::move(verdict_); }

private:
    Verdict verdict_;
};

/// "157 readings wait, none lost".
std::string readings_words(std::uint64_t waiting, std::uint64_t lost) {
    const std::string wait = waiting == 0   ? "no reading waits"
                             : waiting == 1 ? "1 reading waits"
                                            : counted(waiting, "reading") + " wait";
    return wait + (lost == 0 ? ", none lost" : ", " + grouped(lost) + " lost");
}

/// " for 8 s", or nothing where it is not known.
std::string for_how_long(const std::optional<double>& seconds) {
    return seconds ? " for " + how_long(*seconds) : "";
}

/// How long ago `uplink.since` was by the node's own clock.
std::optional<double> live_for(const json::object& uplink, const json::object& status) {
    const json::object* node = object_of(status, "node");
    const Result<WallTime> since = parse_time(text_of(uplink, "since"));
    const Result<WallTime> now = parse_time(node == nullptr ? "" : text_of(*node, "time"));
    if (!since || !now) {
        return std::nullopt;
    }
    return std::chrono::duration<double>(*now - *since).count();
}

/// What is being done about a line that is not there.
std::string next_step(const json::object& uplink) {
    const std::string state = text_of(uplink, "state");
    if (state == "connecting") {
        return "trying now";
    }
    if (state == "greeting") {
        return "the hub has not said Welcome yet";
    }
    const std::optional<double> next = number_of(uplink, "next_try_s");
    return !next ? "" : *next < 1 ? "next try now" : "next try in " + how_long(*next);
}

void add_uplink(Sentence& sentence, const json::object& uplink, const json::object& status) {
    static const json::object kNothing;
    const json::object* journal = object_of(status, "journal");
    const std::uint64_t waiting = waiting_of(journal == nullptr ? kNothing : *journal).count();
    const std::uint64_t lost = count_of(journal == nullptr ? kNothing : *journal, "dropped");
    if (text_of(uplink, "state") == "live") {
        const std::string connected = "connected" + for_how_long(live_for(uplink, status));
        if (waiting == 0 && lost == 0) {
            sentence.add(Level::good, connected + ": every reading is upstream");
        } else {
            sentence.add(Level::good, connected);
            sentence.add(lost == 0 ? Level::good : Level::warning, readings_words(waiting, lost));
        }
        return;
    }
    const std::string error = text_of(uplink, "last_error");
    const std::string cause = error.empty() ? "" : ": " + cause_words(error);
    // Without an error this is the first try, or the line has just moved to another path.
    sentence.add(error.empty() ? Level::warning : Level::bad,
                 "not connected" + for_how_long(number_of(uplink, "down_s")) + cause);
    if (const std::string next = next_step(uplink); !next.empty()) {
        sentence.add(Level::good, next);
    }
    sentence.add(lost == 0 ? Level::good : Level::warning, readings_words(waiting, lost));
}

/// "3 of 4 devices are here".
std::string devices_words(std::uint64_t known, std::uint64_t online) {
    if (known == 1) {
        return online == 1 ? "its device is here" : "its device is not here";
    }
    const std::string devices = counted(known, "device");
    return online == 0 ? "none of " + devices + " is here"
           : online >= known
               ? "all " + devices + " are here"
               : grouped(online) + " of " + devices + (online == 1 ? " is here" : " are here");
}

void add_devices(Sentence& sentence, const json::object& listen, const std::string& introduction) {
    const std::uint64_t known = count_of(listen, "devices");
    const std::uint64_t online = count_of(listen, "devices_online");
    sentence.add(online < known ? Level::warning : Level::good,
                 introduction + devices_words(known, online));
}

/// A node without an uplink: what it has is to stay here.
void add_hub(Sentence& sentence, const json::object* listen, const json::object& journal) {
    if (listen == nullptr) {
        sentence.add(Level::good,
                     "readings are kept here: there is neither an [uplink] nor a [listen]");
    } else {
        const std::string listening = "listening on " + text_of(*listen, "address");
        if (count_of(*listen, "devices") == 0) {
            sentence.add(Level::good, listening + ": no device has been here yet");
        } else {
            add_devices(sentence, *listen, listening + ": ");
        }
    }
    if (!text_of(journal, "last_error").empty()) {
        return;  // said already
    }
    const std::uint64_t dropped = count_of(journal, "dropped");
    sentence.add(Level::good, dropped == 0 ? "all is stored"
                                           : "the journal is full: " + counted(dropped, "reading") +
                                                 " dropped since the start");
}

void add_sensors(Sentence& sentence, const json::array& sensors) {
    const auto failing =
        static_cast<std::uint64_t>(std::ranges::count_if(sensors, [](const json::value& sensor) {
            return sensor.is_object() && !text_of(sensor.get_object(), "last_error").empty();
        }));
    if (failing > 0) {
        sentence.add(Level::warning, grouped(failing) + " of " + counted(sensors.size(), "sensor") +
                                         (failing == 1 ? " has an error" : " have errors"));
    }
}

}  // namespace

Verdict verdict_of(const json::object& status) {
    static const json::object kNothing;
    const json::object* found = object_of(status, "journal");
    const json::object& journal = found == nullptr ? kNothing : *found;
    const json::object* uplink = object_of(status, "uplink");
    const json::object* listen = object_of(status, "listen");
    Sentence sentence;
    if (const std::string error = text_of(journal, "last_error"); !error.empty()) {
        sentence.add(Level::bad, "readings cannot be stored: " + error);
    }
    if (uplink == nullptr) {
        add_hub(sentence, listen, journal);
    } else {
        add_uplink(sentence, *uplink, status);
        if (listen != nullptr && count_of(*listen, "devices") > 0) {
            add_devices(sentence, *listen, "");
        }
    }
    if (const json::array* sensors = array_of(status, "sensors")) {
        add_sensors(sentence, *sensors);
    }
    return sentence.end();
}

std::string cause_words(const std::string& last_error) {
    constexpr std::string_view kConnecting = "connecting to ";
    struct Cause {
        std::string_view error;  ///< how its text begins
        std::string_view words;  ///< what follows on the name of whoever was called
    };
    constexpr auto kCauses = std::to_array<Cause>({
        {"connection refused", " refuses connections"},
        {"no answer within", " does not answer"},
        {"Connection timed out", " does not answer"},
        {"Network is unreachable", " is out of reach: there is no network"},
        {"No route to host", " is out of reach: there is no route to it"},
    });
    const std::size_t end = last_error.find(": ");
    if (!last_error.starts_with(kConnecting) || end == std::string::npos) {
        return last_error;
    }
    const std::string peer = last_error.substr(kConnecting.size(), end - kConnecting.size());
    const std::string_view error = std::string_view(last_error).substr(end + 2);
    for (const Cause& cause : kCauses) {
        if (error.starts_with(cause.error)) {
            return (peer.starts_with("the proxy ") ? peer : "the hub") + std::string(cause.words);
        }
    }
    return last_error;
}

Waiting waiting_of(const json::object& journal) {
    if (journal.if_contains("waiting_on_disk") == nullptr) {
        return {.on_disk = count_of(journal, "backlog"), .in_memory = 0};
    }
    return {.on_disk = count_of(journal, "waiting_on_disk"),
            .in_memory = count_of(journal, "waiting_in_memory")};
}

}  // namespace holdfast::api
