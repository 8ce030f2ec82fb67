#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "firmware/base/error.h"
#include "firmware/node/config.h"

namespace holdfast::app {

using node::Config;

/// Gives the value of an environment variable, "" if it is not set.
using Environment = std::function<std::string(const char* name)>;

/// 1 to 64 letters, digits, '.', '_' and '-'.
[[nodiscard]] bool is_node_id(std::string_view id);

/// Reads and checks a configuration file. Unknown keys, wrong types, values out of range and files
/// that are named but are not there are errors that name file, line, key and what would be right,
/// one sentence each, all of them in `message`, a line each. Errors: not_found, invalid.
///
/// `environment`: where [uplink] has no key `proxy`, https_proxy or HTTPS_PROXY names it, unless
/// the hub is on this machine or no_proxy or NO_PROXY has it (lower case first). Without an
/// environment there is none.
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& file,
                                         const Environment& environment = {});
/// As `load_config`; `name` stands for the file in messages.
[[nodiscard]] Result<Config> parse_config(std::string_view text, const std::string& name,
                                          const Environment& environment = {});

}  // namespace holdfast::app
