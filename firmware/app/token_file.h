#pragma once

#include <filesystem>

#include "firmware/base/error.h"
#include "firmware/hub/tokens.h"

namespace holdfast::app {

[[nodiscard]] std::filesystem::path token_file(const std::filesystem::path& data_dir);
/// An absent file is an empty table. Errors: io, invalid (names file and line).
[[nodiscard]] Result<hub::TokenTable> load_tokens(const std::filesystem::path& data_dir);
/// Replaces the file at once or not at all, readable by its owner only. Errors: io.
[[nodiscard]] Result<void> save_tokens(const std::filesystem::path& data_dir,
                                       const hub::TokenTable& table);

}  // namespace holdfast::app
