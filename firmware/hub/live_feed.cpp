#include "firmware/hub/live_feed.h"

#include "firmware/base/text.h"
#include "firmware/telemetry/json.h"

namespace holdfast::hub {

namespace {

void append_reading(std::string& out, const std::string& device, const telemetry::Channel& channel,
                    const telemetry::Reading& reading, bool wall_clock, std::uint64_t seq) {
    out += R"({"device":)";
    telemetry::append_json_string(out, device);
    out += R"(,"seq":)" + std::to_string(seq) + R"(,"time":)";
    if (wall_clock) {
        out += '"' + format_time(WallTime(std::chrono::microseconds(reading.time_us))) + '"';
    } else {
        out += "null";
    }
    out += R"(,"channel":)";
    telemetry::append_json_string(out, channel.name);
    out += R"(,"value":)";
    telemetry::append_json(out, reading.value);
    out += R"(,"unit":)";
    telemetry::append_json_string(out, channel.unit);
    out += '}';
}

}  // namespace

void LiveFeed::add(std::uint64_t end_position, const std::string& device,
                   std::span<const telemetry::Channel> channels, const telemetry::Batch& batch,
                   std::uint64_t first_seq) {
    if (listeners_ == 0) {
        return;
    }
    std::string json = "[";
    std::uint64_t seq = first_seq;
    for (const telemetry::Reading& reading : batch.readings) {
        if (json.size() > 1) {
            json += ',';
        }
        append_reading(json, device, channels[reading.channel - 1], reading, batch.boot == 0,
                       seq++);
    }
    json += ']';
    waiting_bytes_ += json.size();
    waiting_.push_back({end_position, {device, std::move(json)}});
    if (waiting_bytes_ > kWaitingBytes) {
        waiting_.clear();
        waiting_bytes_ = 0;
        overflowed_ = true;
    }
}

std::vector<LiveFeed::Text> LiveFeed::take(std::uint64_t durable_before) {
    std::vector<Text> out;
    while (!waiting_.empty() && waiting_.front().end_position <= durable_before) {
        waiting_bytes_ -= waiting_.front().text.json.size();
        if (listeners_ > 0) {
            out.push_back(std::move(waiting_.front().text));
        }
        waiting_.pop_front();
    }
    return out;
}

}  // namespace holdfast::hub
