#include <array>
#include <string_view>

#include "platform/sensors/drivers.h"
#include "platform/sensors/file_driver.h"

namespace holdfast::sensors {
namespace {

/// Documentation/hwmon/sysfs-interface.rst: what a file "temp1_input" holds.
struct Quantity {
    std::string_view prefix;
    std::string_view unit;
    int digits;
    bool integer;
};

constexpr std::array kQuantities{
    Quantity{"temp", "°C", 3, false},  Quantity{"in", "V", 3, false},
    Quantity{"curr", "A", 3, false},   Quantity{"power", "W", 6, false},
    Quantity{"energy", "J", 6, false}, Quantity{"humidity", "%", 3, false},
    Quantity{"fan", "rpm", 0, true},   Quantity{"freq", "Hz", 0, true},
};

/// "temp" of "temp1"; nullptr: none that we know.
const Quantity* find_quantity(std::string_view stem) {
    const std::size_t digits = stem.find_first_of("0123456789");
    if (digits == std::string_view::npos ||
        stem.find_first_not_of("0123456789", digits) != std::string_view::npos) {
        return nullptr;
    }
    for (const Quantity& quantity : kQuantities) {
        if (quantity.prefix == stem.substr(0, digits)) {
            return &quantity;
        }
    }
    return nullptr;
}

std::vector<Device> scan(const std::filesystem::path& root) {
    return find_devices(root, "sys/class/hwmon", "hwmon", "name");
}

void describe(const Device& device, const std::string& prefix, std::vector<Source>& sources) {
    constexpr std::string_view kInput = "_input";
    for (const std::string& file : list_directory(device.directory)) {
        if (!file.ends_with(kInput)) {
            continue;
        }
        const std::string stem = file.substr(0, file.size() - kInput.size());
        const Quantity* quantity = find_quantity(stem);
        if (quantity == nullptr) {
            continue;
        }
        std::array<char, 128> buffer;
        const auto label = read_text(device.directory + "/" + stem + "_label", buffer);
        Source source;
        source.channel.name =
            prefix + "/" + (label && !label->empty() ? channel_word(*label) : stem);
        source.channel.unit = quantity->unit;
        source.input = device.directory + "/" + file;
        source.digits = quantity->digits;
        source.integer = quantity->integer;
        sources.push_back(std::move(source));
    }
}

}  // namespace

std::unique_ptr<Driver> make_hwmon(const Root& root) {
    return std::make_unique<FileDriver>(root, "hwmon", scan, describe);
}

}  // namespace holdfast::sensors
