#include <cstdio>
#include <iostream>
#include <optional>

#include <boost/json/parse.hpp>

#include "firmware/api/words.h"
#include "firmware/app/commands.h"
#include "firmware/app/read_config.h"
#include "firmware/app/status_socket.h"
#include "firmware/app/token_file.h"
#include "firmware/base/text.h"
#include "firmware/telemetry/json.h"
#include "platform/sensors/driver.h"
#include "platform/system/clock.h"
#include "platform/system/entropy.h"

namespace holdfast::app {

namespace {

namespace json = boost::json;

int complain(const Error& error) {
    std::cerr << "holdfast: " << error.message << '\n';
    return kFailed;
}

/// The tokens of the hub that the configuration describes; nullopt: what is wrong was printed.
std::optional<hub::TokenTable> read_tokens(const Config& config) {
    Result<hub::TokenTable> table = load_tokens(config.node.data_dir);
    if (!table) {
        static_cast<void>(complain(table.error()));
        return std::nullopt;
    }
    return *std::move(table);
}

}  // namespace

int list_sensors() {
    for (const sensors::DriverType& type : sensors::driver_types()) {
        std::vector<ports::Sample> samples;
        const std::unique_ptr<ports::Driver> driver = type.make({});
        const Result<void> result = driver->sample(samples);
        std::printf("%s: %s\n", std::string(type.name).c_str(), std::string(type.summary).c_str());
        for (const ports::Sample& sample : samples) {
            std::string value;
            telemetry::append_json(value, sample.value);
            std::printf("  %-44s %s %s\n", sample.channel.name.c_str(), value.c_str(),
                        sample.channel.unit.c_str());
        }
        if (!result) {
            std::printf("  (%s)\n", result.error().message.c_str());
        } else if (samples.empty()) {
            std::printf("  (none here)\n");
        }
    }
    std::printf(
        "lines: readings as JSON, one a line, from a file, a FIFO or standard input (configuration "
        "only)\n");
    return 0;
}

int status(const std::filesystem::path& config_file, bool as_json) {
    const std::optional<Config> config = read_config(config_file);
    if (!config) {
        return kBadConfiguration;
    }
    const Result<std::string> text = ask_status(config->node.data_dir);
    if (!text) {
        return complain(text.error());
    }
    if (as_json) {
        std::fputs(text->c_str(), stdout);
        return 0;
    }
    boost::system::error_code error;
    const json::value parsed = json::parse(*text, error);
    if (error || !parsed.is_object()) {
        return complain({ErrorCode::invalid, "the node's answer is no JSON object"});
    }
    std::fputs(api::words_text(api::words_of(parsed.get_object())).c_str(), stdout);
    return 0;
}

int token_create(const std::filesystem::path& config_file, const std::string& device, bool relay) {
    const std::optional<Config> config = read_config(config_file);
    if (!config) {
        return kBadConfiguration;
    }
    if (!is_node_id(device)) {
        return complain(
            {ErrorCode::invalid,
             "\"" + device + "\" is no node.id: 1 to 64 letters, digits, '.', '_' and '-' are"});
    }
    std::optional<hub::TokenTable> table = read_tokens(*config);
    if (!table) {
        return kFailed;
    }
    std::error_code ignored;
    std::filesystem::create_directories(config->node.data_dir, ignored);
    system::SystemEntropy entropy;
    const std::string token = table->create(device, relay, system::wall_now(), entropy);
    if (const Result<void> saved = save_tokens(config->node.data_dir, *table); !saved) {
        return complain(saved.error());
    }
    std::cout << token << '\n';
    std::cerr << "Shown this once: put it into the file that uplink.token_file of " << device
              << " names.\n";
    return 0;
}

int token_list(const std::filesystem::path& config_file) {
    const std::optional<Config> config = read_config(config_file);
    if (!config) {
        return kBadConfiguration;
    }
    const std::optional<hub::TokenTable> table = read_tokens(*config);
    if (!table) {
        return kFailed;
    }
    for (const hub::Token& token : table->tokens()) {
        std::printf("%-32s %-7s created %s\n", token.device.c_str(),
                    token.relay ? "relay" : "device", format_time(token.created).c_str());
    }
    return 0;
}

int token_revoke(const std::filesystem::path& config_file, const std::string& device) {
    const std::optional<Config> config = read_config(config_file);
    if (!config) {
        return kBadConfiguration;
    }
    std::optional<hub::TokenTable> table = read_tokens(*config);
    if (!table) {
        return kFailed;
    }
    const std::size_t count = table->revoke(device);
    if (count == 0) {
        return complain({ErrorCode::not_found, "device " + device + " has no token here"});
    }
    if (const Result<void> saved = save_tokens(config->node.data_dir, *table); !saved) {
        return complain(saved.error());
    }
    std::cout << count << " token(s) of " << device << " revoked\n";
    return 0;
}

}  // namespace holdfast::app
