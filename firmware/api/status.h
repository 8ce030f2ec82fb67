#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "firmware/api/view.h"

namespace holdfast::api {

/// What only the store can tell.
struct StoredFacts {
    std::uint64_t readings = 0;
    std::optional<std::int64_t> oldest_time_us;
};
[[nodiscard]] StoredFacts stored_facts(journal::Store& store);

/// `holdfast status --json` and `GET /api/node`: one object, as README.md, "HTTP", describes it.
[[nodiscard]] std::string status_json(const NodeView& node, const StoredFacts& stored);

/// Asks the store, then calls `take` with the node's `status_json`.
void ask_status(AskedNode& node, std::function<void(std::string)> take);

}  // namespace holdfast::api
