#include "platform/sensors/driver.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/platform/sensors/temporary_directory.h"

using holdfast::ErrorCode;
using holdfast::Result;
using holdfast::ports::Driver;
using holdfast::ports::Sample;
using holdfast::telemetry::Value;
using holdfast::test::TemporaryDirectory;

namespace {

/// A driver on a made-up tree, and what its last sample gave.
struct Bench {
    TemporaryDirectory tree;
    std::unique_ptr<Driver> driver;
    std::vector<Sample> samples;
    Result<void> result;

    explicit Bench(std::string_view name) {
        driver = holdfast::sensors::find_driver_type(name)->make({tree.path()});
    }
    void sample() {
        samples.clear();
        result = driver->sample(samples);
    }
    const Sample* find(std::string_view channel) const {
        for (const Sample& sample : samples) {
            if (sample.channel.name == channel) {
                return &sample;
            }
        }
        return nullptr;
    }
    std::string error() const { return result ? "" : result.error().message; }
};

void expect(const Bench& bench, const char* channel, const Value& value, const char* unit) {
    const Sample* sample = bench.find(channel);
    CHECK_TEXT(sample != nullptr, channel);
    CHECK_TEXT(sample->value == value, channel);
    STRCMP_EQUAL(unit, sample->channel.unit.c_str());
}

Value integer(std::int64_t number) {
    return number;
}

}  // namespace

TEST_GROUP(Registry){};

TEST(Registry, lists_the_polled_drivers_and_finds_them_by_name) {
    std::string names;
    for (const auto& type : holdfast::sensors::driver_types()) {
        names.append(type.name).append(" ");
        CHECK(holdfast::sensors::find_driver_type(type.name) == &type);
    }
    STRCMP_EQUAL("hwmon thermal iio procfs ", names.c_str());
    CHECK(holdfast::sensors::find_driver_type("lines") == nullptr);
    CHECK(holdfast::sensors::find_driver_type("") == nullptr);
}

TEST_GROUP(Hwmon) {
    std::unique_ptr<Bench> bench = std::make_unique<Bench>("hwmon");
    void put(const std::string& name, const std::string& text) const {
        bench->tree.write("sys/class/hwmon/" + name, text);
    }
    void teardown() override {
        bench.reset();
    }
};

TEST(Hwmon, each_quantity_comes_in_its_unit_exactly_as_printed) {
    put("hwmon0/name", "coretemp\n");
    put("hwmon0/temp2_input", "45123\n");
    put("hwmon0/temp2_label", "Core 0\n");
    put("hwmon0/temp3_input", "-5500\n");
    put("hwmon0/in0_input", "1103\n");
    put("hwmon0/curr1_input", "250\n");
    put("hwmon0/power1_input", "12345678\n");
    put("hwmon0/fan1_input", "1200\n");
    put("hwmon0/humidity1_input", "48300\n");
    put("hwmon0/freq1_input", "1500000000\n");
    put("hwmon0/pwm1_input", "17\n");
    put("hwmon0/temp2_max", "100000\n");
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    LONGS_EQUAL(8, bench->samples.size());
    expect(*bench, "hwmon/coretemp/Core_0", 45.123, "°C");
    expect(*bench, "hwmon/coretemp/temp3", -5.5, "°C");
    expect(*bench, "hwmon/coretemp/in0", 1.103, "V");
    expect(*bench, "hwmon/coretemp/curr1", 0.25, "A");
    expect(*bench, "hwmon/coretemp/power1", 12.345678, "W");
    expect(*bench, "hwmon/coretemp/fan1", integer(1200), "rpm");
    expect(*bench, "hwmon/coretemp/humidity1", 48.3, "%");
    expect(*bench, "hwmon/coretemp/freq1", integer(1'500'000'000), "Hz");
}

TEST(Hwmon, devices_of_one_name_are_told_apart_by_what_they_are_attached_to) {
    for (const std::string n : {"1", "2"}) {
        put("hwmon" + n + "/name", "nvme\n");
        put("hwmon" + n + "/temp1_input", n + "0000\n");
        std::filesystem::create_symlink("../../nvme" + n,
                                        bench->tree.file("sys/class/hwmon/hwmon" + n + "/device"));
    }
    bench->sample();
    expect(*bench, "hwmon/nvme-nvme1/temp1", 10.0, "°C");
    expect(*bench, "hwmon/nvme-nvme2/temp1", 20.0, "°C");
}

TEST(Hwmon, a_second_device_of_a_name_does_not_rename_the_first) {
    put("hwmon0/name", "x");
    put("hwmon0/temp1_input", "1000");
    bench->sample();
    expect(*bench, "hwmon/x/temp1", 1.0, "°C");
    put("hwmon1/name", "x");
    put("hwmon1/temp1_input", "2000");
    for (int i = 0; i < 60; ++i) {
        bench->sample();
    }
    expect(*bench, "hwmon/x/temp1", 1.0, "°C");
    expect(*bench, "hwmon/x-hwmon1/temp1", 2.0, "°C");
}

TEST(Hwmon, labels_that_occur_twice_in_a_device_are_made_unique) {
    put("hwmon0/name", "amd");
    put("hwmon0/temp1_input", "1000");
    put("hwmon0/temp1_label", "edge");
    put("hwmon0/in1_input", "2000");
    put("hwmon0/in1_label", "edge");
    bench->sample();
    expect(*bench, "hwmon/amd/edge_temp1", 1.0, "°C");
    expect(*bench, "hwmon/amd/edge_in1", 2.0, "V");
}

TEST(Hwmon, a_file_that_vanishes_is_an_error_until_it_returns_and_costs_the_others_nothing) {
    put("hwmon0/name", "a");
    put("hwmon0/temp1_input", "1000");
    put("hwmon0/temp2_input", "2000");
    bench->sample();
    bench->tree.remove("sys/class/hwmon/hwmon0/temp1_input");
    for (int i = 0; i < 5; ++i) {
        bench->sample();
        CHECK(!bench->result);
        CHECK(bench->result.error().code == ErrorCode::not_found);
        STRCMP_CONTAINS("hwmon0/temp1_input: No such file", bench->error().c_str());
        LONGS_EQUAL(1, bench->samples.size());
        expect(*bench, "hwmon/a/temp2", 2.0, "°C");
    }
    put("hwmon0/temp1_input", "3000");
    bench->sample();
    CHECK(bench->result.has_value());
    expect(*bench, "hwmon/a/temp1", 3.0, "°C");
}

TEST(Hwmon, a_device_that_returns_under_another_number_keeps_its_channels) {
    put("hwmon0/name", "usb");
    put("hwmon0/temp1_input", "1000");
    bench->sample();
    bench->tree.remove("sys/class/hwmon/hwmon0");
    bench->sample();
    CHECK(!bench->result);
    put("hwmon7/name", "usb");
    put("hwmon7/temp1_input", "2000");
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    LONGS_EQUAL(1, bench->samples.size());
    expect(*bench, "hwmon/usb/temp1", 2.0, "°C");
}

TEST(Hwmon, a_new_device_is_found_within_60_samples) {
    put("hwmon0/name", "a");
    put("hwmon0/temp1_input", "1000");
    bench->sample();
    put("hwmon1/name", "b");
    put("hwmon1/temp1_input", "2000");
    for (int i = 0; i < 60; ++i) {
        bench->sample();
    }
    LONGS_EQUAL(2, bench->samples.size());
}

TEST(Hwmon, garbage_is_an_error_that_names_the_file_and_never_a_value) {
    put("hwmon0/name", "a");
    for (const std::string text : {"", "\n", "abc", "12 34", "1e3", "0x10", "12.", ".5", "--1",
                                   "99999999999999999999", "nan", "1,5"}) {
        put("hwmon0/temp1_input", text);
        bench->sample();
        LONGS_EQUAL_TEXT(0, bench->samples.size(), text.c_str());
        CHECK_TEXT(bench->result.error().code == ErrorCode::invalid, text.c_str());
        STRCMP_CONTAINS("hwmon0/temp1_input: holds \"", bench->error().c_str());
    }
    put("hwmon0/temp1_input", "1000\n");
    bench->sample();
    CHECK(bench->result.has_value());
}

TEST(Hwmon, several_failures_are_counted) {
    put("hwmon0/name", "a");
    put("hwmon0/temp1_input", "x");
    put("hwmon0/temp2_input", "y");
    put("hwmon0/temp3_input", "z");
    bench->sample();
    STRCMP_CONTAINS("which is no number (and 2 more)", bench->error().c_str());
}

TEST(Hwmon, a_machine_without_any_says_so) {
    bench->sample();
    CHECK(bench->result.error().code == ErrorCode::not_found);
    STRCMP_EQUAL("hwmon: this machine has no such sensor", bench->error().c_str());
}

TEST_GROUP(Thermal) {
    std::unique_ptr<Bench> bench = std::make_unique<Bench>("thermal");
    void teardown() override {
        bench.reset();
    }
};

TEST(Thermal, zones_are_called_by_their_type) {
    bench->tree.write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    bench->tree.write("sys/class/thermal/thermal_zone0/temp", "38459\n");
    bench->tree.write("sys/class/thermal/cooling_device0/type", "Processor\n");
    bench->sample();
    LONGS_EQUAL(1, bench->samples.size());
    expect(*bench, "thermal/cpu-thermal/temp", 38.459, "°C");
}

TEST(Thermal, zones_of_one_type_carry_their_number) {
    for (const std::string n : {"0", "1"}) {
        bench->tree.write("sys/class/thermal/thermal_zone" + n + "/type", "acpitz\n");
        bench->tree.write("sys/class/thermal/thermal_zone" + n + "/temp", n + "000\n");
    }
    bench->sample();
    expect(*bench, "thermal/acpitz-thermal_zone0/temp", 0.0, "°C");
    expect(*bench, "thermal/acpitz-thermal_zone1/temp", 1.0, "°C");
}

TEST_GROUP(Iio) {
    std::unique_ptr<Bench> bench = std::make_unique<Bench>("iio");
    void put(const std::string& name, const std::string& text) const {
        bench->tree.write("sys/bus/iio/devices/iio:device0/" + name, text);
    }
    void teardown() override {
        bench.reset();
    }
};

TEST(Iio, processed_values_have_the_units_of_the_kernels_abi) {
    put("name", "bme280\n");
    put("in_temp_input", "21870\n");
    put("in_pressure_input", "101.325000000\n");
    put("in_humidityrelative_input", "45123\n");
    put("in_illuminance_input", "120.5\n");
    put("in_strange_input", "7\n");
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    expect(*bench, "iio/bme280/temp", 21.87, "°C");
    expect(*bench, "iio/bme280/pressure", 101.325, "kPa");
    expect(*bench, "iio/bme280/humidityrelative", 45.123, "%");
    expect(*bench, "iio/bme280/illuminance", 120.5, "lx");
    expect(*bench, "iio/bme280/strange", 7.0, "");
}

TEST(Iio, raw_values_take_offset_and_scale_their_own_or_their_types) {
    put("name", "adc\n");
    put("in_voltage0_raw", "1234\n");
    put("in_voltage_scale", "0.805664062\n");
    put("in_voltage1_raw", "1000\n");
    put("in_voltage1_scale", "0.500000000\n");
    put("in_temp_raw", "600\n");
    put("in_temp_offset", "-273.5\n");
    put("in_temp_scale", "125\n");
    put("in_accel_x_raw", "-100\n");
    put("in_accel_scale", "0.009580\n");
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    expect(*bench, "iio/adc/voltage0", 0.994189452508, "V");
    expect(*bench, "iio/adc/voltage1", 0.5, "V");
    expect(*bench, "iio/adc/temp", 40.8125, "°C");
    expect(*bench, "iio/adc/accel_x", -0.958, "m/s²");
}

TEST(Iio, a_raw_value_without_scale_has_no_unit_and_a_processed_one_wins_over_raw) {
    put("name", "adc\n");
    put("in_voltage0_raw", "1234\n");
    put("in_temp_raw", "1\n");
    put("in_temp_input", "2000\n");
    put("in_voltage0_mean_raw", "9\n");
    bench->sample();
    LONGS_EQUAL(2, bench->samples.size());
    expect(*bench, "iio/adc/voltage0", 1234.0, "");
    expect(*bench, "iio/adc/temp", 2.0, "°C");
}

TEST(Iio, garbage_in_a_scale_is_an_error_that_names_it) {
    put("in_voltage0_raw", "1234\n");
    put("in_voltage_scale", "many\n");
    bench->sample();
    LONGS_EQUAL(0, bench->samples.size());
    STRCMP_CONTAINS("in_voltage_scale: holds \"many\", which is no number", bench->error().c_str());
}

TEST_GROUP(Procfs) {
    std::unique_ptr<Bench> bench = std::make_unique<Bench>("procfs");
    void put(const std::string& name, const std::string& text) const {
        bench->tree.write("proc/" + name, text);
    }
    void put_all() const {
        put("loadavg", "1.29 0.65 0.33 2/321 12345\n");
        put("uptime", "2401.57 4457.88\n");
        put("meminfo",
            "MemTotal:       24684084 kB\nMemFree:  20919476 kB\n"
            "MemAvailable:   23774108 kB\nHugePages_Total:       0\n");
        put("stat", "cpu  100 10 50 800 40 0 0 0 7 0\ncpu0 1 2 3\n");
        put("net/dev",
            "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n"
            "    lo:    3859      37    0    0 0 0 0 0     3859      37    0 0 0 0 0 0\n"
            "  eth0: 1005643498   21975 3 0 0 0 0 0   854631   11140    4 0 0 0 0 0\n"
            "wlan0:17 1 0 0 0 0 0 0 18 1 0 0 0 0 0 0\n");
        put("diskstats",
            "   7  0 loop0 0 0 0 0 0 0 0 0 0 0 0\n   1  0 ram0 0 0 0 0 0 0 0 0 0 0 0\n"
            " 253  0 zram0 0 0 0 0 0 0 0 0 0 0 0\n"
            "   8  0 sda 90975 13528 6127146 173710 198525 118477 14465968 28378 0 19680 204864\n"
            "   8  1 sda1 1 1 1 1 1 1 1 1 0 1 1\n 259  0 nvme0n1 1 0 8 1 1 0 16 1 0 1 1\n"
            " 259  1 nvme0n1p1 1 0 8 1 1 0 16 1 0 1 1\n 252  1 dm-1 1 0 2 1 1 0 4 1 0 1 1\n"
            " 252 10 dm-10 1 0 2 1 1 0 4 1 0 1 1\n 179  0 mmcblk0boot0 1 0 2 1 1 0 4 1 0 1 1\n");
    }
    void teardown() override {
        bench.reset();
    }
};

TEST(Procfs, reads_load_memory_network_disks_and_uptime) {
    put_all();
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    expect(*bench, "procfs/load/1min", 1.29, "");
    expect(*bench, "procfs/load/5min", 0.65, "");
    expect(*bench, "procfs/load/15min", 0.33, "");
    expect(*bench, "procfs/system/uptime", 2401.57, "s");
    expect(*bench, "procfs/memory/total", integer(24684084LL * 1024), "B");
    expect(*bench, "procfs/memory/free", integer(20919476LL * 1024), "B");
    expect(*bench, "procfs/memory/available", integer(23774108LL * 1024), "B");
    expect(*bench, "procfs/net-eth0/rx_bytes", integer(1005643498), "B");
    expect(*bench, "procfs/net-eth0/tx_bytes", integer(854631), "B");
    expect(*bench, "procfs/net-eth0/rx_errors", integer(3), "");
    expect(*bench, "procfs/net-eth0/tx_errors", integer(4), "");
    expect(*bench, "procfs/net-wlan0/rx_bytes", integer(17), "B");
    expect(*bench, "procfs/disk-sda/read_bytes", integer(6127146LL * 512), "B");
    expect(*bench, "procfs/disk-sda/written_bytes", integer(14465968LL * 512), "B");
    CHECK(bench->find("procfs/net-lo/rx_bytes") == nullptr);
}

TEST(Procfs, whole_disks_only_without_memory_and_loop_devices) {
    put_all();
    bench->sample();
    std::string disks;
    for (const Sample& sample : bench->samples) {
        if (sample.channel.name.ends_with("/read_bytes")) {
            disks += sample.channel.name.substr(12, sample.channel.name.size() - 23) + " ";
        }
    }
    STRCMP_EQUAL("sda nvme0n1 dm-1 dm-10 mmcblk0boot0 ", disks.c_str());
}

TEST(Procfs, the_processors_share_is_of_the_time_since_the_last_sample) {
    put_all();
    bench->sample();
    CHECK(bench->find("procfs/cpu/busy") == nullptr);
    // 30 busy of 96 ticks; the guest's 5 are among the user's.
    put("stat", "cpu  115 15 60 860 46 0 0 0 12 0\n");
    bench->sample();
    expect(*bench, "procfs/cpu/busy", 31.25, "%");
    // No time has passed: nothing can be said.
    bench->sample();
    CHECK(bench->find("procfs/cpu/busy") == nullptr);
    // iowait went back by 40, which must not make more than everything.
    put("stat", "cpu  125 15 60 860 6 0 0 0 12 0\n");
    bench->sample();
    put("stat", "cpu  135 15 60 860 6 0 0 0 12 0\n");
    bench->sample();
    expect(*bench, "procfs/cpu/busy", 100.0, "%");
}

TEST(Procfs, garbage_in_one_file_costs_that_file_only) {
    for (const std::string name :
         {"loadavg", "uptime", "meminfo", "stat", "net/dev", "diskstats"}) {
        put_all();
        bench->sample();
        const std::size_t all = bench->samples.size();
        put(name, name == "meminfo" ? "MemFree: lots kB\n" : "one\ntwo\nthree: x y\n");
        bench->sample();
        CHECK_TEXT(!bench->result, name.c_str());
        STRCMP_CONTAINS(("proc/" + name + ": holds \"").c_str(), bench->error().c_str());
        CHECK(bench->samples.size() < all + 2 && bench->samples.size() > 6);
    }
}

TEST(Procfs, a_file_that_was_never_there_is_no_error_but_one_that_vanishes_is) {
    put("uptime", "1.5 2\n");
    bench->sample();
    STRCMP_EQUAL("", bench->error().c_str());
    LONGS_EQUAL(1, bench->samples.size());
    put("loadavg", "1 2 3\n");
    bench->sample();
    LONGS_EQUAL(4, bench->samples.size());
    bench->tree.remove("proc/loadavg");
    bench->sample();
    CHECK(bench->result.error().code == ErrorCode::not_found);
    LONGS_EQUAL(1, bench->samples.size());
}

TEST(Procfs, this_machine_has_load_memory_and_uptime) {
    const auto driver = holdfast::sensors::find_driver_type("procfs")->make({});
    std::vector<Sample> samples;
    const auto result = driver->sample(samples);
    STRCMP_EQUAL("", result ? "" : result.error().message.c_str());
    std::map<std::string, Value> values;
    for (const Sample& sample : samples) {
        CHECK(values.emplace(sample.channel.name, sample.value).second);
    }
    CHECK(std::get<double>(values.at("procfs/system/uptime")) > 0);
    CHECK(std::get<double>(values.at("procfs/load/1min")) >= 0);
    CHECK(std::get<std::int64_t>(values.at("procfs/memory/total")) > 1'000'000);
}
