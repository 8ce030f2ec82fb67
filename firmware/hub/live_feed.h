#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/hub/fleet.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::hub {

/// `/v1/live`: each reading, as JSON text, from the moment when it is durable. Text is made only
/// while somebody listens, once for all of them. While the disk hangs, at most kWaitingBytes of it
/// are held: then all is dropped, and who listens has to be told.
class LiveFeed {
public:
    static constexpr std::size_t kWaitingBytes = 16u << 20;

    struct Text {
        std::string device;
        std::string json;  ///< an array of readings
    };

    void add_listener() { ++listeners_; }
    void remove_listener() { --listeners_; }

    /// Readings that will be durable when the journal's `durable_before` reaches `end_position`.
    void add(std::uint64_t end_position, const std::string& device,
             std::span<const telemetry::Channel> channels, const telemetry::Batch& batch,
             std::uint64_t first_seq);
    /// What has become durable, in order.
    [[nodiscard]] std::vector<Text> take(std::uint64_t durable_before);
    /// True once after text was dropped: no listener has the whole any more.
    [[nodiscard]] bool take_overflow() { return std::exchange(overflowed_, false); }

private:
    struct Waiting {
        std::uint64_t end_position;
        Text text;
    };
    std::size_t listeners_ = 0;
    std::deque<Waiting> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool overflowed_ = false;
};

}  // namespace holdfast::hub
