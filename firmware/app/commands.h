#pragma once

#include <filesystem>
#include <string>

namespace holdfast::app {

/// What the command line offers; each returns the exit code: 0 well, 1 it failed, 2 the
/// configuration is wrong.

[[nodiscard]] int run(const std::filesystem::path& config_file);
[[nodiscard]] int check(const std::filesystem::path& config_file);
/// Hub and gateway in one process, with this machine's sensors, on `address`; their data in
/// `directory`.
[[nodiscard]] int demo(const std::string& address, const std::filesystem::path& directory);
[[nodiscard]] int list_sensors();
[[nodiscard]] int status(const std::filesystem::path& config_file, bool json);
[[nodiscard]] int token_create(const std::filesystem::path& config_file, const std::string& device,
                               bool relay);
[[nodiscard]] int token_list(const std::filesystem::path& config_file);
[[nodiscard]] int token_revoke(const std::filesystem::path& config_file, const std::string& device);

}  // namespace holdfast::app
