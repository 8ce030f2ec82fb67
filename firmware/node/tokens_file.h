#pragma once

#include <filesystem>

#include "firmware/hub/tokens.h"
#include "firmware/ports/files.h"

namespace holdfast::node {

[[nodiscard]] inline std::filesystem::path token_file(const std::filesystem::path& data_dir) {
    return data_dir / "tokens";
}

/// Who may open lines here. An absent file is an empty table. Errors: io, invalid (names file and
/// line).
[[nodiscard]] inline Result<hub::TokenTable> load_tokens(ports::Files& files,
                                                         const std::filesystem::path& data_dir) {
    const std::filesystem::path file = token_file(data_dir);
    const Result<std::optional<std::string>> text = files.read(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    if (!*text) {
        return hub::TokenTable{};
    }
    Result<hub::TokenTable> table = hub::TokenTable::parse(**text);
    return table ? std::move(table)
                 : std::unexpected(std::move(table).error().context(file.string()));
}

}  // namespace holdfast::node
