#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/clock.h"
#include "firmware/hub/shared.h"
#include "firmware/ingest/stamp.h"
#include "firmware/telemetry/json.h"

namespace holdfast::ingest {

/// One connection of `/v1/push`, without input and output: JSON text in, JSON text out. With a
/// source name it is exactly-once for the sender.
class PushSession {
public:
    /// `source`: "" for none.
    PushSession(hub::Shared shared, std::string source, const telemetry::JsonLimits& limits);

    /// The greeting: `{"through":N}` with a source, nothing without.
    [[nodiscard]] std::optional<std::string> greeting() const;
    /// One message. An answer at once is an error; what was taken is answered when it is durable.
    [[nodiscard]] std::optional<std::string> received(std::string_view text, Stamp stamp,
                                                      Instant now);
    /// The journal's `durable_before` may have moved: the acknowledgement that is due, if any.
    [[nodiscard]] std::optional<std::string> durable();
    /// Nothing waits for a commit.
    [[nodiscard]] bool idle() const { return waiting_.empty(); }

private:
    [[nodiscard]] std::optional<telemetry::JsonError> number(
        std::vector<telemetry::JsonReading>& readings);
    [[nodiscard]] std::optional<telemetry::JsonError> take(
        std::vector<telemetry::JsonReading>& readings, Stamp stamp, Instant now);

    void await(std::uint64_t position);

    struct Waiting {
        std::uint64_t position;
        std::uint64_t count;  ///< readings of this connection
    };

    hub::Shared shared_;
    std::string source_;
    telemetry::JsonLimits limits_;
    std::uint64_t taken_ = 0;
    std::list<Waiting> waiting_;
};

}  // namespace holdfast::ingest
