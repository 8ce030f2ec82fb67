#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::api {

/// Figures as people read them.

/// With so many decimals at most, without an exponent and without zeros at the end.
[[nodiscard]] std::string decimal(double value, int decimals);
/// A measured span, as exact as a person wants it: "4.2 s", "240 s", "31 min", "2.5 h".
[[nodiscard]] std::string span(double seconds);
/// How long something lasts: "5 s", "31 min", "2 h", "3 days"; "less than 1 s" below that.
[[nodiscard]] std::string how_long(double seconds);
/// "just now", "5 s ago", "in the future" from a minute on.
[[nodiscard]] std::string ago(double seconds);
/// "700 B", "1.0 MiB", "256 MiB".
[[nodiscard]] std::string size(double bytes);
/// "12,345".
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "1 reading", "12,345 readings".
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view what);

}  // namespace holdfast::api
