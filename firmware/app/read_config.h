#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "firmware/app/config.h"

namespace holdfast::app {

/// Exit codes of the commands.
inline constexpr int kFailed = 1;
inline constexpr int kBadConfiguration = 2;

/// The configuration, with the log's level set as it says; nullopt: what is wrong was printed.
/// `environment`: see `load_config`; what only asks a running node has no use for one.
[[nodiscard]] std::optional<Config> read_config(const std::filesystem::path& file,
                                                const Environment& environment = {});

/// This process's.
[[nodiscard]] std::string process_environment(const char* name);

}  // namespace holdfast::app
