#pragma once

#include <filesystem>
#include <optional>

#include "firmware/app/config.h"

namespace holdfast::app {

/// Exit codes of the commands.
inline constexpr int kFailed = 1;
inline constexpr int kBadConfiguration = 2;

/// The configuration, with the log's level set as it says; nullopt: what is wrong was printed.
[[nodiscard]] std::optional<Config> read_config(const std::filesystem::path& file);

}  // namespace holdfast::app
