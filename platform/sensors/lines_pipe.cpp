#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "platform/sensors/line_source.h"

namespace holdfast::sensors {
namespace {

bool readable_now(int descriptor) {
    pollfd question{descriptor, POLLIN, 0};
    return poll(&question, 1, 0) > 0;
}

class PipeSource final : public LineSourceBase {
public:
    PipeSource(boost::asio::io_context& io, std::string path, Handler handler,
               std::size_t line_limit_bytes)
        : LineSourceBase(io, std::move(path), std::move(handler), line_limit_bytes), pipe_(io) {
        ask_for_turn();
        if (!standard_input()) {
            look_regularly();
        }
    }

    [[nodiscard]] bool remembers() const override { return false; }

private:
    [[nodiscard]] bool standard_input() const { return path_ == "-"; }

    void take_turn() override {
        if (paused_ || ended_ || !ensure_open()) {
            return;
        }
        for (int chunks = 0; chunks < kChunksPerTurn; ++chunks) {
            // Standard input may be shared with other processes and stays blocking, so each read
            // waits until the input is readable.
            if (!readable_now(pipe_.native_handle())) {
                check_path();
                return;
            }
            const auto room = splitter_.room();
            const ssize_t got = read(pipe_.native_handle(), room.data(), room.size());
            if (got == 0) {
                end();
                return;
            }
            if (got < 0) {
                if (errno == EAGAIN || errno == EINTR) {
                    continue;
                }
                const std::string why = std::generic_category().message(errno);
                pipe_.close();
                waiting_ = false;
                report(ErrorCode::io, why);
                return;
            }
            if (!hand_on(static_cast<std::size_t>(got), 0) || paused_) {
                return;
            }
        }
        ask_for_turn();
    }

    /// Nothing to read now: waits for more, unless another FIFO has this name by now.
    void check_path() {
        struct stat here{};
        struct stat there{};
        if (!standard_input() && fstat(pipe_.native_handle(), &here) == 0) {
            if (stat(path_.c_str(), &there) != 0) {
                if (!report(ErrorCode::not_found, "is not there any more")) {
                    return;
                }
            } else if (here.st_dev != there.st_dev || here.st_ino != there.st_ino) {
                pipe_.close();
                waiting_ = false;
                ask_for_turn();
                return;
            } else {
                recovered();
            }
        }
        wait();
    }

    void wait() {
        if (waiting_) {
            return;
        }
        waiting_ = true;
        when_readable(pipe_, [this](const boost::system::error_code& error) {
            if (error == boost::asio::error::operation_aborted) {
                return;
            }
            waiting_ = false;
            // What epoll cannot watch (a file, /dev/null) can always be read.
            take_turn();
        });
    }

    void end() {
        ended_ = true;
        // The FIFO is open for writing here too, so only standard input ends.
        if (hand_on_rest(0) && handler_.on_end) {
            handler_.on_end();
        }
    }

    bool ensure_open() {
        if (pipe_.is_open()) {
            return true;
        }
        const int descriptor = standard_input()
                                   ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                   : ::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (descriptor < 0) {
            const ErrorCode code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::io;
            report(code, std::generic_category().message(errno));
            return false;
        }
        struct stat status{};
        if (!standard_input() && (fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode))) {
            close(descriptor);
            report(ErrorCode::unsupported, "is no FIFO any more");
            return false;
        }
        boost::system::error_code error;
        pipe_.assign(descriptor, error);
        if (error) {
            close(descriptor);
            report(ErrorCode::io, error.message());
            return false;
        }
        recovered();
        return true;
    }

    boost::asio::posix::stream_descriptor pipe_;
    bool waiting_ = false;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<LineSource> open_pipe(boost::asio::io_context& io, std::string path,
                                      LineSource::Handler handler, std::size_t line_limit_bytes) {
    return std::make_unique<PipeSource>(io, std::move(path), std::move(handler), line_limit_bytes);
}

}  // namespace holdfast::sensors
