#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <sqlite3.h>

#include "firmware/ports/database.h"
#include "platform/storage/sqlite_error.h"

namespace holdfast::ports {
namespace {

using Path = std::filesystem::path;

bool exists(sqlite3_vfs& vfs, const Path& file) {
    int there = 0;
    vfs.xAccess(&vfs, file.c_str(), SQLITE_ACCESS_EXISTS, &there);
    return there != 0;
}

Result<void> rename_file(const Path& from, const Path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
        return fail(ErrorCode::io, "moving " + from.string() + " aside: " + std::strerror(errno));
    }
    const Path folder = from.parent_path().empty() ? Path(".") : from.parent_path();
    if (const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        directory >= 0) {
        ::fsync(directory);
        ::close(directory);
    }
    return {};
}

/// A file of a VFS, closed at the end.
class OpenFile {
public:
    OpenFile(sqlite3_vfs& vfs, const Path& file, int flags)
        : memory_(std::make_unique<std::max_align_t[]>(
              static_cast<std::size_t>(vfs.szOsFile) / sizeof(std::max_align_t) + 1)),
          file_(reinterpret_cast<sqlite3_file*>(memory_.get())) {
        code_ = vfs.xOpen(&vfs, file.c_str(), file_, flags, nullptr);
    }
    ~OpenFile() {
        if (file_->pMethods != nullptr) {
            file_->pMethods->xClose(file_);
        }
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    [[nodiscard]] int code() const { return code_; }
    sqlite3_file* operator*() { return file_; }
    const sqlite3_io_methods* operator->() { return file_->pMethods; }

private:
    std::unique_ptr<std::max_align_t[]> memory_;
    sqlite3_file* file_;
    int code_ = SQLITE_OK;
};

int copy(OpenFile& from, OpenFile& to) {
    sqlite3_int64 size = 0;
    int code = from->xFileSize(*from, &size);
    std::array<std::byte, 4096> buffer{};
    for (sqlite3_int64 at = 0; at < size && code == SQLITE_OK;) {
        const int count = static_cast<int>(
            std::min<sqlite3_int64>(size - at, static_cast<sqlite3_int64>(buffer.size())));
        code = from->xRead(*from, buffer.data(), count, at);
        if (code == SQLITE_OK) {
            code = to->xWrite(*to, buffer.data(), count, at);
        }
        at += count;
    }
    return code == SQLITE_OK ? to->xSync(*to, SQLITE_SYNC_NORMAL) : code;
}

/// A VFS cannot rename, so where the files are not the system's own they are copied.
Result<void> move_by_copy(sqlite3_vfs& vfs, const Path& from, const Path& to) {
    int code = SQLITE_OK;
    {
        // SQLite stores URI parameters after the name of a main database, and a VFS may read them.
        // It does not do so for a journal, so both files are opened as journals.
        OpenFile source(vfs, from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_SUPER_JOURNAL);
        OpenFile target(vfs, to,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL);
        code = source.code() != SQLITE_OK ? source.code() : target.code();
        code = code == SQLITE_OK ? copy(source, target) : code;
    }
    if (code == SQLITE_OK) {
        code = vfs.xDelete(&vfs, from.c_str(), 1);
    }
    if (code != SQLITE_OK) {
        return sqlite_error(nullptr, code, "moving " + from.string() + " aside");
    }
    return {};
}

Path with_suffix(Path file, const std::string& suffix) {
    return file += suffix;
}

}  // namespace

Result<std::filesystem::path> Database::move_aside(const std::filesystem::path& file,
                                                   const DatabaseOptions& options) {
    sqlite3_vfs* vfs = sqlite3_vfs_find(options.vfs.empty() ? nullptr : options.vfs.c_str());
    if (vfs == nullptr) {
        return fail(ErrorCode::io, "no file system named " + options.vfs);
    }
    Path target;
    int number = 0;
    do {
        target = with_suffix(file, ".unreadable-" + std::to_string(++number));
    } while (exists(*vfs, target) || exists(*vfs, with_suffix(target, "-wal")));
    // The database first: were the power cut before its WAL is moved too, SQLite drops a WAL
    // without a database, while a database without its WAL would be taken for an older state of
    // itself.
    for (const char* suffix : {"", "-wal"}) {
        const Path from = with_suffix(file, suffix);
        const Path to = with_suffix(target, suffix);
        if (!exists(*vfs, from)) {
            continue;
        }
        auto moved = options.vfs.empty() ? rename_file(from, to) : move_by_copy(*vfs, from, to);
        if (!moved) {
            return std::unexpected(std::move(moved).error());
        }
    }
    return target;
}

}  // namespace holdfast::ports
