#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "platform/sensors/line_source.h"
#include "platform/sensors/sysfs.h"

namespace holdfast::sensors {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a file that was renamed must be silent before the new one of its name is read: its
/// writer may still have it open.
constexpr std::chrono::seconds kRotationGrace{1};

/// Identifies a file, also against a later file with the same inode: the inode, mixed with the time
/// of birth where the file system knows it. 63 bits, never 0.
std::uint64_t identify(int descriptor) {
    struct statx status{};
    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) {
        struct stat plain{};
        return fstat(descriptor, &plain) == 0 ? static_cast<std::uint64_t>(plain.st_ino) : 1;
    }
    std::uint64_t identity = status.stx_ino;
    if ((status.stx_mask & STATX_BTIME) != 0) {
        const auto seconds = static_cast<std::uint64_t>(status.stx_btime.tv_sec);
        identity ^= (seconds * 1'000'000'000 + status.stx_btime.tv_nsec) * 0x9E3779B97F4A7C15u;
    }
    return (identity & ~(std::uint64_t{1} << 63u)) | (identity == 0 ? 1u : 0u);
}

bool is_compressed(std::string_view name) {
    return name.ends_with(".gz") || name.ends_with(".xz") || name.ends_with(".bz2") ||
           name.ends_with(".zst");
}

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() {
        if (number_ >= 0) {
            close(number_);
        }
    }
    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] bool is_open() const { return number_ >= 0; }

private:
    int number_ = -1;
};

Descriptor open_to_read(const std::string& path) {
    return Descriptor(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

class FileSource final : public LineSourceBase {
public:
    FileSource(boost::asio::io_context& io, std::string path, LinePosition start, Handler handler,
               std::size_t line_limit_bytes)
        : LineSourceBase(io, std::move(path), std::move(handler), line_limit_bytes),
          limit_(line_limit_bytes),
          start_(start),
          inotify_(io) {
        // Without inotify (its instances are limited) the file is checked once a second only.
        if (const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); descriptor >= 0) {
            boost::system::error_code error;
            inotify_.assign(descriptor, error);
            if (error) {
                close(descriptor);
            }
        }
        wait_for_events();
        ask_for_turn();
        look_regularly();
    }

    [[nodiscard]] bool remembers() const override { return pipe_ == nullptr; }
    void pause() override {
        LineSourceBase::pause();
        if (pipe_) {
            pipe_->pause();
        }
    }
    void resume() override {
        LineSourceBase::resume();
        if (pipe_) {
            pipe_->resume();
        }
    }

private:
    void take_turn() override {
        for (int chunks = 0; chunks < kChunksPerTurn; ++chunks) {
            if (paused_ || pipe_ || !ensure_open()) {
                return;
            }
            const auto room = splitter_.room();
            const ssize_t got = pread(file_.number(), room.data(), room.size(),
                                      static_cast<off_t>(splitter_.read_offset()));
            if (got < 0) {
                if (errno != EINTR) {
                    report(ErrorCode::io, std::generic_category().message(errno));
                    return;
                }
            } else if (got > 0) {
                replaced_since_.reset();
                if (!hand_on(static_cast<std::size_t>(got), identity_)) {
                    return;
                }
            } else if (!goes_on_after_end()) {
                return;
            }
        }
        ask_for_turn();
    }

    /// The file was read to its end. True: there is something to read elsewhere.
    bool goes_on_after_end() {
        struct stat here{};
        if (fstat(file_.number(), &here) != 0) {
            report(ErrorCode::io, std::generic_category().message(errno));
            return false;
        }
        if (static_cast<std::uint64_t>(here.st_size) < splitter_.read_offset()) {
            const bool within_line = splitter_.offset() != splitter_.read_offset();
            splitter_.restart(0);
            return !within_line ||
                   report(ErrorCode::corrupt,
                          "was truncated within a line, whose beginning is dropped");
        }
        struct stat there{};
        if (stat(path_.c_str(), &there) != 0) {
            replaced_since_.reset();
            report(ErrorCode::not_found, "is not there any more; waiting for it to return");
            return false;
        }
        if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
            replaced_since_.reset();
            recovered();
            return false;
        }
        if (!replaced_since_) {
            replaced_since_ = Clock::now();
        }
        if (Clock::now() - *replaced_since_ < kRotationGrace) {
            return false;
        }
        file_ = {};
        start_ = {};
        return hand_on_rest(identity_);
    }

    bool ensure_open() {
        if (file_.is_open()) {
            return true;
        }
        Descriptor file = open_to_read(path_);
        const int why = errno;
        if (start_.inode != 0 && (!file.is_open() || identify(file.number()) != start_.inode)) {
            // The file was renamed between two looks: the rest of the renamed file comes first.
            if (Descriptor renamed = find_renamed(); renamed.is_open()) {
                file = std::move(renamed);
            }
        }
        if (!file.is_open()) {
            report(why == ENOENT ? ErrorCode::not_found : ErrorCode::io,
                   why == ENOENT ? "is not there yet; waiting for it"
                                 : std::generic_category().message(why));
            watch();
            return false;
        }
        struct stat status{};
        if (fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
            not_a_file(S_ISFIFO(status.st_mode));
            return false;
        }
        file_ = std::move(file);
        identity_ = identify(file_.number());
        const bool same = identity_ == start_.inode &&
                          static_cast<std::uint64_t>(status.st_size) >= start_.offset;
        splitter_.restart(same ? start_.offset : 0);
        replaced_since_.reset();
        start_ = {};
        recovered();
        watch();
        return true;
    }

    void not_a_file(bool fifo) {
        if (fifo) {
            Handler handler = handler_;
            pipe_ = open_pipe(io_, path_, std::move(handler), limit_);
        } else {
            report(ErrorCode::unsupported, "is neither a file nor a FIFO");
        }
    }

    /// A file in the same directory whose name begins with this file's name (readings.jsonl.1), and
    /// which is the file that `start_` refers to.
    [[nodiscard]] Descriptor find_renamed() const {
        const std::filesystem::path path(path_);
        const std::string name = path.filename();
        for (const std::string& neighbour : list_directory(directory())) {
            if (neighbour == name || !neighbour.starts_with(name) || is_compressed(neighbour)) {
                continue;
            }
            Descriptor file = open_to_read(directory() / neighbour);
            struct stat status{};
            if (file.is_open() && fstat(file.number(), &status) == 0 && S_ISREG(status.st_mode) &&
                identify(file.number()) == start_.inode &&
                static_cast<std::uint64_t>(status.st_size) >= start_.offset) {
                return file;
            }
        }
        return {};
    }

    [[nodiscard]] std::filesystem::path directory() const {
        const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
        return parent.empty() ? "." : parent;
    }

    /// Watches the file for growth and its directory for new files. May be called again.
    void watch() {
        if (!inotify_.is_open()) {
            return;
        }
        inotify_add_watch(inotify_.native_handle(), directory().c_str(),
                          IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
        if (file_.is_open()) {
            const int watched =
                inotify_add_watch(inotify_.native_handle(), path_.c_str(), IN_MODIFY);
            if (file_watch_ >= 0 && watched != file_watch_) {
                inotify_rm_watch(inotify_.native_handle(), file_watch_);
            }
            file_watch_ = watched;
        }
    }

    void wait_for_events() {
        if (!inotify_.is_open()) {
            return;
        }
        when_readable(inotify_, [this](const boost::system::error_code& error) {
            if (error) {
                return;
            }
            // The kind of event does not matter: a turn checks everything.
            std::array<char, 4096> events;
            while (read(inotify_.native_handle(), events.data(), events.size()) > 0) {
            }
            ask_for_turn();
            wait_for_events();
        });
    }

    std::size_t limit_;
    LinePosition start_;  ///< until a file was opened
    Descriptor file_;
    std::uint64_t identity_ = 0;
    std::optional<Clock::time_point> replaced_since_;  ///< another file has the name
    boost::asio::posix::stream_descriptor inotify_;
    int file_watch_ = -1;
    std::unique_ptr<LineSource> pipe_;
};

}  // namespace

std::unique_ptr<LineSource> open_file(boost::asio::io_context& io, std::string path,
                                      LinePosition start, LineSource::Handler handler,
                                      std::size_t line_limit_bytes) {
    return std::make_unique<FileSource>(io, std::move(path), start, std::move(handler),
                                        line_limit_bytes);
}

}  // namespace holdfast::sensors
