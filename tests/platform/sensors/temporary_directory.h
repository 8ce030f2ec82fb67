#pragma once

#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <string>
#include <string_view>

namespace holdfast::test {

/// A directory of the test's own, removed with all in it at the end.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "holdfast-XXXXXX").native();
        path_ = mkdtemp(name.data());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::filesystem::path path() const { return path_; }
    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).native(); }

    /// Replaces the file's text in place; folders are made.
    void write(std::string_view name, std::string_view text) const {
        put(name, text, std::ios::trunc);
    }
    void append(std::string_view name, std::string_view text) const {
        put(name, text, std::ios::app);
    }
    void remove(std::string_view name) const { std::filesystem::remove_all(path_ / name); }
    void rename(std::string_view from, std::string_view to) const {
        std::filesystem::rename(path_ / from, path_ / to);
    }

private:
    void put(std::string_view name, std::string_view text, std::ios::openmode mode) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::out | mode) << text;
    }

    std::filesystem::path path_;
};

}  // namespace holdfast::test
