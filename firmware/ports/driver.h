#pragma once

#include <vector>

#include "firmware/base/error.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::ports {

/// One value as a driver found it.
struct Sample {
    /// Name as "driver/device/quantity", unit in the SI's or the field's own symbol.
    telemetry::Channel channel;
    telemetry::Value value;
};

/// A kind of sensor that is asked for its values. `sample` is called on the network thread: it must
/// only do what returns at once (sysfs and procfs do).
class Driver {
public:
    virtual ~Driver() = default;

    /// Appends what can be read now. A source that vanished is an error (not_found, io) after the
    /// others have been appended; it is looked for again at the next call.
    [[nodiscard]] virtual Result<void> sample(std::vector<Sample>& out) = 0;
};

}  // namespace holdfast::ports
