#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/api/view.h"
#include "firmware/base/error.h"
#include "firmware/http/message.h"

namespace holdfast::api {

/// The bodies of the HTTP interface (README.md, "HTTP"). Pure: what is stored has been read by the
/// caller.

/// `GET /api/devices`. The node itself is one of them once it has had a reading of its own, and is
/// always online.
[[nodiscard]] std::string devices_json(const NodeView& node);
/// `GET /api/devices/{id}`. nullopt: no such device.
[[nodiscard]] std::optional<std::string> device_json(const std::string& id, const NodeView& node,
                                                     const std::vector<journal::StoredGap>& gaps);
/// `GET /api/devices/{id}/channels`. nullopt: no such device.
[[nodiscard]] std::optional<std::string> channels_json(const std::string& id, const NodeView& node);
[[nodiscard]] bool knows_device(const std::string& id, const NodeView& node);

struct ReadingsRequest {
    journal::Query query;
    bool csv = false;
};
/// The query part of `GET /api/devices/{id}/readings`. Errors: invalid (names the parameter and
/// what would be right).
///
/// `after` is what `next` said before: `{generation}-{position}`, or the position alone. Where the
/// readings do not go on right behind it, the answer says so: `"gap":{"reason":…}` in JSON, the
/// header `Holdfast-Gap: …` with CSV. Reasons: other-generation (the cursor is from another journal
/// file), future (it is from a later state of this one, which was put back): the readings then
/// begin with the oldest; gone (readings behind the cursor, of this device or another, were deleted
/// since): they go on behind those.
[[nodiscard]] Result<ReadingsRequest> parse_readings_request(const std::string& device,
                                                             const http::Target& target);
[[nodiscard]] std::string readings_json(const journal::Page& page);
/// RFC 4180, with a head line.
[[nodiscard]] std::string readings_csv(const journal::Page& page);
/// Goes with them: what is `"gap"` in JSON.
inline constexpr const char* kGapHeader = "Holdfast-Gap";

}  // namespace holdfast::api
