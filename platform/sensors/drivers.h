#pragma once

#include <memory>

#include "platform/sensors/driver.h"

namespace holdfast::sensors {

// One file a driver; the registry (driver.cpp) lists them.
[[nodiscard]] std::unique_ptr<Driver> make_hwmon(const Root& root);
[[nodiscard]] std::unique_ptr<Driver> make_thermal(const Root& root);
[[nodiscard]] std::unique_ptr<Driver> make_iio(const Root& root);
[[nodiscard]] std::unique_ptr<Driver> make_procfs(const Root& root);

}  // namespace holdfast::sensors
