#include "platform/sensors/drivers.h"
#include "platform/sensors/file_driver.h"

namespace holdfast::sensors {
namespace {

std::vector<Device> scan(const std::filesystem::path& root) {
    return find_devices(root, "sys/class/thermal", "thermal_zone", "type");
}

void describe(const Device& device, const std::string& prefix, std::vector<Source>& sources) {
    Source source;
    source.channel = {prefix + "/temp", "°C"};
    source.input = device.directory + "/temp";
    source.digits = 3;
    if (file_exists(source.input)) {
        sources.push_back(std::move(source));
    }
}

}  // namespace

std::unique_ptr<Driver> make_thermal(const Root& root) {
    return std::make_unique<FileDriver>(root, "thermal", scan, describe);
}

}  // namespace holdfast::sensors
