#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "platform/sensors/drivers.h"
#include "platform/sensors/sysfs.h"

namespace holdfast::sensors {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// The next word of `text`, which is advanced past it; "" at the end.
std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    text.remove_prefix(word.size());
    return word;
}

std::string_view take_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

/// A counter of the kernel; no sound counter reaches 63 bits.
std::optional<std::int64_t> parse_counter(std::string_view word) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || error != std::errc() || end != word.data() + word.size() || number < 0) {
        return std::nullopt;
    }
    return number;
}

/// Fills `counters` from the front of `text`. False: the text does not hold so many numbers.
bool take_counters(std::string_view text, std::span<std::int64_t> counters) {
    for (std::int64_t& counter : counters) {
        const auto number = parse_counter(take_word(text));
        if (!number) {
            return false;
        }
        counter = *number;
    }
    return true;
}

/// Names a partition after its disk as the kernel does: "sda1", "nvme0n1p1".
bool is_partition(std::string_view name, const std::set<std::string, std::less<>>& names) {
    std::string_view disk = name.substr(0, name.find_last_not_of("0123456789") + 1);
    if (disk.size() == name.size()) {
        return false;
    }
    if (disk.ends_with('p') && disk.size() > 1 && disk[disk.size() - 2] >= '0' &&
        disk[disk.size() - 2] <= '9') {
        disk.remove_suffix(1);
    }
    return !disk.empty() && names.contains(disk);
}

class Procfs final : public Driver {
public:
    explicit Procfs(const Root& root) : proc_(root.path / "proc") {}

    Result<void> sample(std::vector<Sample>& out) override {
        Failures failures;
        bool any = false;
        for (std::size_t i = 0; i < kParts.size(); ++i) {
            const std::string file = proc_ + "/" + std::string(kParts.at(i).file);
            const auto read = read_whole(file, text_);
            if (!read) {
                // A kernel may be built without it; only a file that existed before is an error.
                if (seen_.at(i) || read.error().code != ErrorCode::not_found) {
                    failures.add(read.error());
                }
                continue;
            }
            any = seen_.at(i) = true;
            const std::size_t before = out.size();
            if (const std::string_view bad = (this->*kParts.at(i).parse)(text_, out);
                bad.data() != nullptr) {
                out.resize(before);
                failures.add(garbage(file, bad));
            }
        }
        if (!any && failures.empty()) {
            failures.add({ErrorCode::not_found, "procfs: nothing to read under " + proc_});
        }
        return std::move(failures).result();
    }

private:
    /// Appends what the text holds. Returns a null view, or the part that was not understood.
    using Parse = std::string_view (Procfs::*)(std::string_view text, std::vector<Sample>& out);
    struct Part {
        std::string_view file;
        Parse parse;
    };
    static const std::array<Part, 6> kParts;

    static void add(std::vector<Sample>& out, std::string name, std::string_view unit,
                    telemetry::Value value) {
        out.push_back({{"procfs/" + std::move(name), std::string(unit)}, std::move(value)});
    }

    std::string_view parse_load(std::string_view text, std::vector<Sample>& out) {
        for (const std::string_view name : {"load/1min", "load/5min", "load/15min"}) {
            const std::string_view word = take_word(text);
            const auto load = parse_decimal(word);
            if (!load) {
                return word;
            }
            add(out, std::string(name), "", load->to_double());
        }
        return {};
    }

    std::string_view parse_uptime(std::string_view text, std::vector<Sample>& out) {
        const std::string_view word = take_word(text);
        const auto uptime = parse_decimal(word);
        if (!uptime) {
            return word;
        }
        add(out, "system/uptime", "s", uptime->to_double());
        return {};
    }

    std::string_view parse_memory(std::string_view text, std::vector<Sample>& out) {
        while (!text.empty()) {
            const std::string_view line = take_line(text);
            std::string_view rest = line;
            const std::string_view key = take_word(rest);
            const std::string_view name = key == "MemTotal:"       ? "memory/total"
                                          : key == "MemFree:"      ? "memory/free"
                                          : key == "MemAvailable:" ? "memory/available"
                                                                   : "";
            if (name.empty()) {
                continue;
            }
            const auto number = parse_counter(take_word(rest));
            if (!number || *number > (std::int64_t{1} << 52u) || take_word(rest) != "kB") {
                return line;
            }
            add(out, std::string(name), "B", *number * 1024);
        }
        return {};
    }

    std::string_view parse_cpu(std::string_view text, std::vector<Sample>& out) {
        // user nice system idle iowait irq softirq steal; what follows is counted in user already.
        std::array<std::int64_t, 8> ticks{};
        const std::string_view line = take_line(text);
        std::string_view rest = line;
        if (take_word(rest) != "cpu" || !take_counters(rest, ticks)) {
            return line;
        }
        std::int64_t total = 0;
        for (const std::int64_t part : ticks) {
            total += part;
        }
        const std::int64_t idle = ticks[3] + ticks[4];
        const std::int64_t total_since = total - cpu_total_;
        // The kernel says that iowait may go back.
        const std::int64_t busy_since =
            std::clamp(total_since - (idle - cpu_idle_), std::int64_t{0},
                       std::max(total_since, std::int64_t{0}));
        if (cpu_known_ && total_since > 0) {
            // In hundredths of a percent: more digits would be noise of the kernel's tick.
            const Decimal share{(busy_since * 10'000 + total_since / 2) / total_since, 2};
            add(out, "cpu/busy", "%", share.to_double());
        }
        cpu_total_ = total;
        cpu_idle_ = idle;
        cpu_known_ = true;
        return {};
    }

    std::string_view parse_network(std::string_view text, std::vector<Sample>& out) {
        take_line(text);
        take_line(text);
        while (!text.empty()) {
            const std::string_view line = take_line(text);
            const std::size_t colon = line.rfind(':');
            std::string_view before = line.substr(0, colon);
            const std::string_view name = take_word(before);
            // bytes packets errs drop fifo frame compressed multicast, received and then sent
            std::array<std::int64_t, 11> counters{};
            if (colon == std::string_view::npos || name.empty() ||
                !take_counters(line.substr(colon + 1), counters)) {
                return line;
            }
            if (name == "lo") {
                continue;
            }
            const std::string prefix = "net-" + channel_word(name);
            add(out, prefix + "/rx_bytes", "B", counters[0]);
            add(out, prefix + "/tx_bytes", "B", counters[8]);
            add(out, prefix + "/rx_errors", "", counters[2]);
            add(out, prefix + "/tx_errors", "", counters[10]);
        }
        return {};
    }

    std::string_view parse_disks(std::string_view text, std::vector<Sample>& out) {
        std::set<std::string, std::less<>> names;
        while (!text.empty()) {
            const std::string_view line = take_line(text);
            std::string_view rest = line;
            take_word(rest);
            take_word(rest);
            const std::string_view name = take_word(rest);
            // reads merged sectors ms writes merged sectors
            std::array<std::int64_t, 7> counters{};
            constexpr std::int64_t kMost = std::int64_t{1} << 53u;
            if (name.empty() || !take_counters(rest, counters) || counters[2] > kMost ||
                counters[6] > kMost) {
                return line;
            }
            names.emplace(name);
            if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram") ||
                is_partition(name, names)) {
                continue;
            }
            // Sectors are of 512 bytes here, whatever the disk's are.
            const std::string prefix = "disk-" + channel_word(name);
            add(out, prefix + "/read_bytes", "B", counters[2] * 512);
            add(out, prefix + "/written_bytes", "B", counters[6] * 512);
        }
        return {};
    }

    std::string proc_;
    std::string text_;
    std::array<bool, 6> seen_{};
    bool cpu_known_ = false;
    std::int64_t cpu_total_ = 0;
    std::int64_t cpu_idle_ = 0;
};

const std::array<Procfs::Part, 6> Procfs::kParts{{
    {"loadavg", &Procfs::parse_load},
    {"stat", &Procfs::parse_cpu},
    {"meminfo", &Procfs::parse_memory},
    {"net/dev", &Procfs::parse_network},
    {"diskstats", &Procfs::parse_disks},
    {"uptime", &Procfs::parse_uptime},
}};

}  // namespace

std::unique_ptr<Driver> make_procfs(const Root& root) {
    return std::make_unique<Procfs>(root);
}

}  // namespace holdfast::sensors
