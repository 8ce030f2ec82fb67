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
    std::string id;  ///< distinguishes devices of the same name; survives a reload of the module if
                     ///< possible
    std::string name;  ///< what its driver calls it; often not unique
};

/// Gives devices names for channels, and keeps them: a device does not lose its name when a second
/// one of that kind appears. Devices with the same name get their id added to it.
class DeviceNames {
public:
    /// One name for each device, in the order of the devices.
    [[nodiscard]] std::vector<std::string> assign(const std::vector<Device>& devices);

private:
    std::map<std::string, std::string> id_of_name_;
};

/// A driver whose values are files of sysfs, one value a file. It looks for devices at the first
/// sample, every 60 samples, and after a failure (less and less often while the failure lasts).
class FileDriver final : public Driver {
public:
    /// Lists the devices that exist now.
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

/// Directories under `root`/`where` whose names begin with `begin`. A device's name is the content
/// of its file `name_file`, or the directory's name. If the directory has a link "device", its
/// target is the device's id.
[[nodiscard]] std::vector<Device> find_devices(const std::filesystem::path& root,
                                               std::string_view where, std::string_view begin,
                                               std::string_view name_file);

}  // namespace holdfast::sensors
