#pragma once

#include <memory>
#include <optional>

#include "firmware/ingest/change_filter.h"
#include "firmware/ingest/sensor.h"
#include "firmware/ports/driver.h"

namespace holdfast::ingest {

/// A sensor that is asked for its values when it is time. Times are multiples of the interval on
/// the monotonic clock, so sensors of one interval are read together, carry one stamp, and share a
/// batch. One that gives nothing but errors is asked less and less often, at least once a minute.
class PolledSensor {
public:
    /// Its first values are due at `now`.
    PolledSensor(InputContext& context, const SensorOptions& options,
                 std::unique_ptr<ports::Driver> driver, Instant now);

    [[nodiscard]] Instant due() const { return due_; }
    /// Asks the driver, and appends what it found to the journal.
    void sample(Now now);
    [[nodiscard]] const SensorState& state() const { return state_; }

private:
    void append(std::vector<ports::Sample>& samples, Now now);

    InputContext& context_;
    SensorOptions options_;
    std::unique_ptr<ports::Driver> driver_;
    std::optional<ChangeFilter> filter_;
    Instant due_;
    int failures_ = 0;  ///< in a row
    SensorState state_;
};

}  // namespace holdfast::ingest
