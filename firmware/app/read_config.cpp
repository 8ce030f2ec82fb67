#include "firmware/app/read_config.h"

#include <iostream>
#include <utility>

#include "platform/system/log.h"

namespace holdfast::app {

std::optional<Config> read_config(const std::filesystem::path& file) {
    Result<Config> config = load_config(file);
    if (!config) {
        std::cerr << config.error().message << '\n';
        return std::nullopt;
    }
    log::set_level(std::string_view(config->log.level));
    return *std::move(config);
}

}  // namespace holdfast::app
