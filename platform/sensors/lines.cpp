#include "platform/sensors/lines.h"

#include <sys/stat.h>

#include <boost/asio/post.hpp>

#include "platform/sensors/line_source.h"

namespace holdfast::sensors {

LineSourceBase::LineSourceBase(boost::asio::io_context& io, std::string path, Handler handler,
                               std::size_t line_limit_bytes)
    : io_(io),
      path_(std::move(path)),
      handler_(std::move(handler)),
      splitter_(line_limit_bytes),
      limit_(line_limit_bytes),
      timer_(io) {}

void LineSourceBase::resume() {
    if (paused_) {
        paused_ = false;
        ask_for_turn();
    }
}

void LineSourceBase::ask_for_turn() {
    if (turn_asked_) {
        return;
    }
    turn_asked_ = true;
    boost::asio::post(io_, [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) {
            turn_asked_ = false;
            take_turn();
        }
    });
}

void LineSourceBase::look_regularly() {
    timer_.expires_after(kLookInterval);
    timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code&) {
        if (!alive.expired()) {
            ask_for_turn();
            look_regularly();
        }
    });
}

bool LineSourceBase::hand_on(std::size_t size, std::uint64_t inode) {
    splitter_.take(size, lines_, too_long_);
    return deliver(inode);
}

bool LineSourceBase::hand_on_rest(std::uint64_t inode) {
    splitter_.finish(lines_);
    return deliver(inode);
}

bool LineSourceBase::deliver(std::uint64_t inode) {
    const std::weak_ptr alive(alive_);
    if (!lines_.empty()) {
        handler_.on_lines(lines_, {splitter_.offset(), inode});
        if (alive.expired()) {
            return false;
        }
        lines_.clear();
    }
    splitter_.compact();
    for (const std::uint64_t offset : std::exchange(too_long_, {})) {
        if (handler_.on_error) {
            handler_.on_error(
                {ErrorCode::too_large, path_ + ": the line at offset " + std::to_string(offset) +
                                           " is longer than " + std::to_string(limit_) +
                                           " bytes and is skipped"});
        }
        if (alive.expired()) {
            return false;
        }
    }
    return true;
}

bool LineSourceBase::report(ErrorCode code, const std::string& sentence) {
    const std::weak_ptr alive(alive_);
    if (sentence != reported_) {
        reported_ = sentence;
        if (handler_.on_error) {
            handler_.on_error({code, path_ + ": " + sentence});
        }
    }
    return !alive.expired();
}

std::unique_ptr<LineSource> open_lines(boost::asio::io_context& io, std::string path,
                                       LinePosition start, LineSource::Handler handler,
                                       std::size_t line_limit_bytes) {
    struct stat status{};
    if (path == "-" || (stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode))) {
        return open_pipe(io, std::move(path), std::move(handler), line_limit_bytes);
    }
    return open_file(io, std::move(path), start, std::move(handler), line_limit_bytes);
}

}  // namespace holdfast::sensors
