#include "platform/system/files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::system {

Result<std::optional<std::string>> SystemFiles::read(const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) {
        return std::nullopt;
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::io, file.string() + " cannot be read");
    }
    return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

ports::FileState SystemFiles::state(const std::filesystem::path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) {
        return {};
    }
    return {status.st_ino, status.st_size,
            std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<void> replace_file(const std::filesystem::path& file, std::string_view text) {
    const std::filesystem::path fresh = file.string() + ".new";
    const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written =
        descriptor >= 0 &&
        ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(descriptor) == 0;
    struct stat directory{};
    if (written && ::stat(file.parent_path().c_str(), &directory) == 0 && ::geteuid() == 0) {
        written = ::fchown(descriptor, directory.st_uid, directory.st_gid) == 0;
    }
    if (descriptor >= 0) {
        written = ::close(descriptor) == 0 && written;
    }
    if (!written || ::rename(fresh.c_str(), file.c_str()) != 0) {
        return fail(ErrorCode::io, "writing " + file.string() + ": " + std::strerror(errno));
    }
    return {};
}

}  // namespace holdfast::system
