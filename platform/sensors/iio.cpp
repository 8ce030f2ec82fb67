#include <algorithm>
#include <array>
#include <string_view>

#include "platform/sensors/drivers.h"
#include "platform/sensors/file_driver.h"

namespace holdfast::sensors {
namespace {

/// Documentation/ABI/testing/sysfs-bus-iio: the unit of a processed value, or of a raw one after
/// offset and scale.
struct Quantity {
    std::string_view type;
    std::string_view unit;
    int digits;  ///< 3 where the kernel's unit is a thousandth of ours
};

constexpr std::array kQuantities{
    Quantity{"accel", "m/s²", 0},
    Quantity{"angl", "rad", 0},
    Quantity{"anglvel", "rad/s", 0},
    Quantity{"capacitance", "nF", 0},
    Quantity{"concentration", "%", 0},
    Quantity{"current", "A", 3},
    Quantity{"distance", "m", 0},
    Quantity{"electricalconductivity", "S/m", 0},
    Quantity{"energy", "J", 0},
    Quantity{"gravity", "m/s²", 0},
    Quantity{"humidityrelative", "%", 3},
    Quantity{"illuminance", "lx", 0},
    Quantity{"magn", "G", 0},
    Quantity{"massconcentration", "µg/m³", 0},
    Quantity{"power", "W", 3},
    Quantity{"pressure", "kPa", 0},
    Quantity{"proximity", "m", 0},
    Quantity{"resistance", "Ω", 0},
    Quantity{"temp", "°C", 3},
    Quantity{"velocity", "m/s", 0},
    Quantity{"voltage", "V", 3},
};

const Quantity* find_quantity(std::string_view type) {
    const auto* found = std::ranges::find(kQuantities, type, &Quantity::type);
    return found == kQuantities.end() ? nullptr : found;
}

std::vector<Device> scan(const std::filesystem::path& root) {
    return find_devices(root, "sys/bus/iio/devices", "iio:device", "name");
}

/// A channel's own attribute, "in_voltage0_scale", or the one that channels of its type share:
/// "in_voltage_scale", "in_accel_scale" for "in_accel_x". "" if there is none.
std::string find_attribute(const Device& device, const std::string& stem, std::string_view type,
                           std::string_view attribute) {
    std::string without_numbers = stem;
    std::erase_if(without_numbers, [](char c) { return c >= '0' && c <= '9'; });
    for (const std::string& candidate : {stem, without_numbers, "in_" + std::string(type)}) {
        std::string file = device.directory + "/" + candidate + std::string(attribute);
        if (file_exists(file)) {
            return file;
        }
    }
    return "";
}

Source describe_channel(const Device& device, const std::string& prefix, const std::string& stem,
                        bool raw) {
    constexpr std::size_t kIn = 3;  // "in_"
    const std::string type = stem.substr(kIn, stem.find_first_of("0123456789_-", kIn) - kIn);
    std::array<char, 128> buffer;
    const auto label = read_text(device.directory + "/" + stem + "_label", buffer);
    Source source;
    source.channel.name =
        prefix + "/" + (label && !label->empty() ? channel_word(*label) : stem.substr(kIn));
    source.input = device.directory + "/" + stem + (raw ? "_raw" : "_input");
    if (raw) {
        source.scale = find_attribute(device, stem, type, "_scale");
        source.offset = find_attribute(device, stem, type, "_offset");
    }
    // Without a scale a raw value counts the converter's steps, and has no unit.
    const Quantity* quantity = raw && source.scale.empty() ? nullptr : find_quantity(type);
    if (quantity != nullptr) {
        source.channel.unit = quantity->unit;
        source.digits = quantity->digits;
    }
    return source;
}

void describe(const Device& device, const std::string& prefix, std::vector<Source>& sources) {
    for (const std::string& file : list_directory(device.directory)) {
        const bool raw = file.ends_with("_raw");
        if (!file.starts_with("in_") || (!raw && !file.ends_with("_input"))) {
            continue;
        }
        const std::string stem = file.substr(0, file.rfind('_'));
        if (stem.size() <= 3 || stem.ends_with("_mean") || stem.ends_with("_peak") ||
            stem.ends_with("_trough")) {
            continue;
        }
        // A value that the kernel's driver has processed itself is preferred.
        if (raw && file_exists(device.directory + "/" + stem + "_input")) {
            continue;
        }
        sources.push_back(describe_channel(device, prefix, stem, raw));
    }
}

}  // namespace

std::unique_ptr<Driver> make_iio(const Root& root) {
    return std::make_unique<FileDriver>(root, "iio", scan, describe);
}

}  // namespace holdfast::sensors
