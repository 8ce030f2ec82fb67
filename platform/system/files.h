#pragma once

#include <filesystem>
#include <string_view>

#include "firmware/ports/files.h"

namespace holdfast::system {

/// Files of this machine.
class SystemFiles final : public ports::Files {
public:
    [[nodiscard]] Result<std::optional<std::string>> read(
        const std::filesystem::path& file) override;
    [[nodiscard]] ports::FileState state(const std::filesystem::path& file) override;
};

/// Replaces the file at once or not at all, readable by its owner only. Made by root for a service
/// that runs as another user, it belongs to whoever owns the directory. Errors: io.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace holdfast::system
