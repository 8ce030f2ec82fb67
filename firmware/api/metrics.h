#pragma once

#include <string>

#include "firmware/api/view.h"

namespace holdfast::api {

/// `GET /metrics`, in Prometheus' text format 0.0.4.
[[nodiscard]] std::string metrics_text(const NodeView& node);

}  // namespace holdfast::api
