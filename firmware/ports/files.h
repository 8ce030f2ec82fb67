#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "firmware/base/error.h"

namespace holdfast::ports {

/// Differs when a file was replaced or written, however soon after the last time.
struct FileState {
    std::uint64_t inode = 0;  ///< 0: there is no file
    std::int64_t size_bytes = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const FileState&) const = default;
};

/// Small files that people and other programs write: tokens, certificates.
class Files {
public:
    virtual ~Files() = default;
    /// The whole content; nullopt: there is no such file. Errors: io.
    [[nodiscard]] virtual Result<std::optional<std::string>> read(
        const std::filesystem::path& file) = 0;
    [[nodiscard]] virtual FileState state(const std::filesystem::path& file) = 0;
};

}  // namespace holdfast::ports
