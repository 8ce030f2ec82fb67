#include "platform/sensors/driver.h"

#include <algorithm>
#include <array>

#include "platform/sensors/drivers.h"

namespace holdfast::sensors {
namespace {

constexpr std::array kDriverTypes{
    DriverType{"hwmon", "temperatures, voltages, currents, power, fans (/sys/class/hwmon)",
               make_hwmon},
    DriverType{"thermal", "the processor's thermal zones (/sys/class/thermal)", make_thermal},
    DriverType{"iio", "sensors and converters of the Industrial I/O subsystem (/sys/bus/iio)",
               make_iio},
    DriverType{"procfs", "load, processor, memory, network, disks, uptime (/proc)", make_procfs},
};

}  // namespace

std::span<const DriverType> driver_types() {
    return kDriverTypes;
}

const DriverType* find_driver_type(std::string_view name) {
    const auto* found = std::ranges::find(kDriverTypes, name, &DriverType::name);
    return found == kDriverTypes.end() ? nullptr : found;
}

}  // namespace holdfast::sensors
