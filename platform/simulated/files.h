#pragma once

#include <map>
#include <string>
#include <utility>

#include "firmware/ports/files.h"
#include "platform/simulated/clock.h"

namespace holdfast::simulated {

/// The small files of a machine, which people and other programs write. They survive everything.
class Files final : public ports::Files {
public:
    explicit Files(const Clock& clock) : clock_(clock) {}

    [[nodiscard]] Result<std::optional<std::string>> read(
        const std::filesystem::path& file) override {
        if (failing_) {
            return fail(ErrorCode::io, file.string() + " cannot be read");
        }
        const auto found = files_.find(file.string());
        return found == files_.end() ? std::nullopt : std::optional(found->second.text);
    }
    [[nodiscard]] ports::FileState state(const std::filesystem::path& file) override {
        const auto found = files_.find(file.string());
        return found == files_.end() ? ports::FileState{} : found->second.state;
    }

    /// Makes the file, or puts a new one in its place.
    void write(const std::filesystem::path& file, std::string text) {
        const auto size = static_cast<std::int64_t>(text.size());
        const std::int64_t time_ns = clock_.now().time_since_epoch().count() * 1000;
        files_[file.string()] = {std::move(text), {++last_inode_, size, time_ns}};
    }
    void remove(const std::filesystem::path& file) { files_.erase(file.string()); }
    /// From now on no file can be read, or each can be again.
    void fail_reads(bool failing) { failing_ = failing; }

private:
    struct File {
        std::string text;
        ports::FileState state;
    };
    const Clock& clock_;
    std::map<std::string, File> files_;
    std::uint64_t last_inode_ = 0;
    bool failing_ = false;
};

}  // namespace holdfast::simulated
