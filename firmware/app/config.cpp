#include "firmware/app/config.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "firmware/app/config_keys.h"
#include "firmware/app/config_section.h"
#include "firmware/base/text.h"

namespace holdfast::app {
namespace {

constexpr std::size_t kFileSizeLimit = 1u << 20u;

/// The sections of one file.
class Document {
public:
    Document(const toml::table& root, const Environment& environment, Problems& problems)
        : root_(root), environment_(environment), problems_(problems) {}

    Config read() {
        Config config;
        if (!root_.contains("node")) {
            problems_.add(1, "node.id",
                          "is missing; the file needs [node] and id = \"greenhouse-7\" in it");
        }
        read_table("node", [&](Section& section) { read_node(section, config.node); });
        read_table("journal", [&](Section& section) { read_journal(section, config.journal); });
        read_table("uplink", [&](Section& section) {
            config.uplink = Config::Uplink{};
            read_uplink(section, *config.uplink, environment_);
        });
        read_table("listen", [&](Section& section) {
            config.listen = Config::Listen{};
            read_listen(section, *config.listen, config.journal.max_size_bytes);
        });
        read_table("log", [&](Section& section) { read_log(section, config.log); });
        read_sensors(config.sensors);
        find_unknown();
        return config;
    }

private:
    static std::uint32_t line_of(const toml::node& node) {
        return std::max(node.source().begin.line, std::uint32_t{1});
    }

    template <class Read>
    void read_table(std::string_view name, Read read) {
        known_.push_back(name);
        const toml::node* node = root_.get(name);
        if (node == nullptr) {
            return;
        }
        const toml::table* table = node->as_table();
        if (table == nullptr) {
            problems_.add(line_of(*node), name,
                          "is " + std::string(type_name(*node)) + "; a section [" +
                              std::string(name) + "] is expected");
            return;
        }
        Section section(*table, std::string(name), problems_);
        read(section);
        section.finish();
    }

    void read_sensors(std::vector<Config::Sensor>& sensors) {
        const toml::node* node = root_.get("sensor");
        if (node == nullptr) {
            return;
        }
        const toml::array* array = node->as_array();
        if (array == nullptr) {
            problems_.add(line_of(*node), "sensor",
                          "is " + std::string(type_name(*node)) +
                              "; sections [[sensor]], in two brackets, are expected");
            return;
        }
        std::vector<std::uint32_t> lines;
        for (const toml::node& element : *array) {
            const toml::table* table = element.as_table();
            if (table == nullptr) {
                problems_.add(line_of(element), "sensor",
                              "holds " + std::string(type_name(element)) +
                                  "; sections [[sensor]] are expected");
                continue;
            }
            Section section(*table, "sensor", problems_);
            Config::Sensor sensor;
            read_sensor(section, sensor);
            section.finish();
            find_duplicate(section, sensor, sensors, lines);
            sensors.push_back(std::move(sensor));
            lines.push_back(section.line());
        }
    }

    /// The same source read twice would number its readings twice.
    static void find_duplicate(Section& section, const Config::Sensor& sensor,
                               const std::vector<Config::Sensor>& before,
                               const std::vector<std::uint32_t>& lines) {
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (before[i].driver == sensor.driver && before[i].path == sensor.path &&
                !sensor.driver.empty()) {
                const bool has_path = !sensor.path.empty();
                section.problem(has_path ? "path" : "driver",
                                in_quotes(has_path ? sensor.path : sensor.driver) +
                                    " is read by the [[sensor]] in line " +
                                    std::to_string(lines[i]) + " already");
                return;
            }
        }
    }

    void find_unknown() {
        known_.emplace_back("sensor");
        for (const auto& [key, node] : root_) {
            if (std::ranges::find(known_, key.str()) != known_.end()) {
                continue;
            }
            const bool section = node.is_table() || node.is_array_of_tables();
            problems_.add(std::max(key.source().begin.line, std::uint32_t{1}), key.str(),
                          section ? "unknown section" + suggestion(key.str(), known_, '[', ']')
                                  : "unknown key; it stands before any section, such as [node]");
        }
    }

    const toml::table& root_;
    const Environment& environment_;
    Problems& problems_;
    std::vector<std::string_view> known_;
};

/// toml++ says where it was before it says what it met; the line is enough for the former.
std::string syntax_sentence(std::string_view description) {
    if (description.starts_with("Error while parsing ")) {
        if (const std::size_t colon = description.find(": "); colon != std::string_view::npos) {
            description.remove_prefix(colon + 2);
        }
    }
    if (description.starts_with("cannot redefine existing ")) {
        const std::size_t open = description.find('\'');
        const std::size_t close = description.find('\'', open + 1);
        if (close != std::string_view::npos) {
            return in_quotes(description.substr(open + 1, close - open - 1)) +
                   " is there already; a key or section may be given once only";
        }
    }
    return "not TOML: " + std::string(description);
}

Result<std::string> read_file(const std::filesystem::path& file) {
    if (const std::string why = why_unreadable(file); !why.empty()) {
        return fail(ErrorCode::not_found, "the configuration file " + why);
    }
    std::string text;
    const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = descriptor < 0 ? -1 : 1;
    while (got > 0 && text.size() <= kFileSizeLimit) {
        const std::size_t size = text.size();
        text.resize(size + 4096);
        got = read(descriptor, text.data() + size, 4096);
        text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    const int error = errno;
    if (descriptor >= 0) {
        close(descriptor);
    }
    if (got < 0) {
        return fail(ErrorCode::not_found,
                    "the configuration file " + in_quotes(file.native()) +
                        " cannot be read: " + std::generic_category().message(error));
    }
    if (text.size() > kFileSizeLimit) {
        return fail(ErrorCode::invalid, "the configuration file " + in_quotes(file.native()) +
                                            " is larger than " + format_size(kFileSizeLimit));
    }
    return text;
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& file, const Environment& environment) {
    const auto text = read_file(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    return parse_config(*text, file.native(), environment);
}

Result<Config> parse_config(std::string_view text, const std::string& name,
                            const Environment& environment) {
    Problems problems(name);
    // The parser looks ahead, and would name another line.
    std::uint32_t line_number = 1;
    for (std::string_view rest = text; !rest.empty(); ++line_number) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        if (!is_utf8(as_bytes(line))) {
            problems.add(line_number, "", "not TOML: holds bytes that are not UTF-8");
            return fail(ErrorCode::invalid, problems.text());
        }
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        const auto line = parsed.error().source().begin.line;
        problems.add(std::max(line, std::uint32_t{1}), "",
                     syntax_sentence(parsed.error().description()));
        return fail(ErrorCode::invalid, problems.text());
    }
    Config config = Document(parsed.table(), environment, problems).read();
    if (!problems.empty()) {
        return fail(ErrorCode::invalid, problems.text());
    }
    return config;
}

}  // namespace holdfast::app
