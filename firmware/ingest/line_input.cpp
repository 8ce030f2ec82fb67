#include "firmware/ingest/line_input.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "firmware/base/check.h"
#include "firmware/ingest/append.h"
#include "firmware/telemetry/json.h"

namespace holdfast::ingest {

namespace {

constexpr Duration kLogInterval = std::chrono::seconds(10);
/// Of a line that is no reading, in the log.
constexpr std::size_t kQuotedBytes = 80;

/// Why one of these readings cannot be taken; "" if all can.
std::string refusal(journal::Journal& journal,
                    const std::vector<telemetry::JsonReading>& readings) {
    for (const telemetry::JsonReading& reading : readings) {
        if (const auto channel = journal.channel(reading.channel); !channel) {
            return channel.error().message;
        }
    }
    return "";
}

}  // namespace

LineInput::LineInput(InputContext& context, const SensorOptions& options, const Open& open)
    : context_(context), source_name_("lines:" + options.path) {
    state_.driver = "lines " + options.path;
    const journal::SourcePosition start = context_.shared.journal.source(source_name_);
    ports::LineSource::Handler handler;
    handler.on_lines = [this](std::span<const std::string_view> lines,
                              ports::LinePosition position) { take(lines, position); };
    handler.on_error = [this](const Error& error) { state_.report(context_.log, error.message); };
    handler.on_end = [this] {
        context_.log.info("sensors: " + state_.driver + ": the input has ended");
    };
    source_ = open(options.path, {start.position, start.tag}, std::move(handler));
}

void LineInput::take(std::span<const std::string_view> lines, ports::LinePosition position) {
    const Now now = context_.clock.now();
    std::vector<telemetry::JsonReading> readings;
    bool all_well = true;
    for (const std::string_view line : lines) {
        if (line.find_first_not_of(" \t") == std::string_view::npos) {
            continue;
        }
        auto parsed = telemetry::parse_readings(line);
        const std::string problem =
            parsed ? refusal(context_.shared.journal, *parsed) : parsed.error().message;
        if (!problem.empty()) {
            all_well = false;
            pass_over(problem + ": " + std::string(line.substr(0, kQuotedBytes)));
            continue;
        }
        std::ranges::move(*parsed, std::back_inserter(readings));
    }
    const bool remembers = source_->remembers();
    const journal::SourcePosition source{source_name_, position.offset, position.inode};
    const auto end =
        append_readings(context_.shared, readings, context_.timekeeper.stamp(now),
                        remembers ? journal::Promise::now : journal::Promise::by_deadline,
                        remembers ? &source : nullptr, now.monotonic);
    HOLDFAST_CHECK(end);  // all channels are known
    state_.last_time = now.wall;
    if (all_well) {
        state_.last_error.clear();
    }
    const journal::Journal& journal = context_.shared.journal;
    if (journal.room() == 0 || journal.storage_error() != nullptr) {
        paused_ = true;
        source_->pause();
    }
    context_.appended();
}

/// A line that is no reading costs itself only. One in ten seconds is logged, the others are
/// counted.
void LineInput::pass_over(const std::string& problem) {
    const Instant now = context_.clock.now().monotonic;
    ++passed_over_;
    state_.last_error = problem;
    if (now >= next_log_) {
        next_log_ = now + kLogInterval;
        context_.log.warning("sensors: " + state_.driver + ": passed over " +
                             std::to_string(std::exchange(passed_over_, 0)) +
                             " line(s), the last: " + problem);
    }
}

void LineInput::journal_moved() {
    if (paused_ && context_.has_room()) {
        paused_ = false;
        source_->resume();
    }
}

}  // namespace holdfast::ingest
