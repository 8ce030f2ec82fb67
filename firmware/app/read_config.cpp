#include "firmware/app/read_config.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "platform/system/log.h"

namespace holdfast::app {

std::optional<Config> read_config(const std::filesystem::path& file,
                                  const Environment& environment) {
    Result<Config> config = load_config(file, environment);
    if (!config) {
        std::cerr << config.error().message << '\n';
        return std::nullopt;
    }
    log::set_level(std::string_view(config->log.level));
    return *std::move(config);
}

std::string process_environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

}  // namespace holdfast::app
