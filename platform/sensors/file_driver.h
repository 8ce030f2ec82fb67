#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platform/sensors/driver.h"
#include "platform/sensors/sysfs.h"

namespace holdfast::sensors {

/// One value that a driver of the kernel keeps in a file: (input + offset) * scale / 10^digits.
struct Source {
    telemetry::Channel channel;
    std::string input;
    std::string scale;   ///< a file; "": 1
    std::string offset;  ///< a file; "": 0
    int digits = 0;      ///< 3 where the kernel counts in thousandths of our unit
    bool integer = false;
};

/// A device as sysfs lists it.
struct Device {
    std::string directory;
    std::string
        id;  ///< what tells it from others of its name, over a reload of its module if possible
    std::string name;  ///< what its driver calls it; often not unique
};

/// Gives devices names for channels, and keeps them: a device that has a name does not lose it
/// because a second one of that kind appears. Devices that share a name get their id with it.
class DeviceNames {
public:
    /// One name a device, in their order.
    [[nodiscard]] std::vector<std::string> assign(const std::vector<Device>& devices);

private:
    std::map<std::string, std::string> id_of_name_;
};

/// A driver of values that stand in files of sysfs, a file a value. It looks for devices at the
/// first sample, after a failure (less and less often while that lasts), and every 60 samples.
class FileDriver final : public Driver {
public:
    /// Finds the devices there are now.
    using Scan = std::vector<Device> (*)(const std::filesystem::path& root);
    /// Appends what `device`, called `prefix` ("hwmon/coretemp"), has.
    using Describe = void (*)(const Device& device, const std::string& prefix,
                              std::vector<Source>& sources);

    FileDriver(const Root& root, std::string name, Scan scan, Describe describe)
        : root_(root.path), name_(std::move(name)), scan_(scan), describe_(describe) {}

    [[nodiscard]] Result<void> sample(std::vector<Sample>& out) override;

private:
    void look_for_devices();

    std::filesystem::path root_;
    std::string name_;
    Scan scan_;
    Describe describe_;
    DeviceNames names_;
    std::vector<Source> sources_;
    unsigned samples_to_scan_ = 0;
    unsigned patience_ = 1;  ///< samples between scans while something fails
};

/// Directories under `root`/`where` whose names begin with `begin`, each with the name that stands
/// in its file `name_file` (or that of the directory). Devices whose directory has a link "device"
/// are told apart by what it points to.
[[nodiscard]] std::vector<Device> find_devices(const std::filesystem::path& root,
                                               std::string_view where, std::string_view begin,
                                               std::string_view name_file);

}  // namespace holdfast::sensors
