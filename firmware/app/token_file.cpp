#include "firmware/app/token_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::app {

std::filesystem::path token_file(const std::filesystem::path& data_dir) {
    return data_dir / "tokens";
}

Result<hub::TokenTable> load_tokens(const std::filesystem::path& data_dir) {
    const std::filesystem::path file = token_file(data_dir);
    std::error_code error;
    if (!std::filesystem::exists(file, error)) {
        return hub::TokenTable{};
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::io, file.string() + " cannot be read");
    }
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    Result<hub::TokenTable> table = hub::TokenTable::parse(text);
    return table ? std::move(table)
                 : std::unexpected(std::move(table).error().context(file.string()));
}

TokenFileState token_file_state(const std::filesystem::path& data_dir) {
    struct stat status{};
    if (::stat(token_file(data_dir).c_str(), &status) != 0) {
        return {};
    }
    return {status.st_ino, status.st_size,
            std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<void> save_tokens(const std::filesystem::path& data_dir, const hub::TokenTable& table) {
    const std::filesystem::path file = token_file(data_dir);
    const std::filesystem::path fresh = file.string() + ".new";
    const std::string text = table.to_text();
    const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written =
        descriptor >= 0 &&
        ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(descriptor) == 0;
    // Made by root for a service that runs as another user: whoever owns the directory owns the
    // file.
    struct stat directory{};
    if (written && ::stat(data_dir.c_str(), &directory) == 0 && ::geteuid() == 0) {
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

}  // namespace holdfast::app
