#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "firmware/ingest/line_input.h"
#include "firmware/ingest/polled_sensor.h"

namespace holdfast::ingest {

/// All inputs of a node: sensors that are asked, and lines that come by themselves. On the network
/// thread.
class Inputs {
public:
    /// `make_driver`: of a polled driver's name.
    using MakeDriver = std::function<std::unique_ptr<ports::Driver>(const std::string& name)>;

    Inputs(InputContext context, const std::vector<SensorOptions>& sensors,
           const MakeDriver& make_driver, const LineInput::Open& open_lines);
    Inputs(const Inputs&) = delete;
    Inputs& operator=(const Inputs&) = delete;

    /// Asks the sensors whose time it is; part of the node's turn. Returns when the next one is
    /// due.
    [[nodiscard]] Instant turn(Now now);
    /// The journal may have room again.
    void journal_moved();
    /// No further readings.
    void stop();
    [[nodiscard]] std::vector<SensorState> states() const;

private:
    InputContext context_;
    std::vector<std::unique_ptr<PolledSensor>> polled_;
    std::vector<std::unique_ptr<LineInput>> lines_;
};

}  // namespace holdfast::ingest
