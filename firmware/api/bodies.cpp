#include "firmware/api/bodies.h"

#include <charconv>
#include <set>

#include "firmware/base/text.h"
#include "firmware/telemetry/json_object.h"

namespace holdfast::api {

namespace {

using telemetry::append_json;
using telemetry::append_json_string;
using telemetry::JsonObject;

constexpr std::size_t kMaxLimit = 100'000;

std::string time_text(std::int64_t time_us) {
    return format_time(WallTime(std::chrono::microseconds(time_us)));
}

void append_item(std::string& array, std::string_view item) {
    if (array.size() > 1) {
        array += ',';
    }
    array += item;
}

/// Every origin that is in the fleet or has a stream.
std::set<std::string> device_ids(const NodeView& node) {
    const journal::Journal& journal = node.journal;
    std::set<std::string> ids;
    for (const auto& [id, device] : node.fleet) {
        ids.insert(id);
    }
    for (const auto& [id, stream] : journal.streams()) {
        // This node itself is a device once it has had a reading of its own.
        const bool own = stream.origin == journal.own().origin;
        if (!own || !journal.channels(stream.origin, stream.epoch.journal).empty()) {
            ids.insert(stream.origin);
        }
    }
    return ids;
}

JsonObject device_object(const std::string& id, const NodeView& node) {
    static const hub::Device kUnseen;
    const auto found = node.fleet.find(id);
    const hub::Device& device = found == node.fleet.end() ? kUnseen : found->second;
    const bool own = id == node.journal.own().origin;
    // This node sees itself as long as it answers.
    const bool sees_itself = own && found != node.fleet.end();
    JsonObject object;
    object.text("id", id)
        .text("state", device.online || own ? "online" : "offline")
        .time("last_seen", sees_itself ? node.now.wall : device.last_seen)
        .time("connected_since", device.connected_since);
    if (device.backlog) {
        object.number("backlog", *device.backlog);
    }
    object.number("readings", device.readings).number("gaps", device.gaps);
    if (!device.software.empty()) {
        object.text("software", device.software);
    }
    if (!device.address.empty()) {
        object.text("address", device.address);
    }
    if (!device.via.empty()) {
        object.text("via", device.via);
    }
    return object;
}

std::string hex(std::uint64_t value) {
    Bytes bytes;
    for (int shift = 56; shift >= 0; shift -= 8) {
        bytes.push_back(static_cast<std::byte>(value >> shift));
    }
    return to_hex(bytes);
}

template <class Number>
Result<std::optional<Number>> number_parameter(const http::Target& target, const char* name) {
    const std::optional<std::string> text = target.parameter(name);
    if (!text) {
        return std::nullopt;
    }
    Number value{};
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size()) {
        return fail(ErrorCode::invalid, std::string(name) + ": a number is expected");
    }
    return std::optional(value);
}

Result<std::optional<std::int64_t>> time_parameter(const http::Target& target, const char* name) {
    const std::optional<std::string> text = target.parameter(name);
    if (!text) {
        return std::nullopt;
    }
    const Result<WallTime> time = parse_time(*text);
    if (!time) {
        return fail(ErrorCode::invalid,
                    std::string(name) + ": a time like 2026-11-20T10:00:00Z is expected");
    }
    return std::optional(time->time_since_epoch().count());
}

Result<std::optional<journal::Cursor>> cursor_parameter(const http::Target& target,
                                                        const char* name) {
    const std::optional<std::string> text = target.parameter(name);
    if (!text) {
        return std::nullopt;
    }
    const Result<journal::Cursor> cursor = journal::parse_cursor(*text);
    if (!cursor) {
        return fail(ErrorCode::invalid,
                    std::string(name) + ": what \"next\" said before is expected");
    }
    return std::optional(*cursor);
}

void append_csv(std::string& out, std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += text;
        return;
    }
    out += '"';
    for (const char c : text) {
        out += c;
        if (c == '"') {
            out += c;
        }
    }
    out += '"';
}

void append_csv_value(std::string& out, const telemetry::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        append_csv(out, *text);
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
        out += to_base64(*bytes);
    } else {
        std::string json;
        append_json(json, value);
        append_csv(out, json);
    }
}

}  // namespace

bool knows_device(const std::string& id, const NodeView& node) {
    return device_ids(node).contains(id);
}

std::string devices_json(const NodeView& node) {
    std::string list = "[";
    for (const std::string& id : device_ids(node)) {
        append_item(list, device_object(id, node).end());
    }
    return R"({"devices":)" + list + "]}";
}

std::optional<std::string> device_json(const std::string& id, const NodeView& node,
                                       const std::vector<journal::StoredGap>& gaps) {
    if (!knows_device(id, node)) {
        return std::nullopt;
    }
    const journal::Journal& journal = node.journal;
    std::string streams = "[";
    for (const auto& [number, stream] : journal.streams()) {
        if (stream.origin == id) {
            const bool own = number == journal.own().id;
            append_item(streams,
                        JsonObject()
                            .text("journal", hex(stream.epoch.journal))
                            .number("run", stream.epoch.run)
                            .number("through", own ? journal.own_next_seq() - 1 : stream.through)
                            .end());
        }
    }
    std::string gap_list = "[";
    for (const journal::StoredGap& gap : gaps) {
        append_item(gap_list, JsonObject()
                                  .text("journal", hex(gap.epoch.journal))
                                  .number("run", gap.epoch.run)
                                  .number("first_seq", gap.first_seq)
                                  .number("last_seq", gap.last_seq)
                                  .text("reason", to_string(gap.reason))
                                  .end());
    }
    return device_object(id, node)
        .raw("streams", streams + "]")
        .raw("gap_records", gap_list + "]")
        .end();
}

std::optional<std::string> channels_json(const std::string& id, const NodeView& node) {
    if (!knows_device(id, node)) {
        return std::nullopt;
    }
    const journal::Journal& journal = node.journal;
    std::set<std::pair<std::string, std::string>> names;
    for (const auto& [number, stream] : journal.streams()) {
        if (stream.origin == id) {
            for (const telemetry::Channel& channel : journal.channels(id, stream.epoch.journal)) {
                names.insert({channel.name, channel.unit});
            }
        }
    }
    const auto device = node.fleet.find(id);
    std::string list = "[";
    for (const auto& name : names) {
        JsonObject object;
        object.text("name", name.first).text("unit", name.second);
        if (device != node.fleet.end()) {
            if (const auto last = device->second.channels.find(name);
                last != device->second.channels.end()) {
                std::string value;
                append_json(value, last->second.value);
                JsonObject reading;
                if (last->second.time_us) {
                    reading.text("time", time_text(*last->second.time_us));
                }
                object.raw("last", reading.raw("value", value).end());
            }
        }
        append_item(list, object.end());
    }
    return R"({"channels":)" + list + "]}";
}

Result<ReadingsRequest> parse_readings_request(const std::string& device,
                                               const http::Target& target) {
    ReadingsRequest request;
    request.query.origin = device;
    request.query.channel = target.parameter("channel").value_or("");
    const auto from = time_parameter(target, "from");
    const auto to = time_parameter(target, "to");
    const auto after = cursor_parameter(target, "after");
    const auto limit = number_parameter<std::uint64_t>(target, "limit");
    for (const Error* error :
         {from ? nullptr : &from.error(), to ? nullptr : &to.error(),
          after ? nullptr : &after.error(), limit ? nullptr : &limit.error()}) {
        if (error != nullptr) {
            return std::unexpected(*error);
        }
    }
    request.query.from_us = *from;
    request.query.to_us = *to;
    request.query.after = after->value_or(journal::Cursor{});
    request.query.limit = static_cast<std::size_t>(limit->value_or(1000));
    if (request.query.limit == 0 || request.query.limit > kMaxLimit) {
        return fail(ErrorCode::invalid,
                    "limit: 1 to " + std::to_string(kMaxLimit) + " is expected");
    }
    const std::string format = target.parameter("format").value_or("json");
    if (format != "json" && format != "csv") {
        return fail(ErrorCode::invalid, "format: \"json\" or \"csv\" is expected");
    }
    request.csv = format == "csv";
    return request;
}

std::string readings_json(const journal::Page& page) {
    std::string out = R"({"readings":[)";
    bool first = true;
    for (const journal::QueryRow& row : page.rows) {
        out += first ? "" : ",";
        first = false;
        out += R"({"seq":)" + std::to_string(row.seq) + R"(,"time":)";
        out += row.time_us ? '"' + time_text(*row.time_us) + '"' : "null";
        out += R"(,"channel":)";
        append_json_string(out, row.channel.name);
        out += R"(,"value":)";
        append_json(out, row.value);
        out += R"(,"unit":)";
        append_json_string(out, row.channel.unit);
        out += '}';
    }
    out += ']';
    if (page.next) {
        out += R"(,"next":")" + journal::to_text(*page.next) + '"';
    }
    if (page.missed) {
        out += R"(,"gap":{"reason":")" + std::string(to_string(page.missed->why)) + R"("})";
    }
    return out + '}';
}

std::string readings_csv(const journal::Page& page) {
    std::string out = "seq,time,channel,value,unit\r\n";
    for (const journal::QueryRow& row : page.rows) {
        out += std::to_string(row.seq) + ',' + (row.time_us ? time_text(*row.time_us) : "") + ',';
        append_csv(out, row.channel.name);
        out += ',';
        append_csv_value(out, row.value);
        out += ',';
        append_csv(out, row.channel.unit);
        out += "\r\n";
    }
    return out;
}

}  // namespace holdfast::api
