#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "firmware/ports/driver.h"

namespace holdfast::sensors {

using ports::Driver;
using ports::Sample;

/// The root directory of a driver: "/" on a device, a prepared tree in a test.
struct Root {
    std::filesystem::path path = "/";
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
