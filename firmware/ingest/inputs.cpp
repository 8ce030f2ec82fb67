#include "firmware/ingest/inputs.h"

#include <algorithm>
#include <utility>

namespace holdfast::ingest {

Inputs::Inputs(InputContext context, const std::vector<SensorOptions>& sensors,
               const MakeDriver& make_driver, const LineInput::Open& open_lines)
    : context_(std::move(context)) {
    const Instant now = context_.clock.now().monotonic;
    for (const SensorOptions& sensor : sensors) {
        if (sensor.driver == "lines") {
            lines_.push_back(std::make_unique<LineInput>(context_, sensor, open_lines));
        } else {
            polled_.push_back(
                std::make_unique<PolledSensor>(context_, sensor, make_driver(sensor.driver), now));
        }
    }
}

Instant Inputs::turn(Now now) {
    Instant next = kNever;
    for (const auto& sensor : polled_) {
        if (sensor->due() <= now.monotonic) {
            sensor->sample(now);
        }
        next = std::min(next, sensor->due());
    }
    return next;
}

void Inputs::journal_moved() {
    for (const auto& lines : lines_) {
        lines->journal_moved();
    }
}

void Inputs::stop() {
    polled_.clear();
    lines_.clear();
}

std::vector<SensorState> Inputs::states() const {
    std::vector<SensorState> out;
    for (const auto& sensor : polled_) {
        out.push_back(sensor->state());
    }
    for (const auto& lines : lines_) {
        out.push_back(lines->state());
    }
    return out;
}

}  // namespace holdfast::ingest
