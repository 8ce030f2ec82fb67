#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace holdfast::api {

/// Reads a status that another version of the program may have written: what is absent, or of
/// another type than expected, is as if it were not there.

[[nodiscard]] inline std::string text_of(const boost::json::object& object, std::string_view key) {
    const boost::json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

[[nodiscard]] inline std::optional<double> number_of(const boost::json::object& object,
                                                     std::string_view key) {
    const boost::json::value* value = object.if_contains(key);
    if (value == nullptr || !value->is_number()) {
        return std::nullopt;
    }
    return value->to_number<double>();
}

/// 0 where it is absent or below 0; 10^15 at most.
[[nodiscard]] inline std::uint64_t count_of(const boost::json::object& object,
                                            std::string_view key) {
    const double number = number_of(object, key).value_or(0);
    return static_cast<std::uint64_t>(std::clamp(number, 0.0, 1e15));
}

[[nodiscard]] inline const boost::json::object* object_of(const boost::json::object& object,
                                                          std::string_view key) {
    const boost::json::value* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

[[nodiscard]] inline const boost::json::array* array_of(const boost::json::object& object,
                                                        std::string_view key) {
    const boost::json::value* value = object.if_contains(key);
    return value != nullptr ? value->if_array() : nullptr;
}

}  // namespace holdfast::api
