#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "firmware/ingest/sensor.h"
#include "firmware/ports/line_source.h"

namespace holdfast::ingest {

/// Readings as JSON, one or an array of them a line, from a file that is followed, a FIFO or
/// standard input. The position of a followed file is committed with the readings before it, so a
/// restart neither loses nor doubles a line. While the journal has no room, nothing is read.
class LineInput {
public:
    /// `open`: makes the source, which calls the handler from events of the loop.
    using Open = std::function<std::unique_ptr<ports::LineSource>(
        const std::string& path, ports::LinePosition start, ports::LineSource::Handler handler)>;

    LineInput(InputContext& context, const SensorOptions& options, const Open& open);
    LineInput(const LineInput&) = delete;
    LineInput& operator=(const LineInput&) = delete;

    /// The journal may have room again.
    void journal_moved();
    [[nodiscard]] const SensorState& state() const { return state_; }

private:
    void take(std::span<const std::string_view> lines, ports::LinePosition position);
    void pass_over(const std::string& problem);

    InputContext& context_;
    std::string source_name_;  ///< of its position in the journal
    std::unique_ptr<ports::LineSource> source_;
    bool paused_ = false;
    std::uint64_t passed_over_ = 0;  ///< lines, since the last log line about them
    Instant next_log_{};
    SensorState state_;
};

}  // namespace holdfast::ingest
