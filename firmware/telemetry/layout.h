#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "firmware/telemetry/reading.h"

namespace holdfast::telemetry {

/// The index of a column's values in `Value`, and its number in the format.
enum class Type : unsigned { real, integer, truth, text, bytes };
inline constexpr std::size_t kTypes = 5;
static_assert(std::variant_size_v<Value> == kTypes);
inline constexpr unsigned kTypeBits = 3;

/// One series: a channel and one type of value.
struct Column {
    ChannelId channel = 0;
    Type type = Type::real;
    /// Its readings are `order[first]` to `order[first + size - 1]` of the layout.
    std::size_t first = 0;
    std::size_t size = 0;

    [[nodiscard]] std::uint64_t key() const {
        return std::uint64_t{channel} << kTypeBits | static_cast<unsigned>(type);
    }
};

/// How the readings of a batch are split into columns.
struct Layout {
    /// In the order in which they first appear.
    std::vector<Column> columns;
    /// For each reading its column; empty if there is only one.
    std::vector<std::uint32_t> column_of;
    /// The positions of the readings, column after column; empty if there is only one.
    std::vector<std::uint32_t> order;

    /// The position in the batch of the reading number `i` of `column`.
    [[nodiscard]] std::size_t reading(const Column& column, std::size_t i) const {
        return order.empty() ? i : order[column.first + i];
    }

    /// Sets the places and sizes of the columns, and `order`, by `column_of`.
    void arrange();
};

/// At least one reading.
[[nodiscard]] Layout lay_out(const std::vector<Reading>& readings);

}  // namespace holdfast::telemetry
