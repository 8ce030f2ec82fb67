#pragma once

#include <cstdint>
#include <filesystem>

#include "firmware/base/error.h"
#include "firmware/hub/tokens.h"

namespace holdfast::app {

[[nodiscard]] std::filesystem::path token_file(const std::filesystem::path& data_dir);
/// An absent file is an empty table. Errors: io, invalid (names file and line).
[[nodiscard]] Result<hub::TokenTable> load_tokens(const std::filesystem::path& data_dir);
/// Differs when the file was replaced, however soon after the last time.
struct TokenFileState {
    std::uint64_t inode = 0;  ///< 0: there is no file
    std::int64_t size_bytes = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const TokenFileState&) const = default;
};
[[nodiscard]] TokenFileState token_file_state(const std::filesystem::path& data_dir);
/// Replaces the file at once or not at all, readable by its owner only. Errors: io.
[[nodiscard]] Result<void> save_tokens(const std::filesystem::path& data_dir,
                                       const hub::TokenTable& table);

}  // namespace holdfast::app
