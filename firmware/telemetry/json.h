#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::telemetry {

/// Readings as JSON text, the form of `/v1/push`, of the `lines` driver and of `/v1/live`:
/// {"channel":"t1","value":21.5,"time":"2026-11-20T10:00:00Z","unit":"°C","n":17}
/// `time`, `unit` and `n` are optional. A value is a number, true or false, a string,
/// {"base64":"…"} for bytes, or
/// {"double":"NaN"}, {"double":"Infinity"}, {"double":"-Infinity"}. A number without fraction and
/// exponent that fits is int64, every other number a double. Unknown keys are ignored; a known one
/// that appears twice is an error.

struct JsonReading {
    Channel channel;
    std::optional<WallTime> time;
    std::optional<std::uint64_t> n;
    Value value;
};

/// What was wrong with a message, and with which reading of it (0 for the first, and for the text
/// as a whole).
struct JsonError {
    std::string message;
    std::size_t at = 0;
};

struct JsonLimits {
    std::size_t text_size_bytes = 1u << 20;
    std::size_t readings = 65'536;
    std::size_t channel_name_bytes = 256;
    std::size_t unit_bytes = 64;
};

/// One object, or an array of them. All or nothing: an error means that no reading of the text was
/// taken. The text must be UTF-8.
[[nodiscard]] std::expected<std::vector<JsonReading>, JsonError> parse_readings(
    std::string_view text, const JsonLimits& limits = {});

/// Appends the value as `parse_readings` reads it; a double in the shortest form that comes back
/// bit for bit.
void append_json(std::string& out, const Value& value);
/// Appends `text` quoted and escaped.
void append_json_string(std::string& out, std::string_view text);

}  // namespace holdfast::telemetry
