#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace holdfast::journal {
class Store;
}

namespace holdfast::app {

class Node;

/// `GET /metrics`, in Prometheus' text format 0.0.4.
[[nodiscard]] std::string metrics_text(Node& node);

/// What only the storage thread can tell.
struct StoredFacts {
    std::uint64_t readings = 0;
    std::optional<std::int64_t> oldest_time_us;
};
[[nodiscard]] StoredFacts stored_facts(journal::Store& store);

/// `holdfast status --json` and `GET /api/node`: one object, as README.md, "HTTP", describes it.
[[nodiscard]] std::string status_json(Node& node, const StoredFacts& stored);

}  // namespace holdfast::app
