#include "platform/sensors/file_driver.h"

#include <algorithm>
#include <array>
#include <set>
#include <system_error>

namespace holdfast::sensors {
namespace {

constexpr unsigned kSamplesBetweenScans = 60;
/// A limit, because devices may come and go under ever new names.
constexpr std::size_t kSourceLimit = 4096;

/// Exact as a decimal where that fits, which is nearly always; otherwise computed with doubles.
Result<telemetry::Value> read_value(const Source& source) {
    auto value = read_decimal(source.input);
    Result<Decimal> offset = Decimal{};
    Result<Decimal> scale = Decimal{1, 0};
    if (!source.offset.empty()) {
        offset = read_decimal(source.offset);
    }
    if (!source.scale.empty()) {
        scale = read_decimal(source.scale);
    }
    for (const auto* part : {&value, &offset, &scale}) {
        if (!*part) {
            return std::unexpected(part->error());
        }
    }
    if (source.integer) {
        if (value->digits != 0) {
            return fail(ErrorCode::invalid, source.input + ": holds a fraction, not an integer");
        }
        return value->mantissa;
    }
    const auto sum = add(*value, *offset);
    auto product = sum ? multiply(*sum, *scale) : std::nullopt;
    if (product) {
        product->digits += source.digits;
        return product->to_double();
    }
    return (value->to_double() + offset->to_double()) * scale->to_double() *
           Decimal{1, source.digits}.to_double();
}

/// If two values of one device have the same name, the names of their files are added.
void make_unique_within(std::vector<Source>& sources, std::size_t begin) {
    std::map<std::string, std::size_t> count;
    for (std::size_t i = begin; i < sources.size(); ++i) {
        ++count[sources[i].channel.name];
    }
    for (std::size_t i = begin; i < sources.size(); ++i) {
        if (count[sources[i].channel.name] > 1) {
            const std::string file = std::filesystem::path(sources[i].input).filename();
            sources[i].channel.name += "_" + file.substr(0, file.rfind('_'));
        }
    }
}

}  // namespace

std::vector<std::string> DeviceNames::assign(const std::vector<Device>& devices) {
    std::map<std::string, std::size_t> count;
    std::set<std::string> present;
    std::map<std::string, std::string> name_of_id;
    for (const Device& device : devices) {
        ++count[device.name];
        present.insert(device.id);
    }
    for (const auto& [name, id] : id_of_name_) {
        name_of_id[id] = name;
    }
    std::vector<std::string> names;
    for (const Device& device : devices) {
        std::string name = channel_word(device.name);
        if (const auto known = name_of_id.find(device.id);
            known != name_of_id.end() && known->second.starts_with(name)) {
            names.push_back(known->second);
            continue;
        }
        const auto owner = id_of_name_.find(name);
        const bool taken = owner != id_of_name_.end() && present.contains(owner->second);
        if (taken || (owner == id_of_name_.end() && count[device.name] > 1)) {
            name += "-" + channel_word(device.id);
        }
        id_of_name_[name] = device.id;
        names.push_back(name);
    }
    return names;
}

void FileDriver::look_for_devices() {
    const std::vector<Device> devices = scan_(root_);
    const std::vector<std::string> names = names_.assign(devices);
    std::vector<Source> found;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const std::size_t begin = found.size();
        describe_(devices[i], name_ + "/" + names[i], found);
        make_unique_within(found, begin);
    }
    // A vanished device stays in the list and is reported until it returns, whatever its path is
    // then.
    std::set<std::string_view> found_names;
    for (const Source& source : found) {
        found_names.insert(source.channel.name);
    }
    std::vector<Source> vanished;
    for (Source& source : sources_) {
        if (!found_names.contains(source.channel.name)) {
            vanished.push_back(std::move(source));
        }
    }
    found_names.clear();
    std::ranges::move(vanished, std::back_inserter(found));
    if (found.size() > kSourceLimit) {
        found.resize(kSourceLimit);
    }
    sources_ = std::move(found);
}

Result<void> FileDriver::sample(std::vector<Sample>& out) {
    if (samples_to_scan_ == 0) {
        look_for_devices();
        samples_to_scan_ = kSamplesBetweenScans;
    }
    --samples_to_scan_;
    Failures failures;
    if (sources_.empty()) {
        failures.add({ErrorCode::not_found, name_ + ": this machine has no such sensor"});
    }
    for (const Source& source : sources_) {
        auto value = read_value(source);
        if (value) {
            out.push_back({source.channel, std::move(*value)});
        } else {
            failures.add(std::move(value.error()));
        }
    }
    if (failures.empty()) {
        patience_ = 1;
    } else if (samples_to_scan_ >= patience_) {
        samples_to_scan_ = patience_ - 1;
        patience_ = std::min(patience_ * 2, kSamplesBetweenScans);
    }
    return std::move(failures).result();
}

std::vector<Device> find_devices(const std::filesystem::path& root, std::string_view where,
                                 std::string_view begin, std::string_view name_file) {
    std::vector<Device> devices;
    const std::filesystem::path parent = root / where;
    for (const std::string& entry : list_directory(parent)) {
        if (!entry.starts_with(begin)) {
            continue;
        }
        Device device{parent / entry, entry, entry};
        std::array<char, 128> buffer;
        if (const auto name = read_text(device.directory + "/" + std::string(name_file), buffer);
            name && !name->empty()) {
            device.name = *name;
        }
        std::error_code error;
        const auto target = std::filesystem::read_symlink(device.directory + "/device", error);
        if (!error && target.has_filename()) {
            device.id = target.filename();
        }
        devices.push_back(std::move(device));
    }
    return devices;
}

}  // namespace holdfast::sensors
