#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/clock.h"
#include "firmware/base/text.h"
#include "firmware/telemetry/json.h"

namespace holdfast::telemetry {

/// Builds one JSON object as text. Keys are literals of the program and are not escaped; what does
/// not apply is left out.
class JsonObject {
public:
    JsonObject& text(const char* key, std::string_view value) {
        append_json_string(next(key), value);
        return *this;
    }
    JsonObject& number(const char* key, std::uint64_t value) {
        next(key) += std::to_string(value);
        return *this;
    }
    JsonObject& real(const char* key, double value) {
        append_json(next(key), Value(value));
        return *this;
    }
    JsonObject& time(const char* key, const std::optional<WallTime>& value) {
        return value ? text(key, format_time(*value)) : *this;
    }
    /// `json` is JSON already.
    JsonObject& raw(const char* key, std::string_view json) {
        next(key) += json;
        return *this;
    }
    [[nodiscard]] std::string end() const { return out_ + '}'; }

private:
    std::string& next(const char* key) {
        out_ += out_.size() > 1 ? ",\"" : "\"";
        return (out_ += key) += "\":";
    }
    std::string out_ = "{";
};

}  // namespace holdfast::telemetry
