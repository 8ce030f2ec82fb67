#include "firmware/ingest/push.h"

#include <algorithm>
#include <utility>

#include "firmware/ingest/append.h"

namespace holdfast::ingest {

using telemetry::JsonError;
using telemetry::JsonReading;

namespace {

std::string error_text(const JsonError& error) {
    std::string out = R"({"error":)";
    telemetry::append_json_string(out, error.message);
    return out + R"(,"at":)" + std::to_string(error.at) + "}";
}

}  // namespace

PushSession::PushSession(hub::Shared shared, std::string source,
                         const telemetry::JsonLimits& limits)
    : shared_(shared), source_(std::move(source)), limits_(limits) {}

std::optional<std::string> PushSession::greeting() const {
    if (source_.empty()) {
        return std::nullopt;
    }
    return R"({"through":)" + std::to_string(shared_.journal.durable_source(source_)) + "}";
}

std::optional<std::string> PushSession::received(std::string_view text, Stamp stamp, Instant now) {
    auto readings = telemetry::parse_readings(text, limits_);
    if (!readings) {
        return error_text(readings.error());
    }
    if (const Error* failing = shared_.journal.storage_error()) {
        return error_text({"this node cannot store at present: " + failing->message, 0});
    }
    std::optional<JsonError> error = source_.empty() ? std::nullopt : number(*readings);
    if (!error) {
        error = take(*readings, stamp, now);
    }
    return error ? std::optional(error_text(*error)) : std::nullopt;
}

/// Checks the numbers of a source's readings, and removes those that were accepted before.
std::optional<JsonError> PushSession::number(std::vector<JsonReading>& readings) {
    const std::uint64_t accepted = shared_.journal.source(source_).position;
    std::uint64_t expected = accepted + 1;
    for (std::size_t i = 0; i < readings.size(); ++i) {
        if (!readings[i].n) {
            return JsonError{"\"n\" is missing: every reading of a source carries its number", i};
        }
        if (*readings[i].n > accepted && *readings[i].n != expected++) {
            return JsonError{"\"n\" is " + std::to_string(*readings[i].n) + ", but " +
                                 std::to_string(expected - 1) + " is next",
                             i};
        }
    }
    std::erase_if(readings, [&](const JsonReading& reading) { return *reading.n <= accepted; });
    return std::nullopt;
}

std::optional<JsonError> PushSession::take(std::vector<JsonReading>& readings, Stamp stamp,
                                           Instant now) {
    if (readings.empty()) {
        await(shared_.journal.next_position());
        return std::nullopt;
    }
    const std::uint64_t last = source_.empty() ? 0 : *readings.back().n;
    const journal::SourcePosition source{source_, last, 0};
    const std::size_t count = readings.size();
    const auto end = append_readings(shared_, readings, stamp, journal::Promise::now,
                                     source_.empty() ? nullptr : &source, now);
    if (!end) {
        return end.error();
    }
    taken_ += count;
    await(*end);
    return std::nullopt;
}

/// Messages that add nothing add no entry either.
void PushSession::await(std::uint64_t position) {
    if (!waiting_.empty() && waiting_.back().position == position) {
        waiting_.back().count = taken_;
    } else {
        waiting_.push_back({position, taken_});
    }
}

std::optional<std::string> PushSession::durable() {
    bool moved = false;
    std::uint64_t count = 0;
    while (!waiting_.empty() && waiting_.front().position <= shared_.journal.durable_before()) {
        count = waiting_.front().count;
        waiting_.pop_front();
        moved = true;
    }
    if (!moved) {
        return std::nullopt;
    }
    if (source_.empty()) {
        return R"({"ack":)" + std::to_string(count) + "}";
    }
    return R"({"through":)" + std::to_string(shared_.journal.durable_source(source_)) + "}";
}

}  // namespace holdfast::ingest
