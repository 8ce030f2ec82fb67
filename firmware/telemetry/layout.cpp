#include "firmware/telemetry/layout.h"

#include <algorithm>
#include <unordered_map>

namespace holdfast::telemetry {
namespace {

Column column_for(const Reading& reading) {
    return {reading.channel, static_cast<Type>(reading.value.index())};
}

bool belongs(const Column& column, const Reading& reading) {
    return column.channel == reading.channel &&
           static_cast<std::size_t>(column.type) == reading.value.index();
}

}  // namespace

void Layout::arrange() {
    for (const std::uint32_t column : column_of) {
        ++columns[column].size;
    }
    std::size_t first = 0;
    std::vector<std::size_t> next;
    next.reserve(columns.size());
    for (Column& column : columns) {
        column.first = first;
        next.push_back(first);
        first += column.size;
    }
    order.resize(column_of.size());
    for (std::size_t i = 0; i < column_of.size(); ++i) {
        order[next[column_of[i]]++] = static_cast<std::uint32_t>(i);
    }
}

Layout lay_out(const std::vector<Reading>& readings) {
    Layout layout;
    layout.columns.push_back(column_for(readings.front()));
    if (std::ranges::all_of(readings, [&layout](const Reading& reading) {
            return belongs(layout.columns.front(), reading);
        })) {
        layout.columns.front().size = readings.size();
        return layout;
    }
    layout.column_of.reserve(readings.size());
    std::unordered_map<std::uint64_t, std::uint32_t> numbers{{layout.columns.front().key(), 0}};
    // The column that followed a column the last time mostly follows it again.
    std::vector<std::uint32_t> successors{0};
    std::uint32_t before = 0;
    for (const Reading& reading : readings) {
        std::uint32_t column = successors[before];
        if (!belongs(layout.columns[column], reading)) {
            const Column wanted = column_for(reading);
            const auto count = static_cast<std::uint32_t>(layout.columns.size());
            const auto [at, is_new] = numbers.try_emplace(wanted.key(), count);
            if (is_new) {
                layout.columns.push_back(wanted);
                successors.push_back(0);
            }
            column = at->second;
            successors[before] = column;
        }
        layout.column_of.push_back(column);
        before = column;
    }
    layout.arrange();
    return layout;
}

}  // namespace holdfast::telemetry
