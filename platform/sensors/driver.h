#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/error.h"
#include "firmware/telemetry/reading.h"

namespace holdfast::sensors {

/// One value as a driver found it.
struct Sample {
    telemetry::Channel
        channel;  ///< name as "driver/device/quantity", unit in the SI's or the field's own symbol
    telemetry::Value value;
};

/// Where a driver looks: "/" on a device, a made-up tree in a test.
struct Root {
    std::filesystem::path path = "/";
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

struct DriverType {
    std::string_view name;
    std::string_view summary;
    std::unique_ptr<Driver> (*make)(const Root& root);
};

/// All polled drivers, in the order in which they are listed to people.
[[nodiscard]] std::span<const DriverType> driver_types();
/// nullptr: there is none of that name.
[[nodiscard]] const DriverType* find_driver_type(std::string_view name);

}  // namespace holdfast::sensors
