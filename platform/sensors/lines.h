#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "firmware/base/error.h"

namespace holdfast::sensors {

/// Where a followed file stands: `offset` is behind the last complete line that was handed on,
/// `inode` says of which file: it is the inode mixed with the time of birth, for inodes are given
/// to new files again. Compare it, and no more.
struct LinePosition {
    std::uint64_t offset = 0;
    std::uint64_t inode = 0;
};

/// Lines of text from a file that grows, a FIFO, or standard input ("-"). On the network thread.
///
/// A file is followed from `start` (from its beginning, if the inode differs or the file is shorter
/// than the offset); it may not be there yet, be rotated (the rest of the old one is read first),
/// or truncated (starts again at 0); it is looked at when inotify says so and at least once a
/// second. A FIFO is opened without blocking and kept open for reading and writing, so that writers
/// may come and go. A last line without its newline waits for the rest. Lines longer than
/// `line_limit_bytes` are skipped, and reported as an error with their offset.
class LineSource {
public:
    struct Handler {
        /// Complete lines, without their newlines, in order; `position` is where to start again
        /// after the last of them. Views valid during the call. `remembers`: the source can be read
        /// again from a position (a file); a pipe cannot.
        std::function<void(std::span<const std::string_view> lines, LinePosition position)>
            on_lines;
        std::function<void(const Error& error)>
            on_error;                  ///< reported once per change of state, retried by itself
        std::function<void()> on_end;  ///< standard input ended
    };

    static std::unique_ptr<LineSource> open(boost::asio::io_context& io, std::string path,
                                            LinePosition start, Handler handler,
                                            std::size_t line_limit_bytes = 64 << 10);
    virtual ~LineSource() = default;

    /// Whether positions mean anything: a regular file (or one that is not there yet).
    [[nodiscard]] virtual bool remembers() const = 0;
    /// No further `on_lines` until `resume`; a pipe's writer is then held back by the kernel.
    virtual void pause() = 0;
    virtual void resume() = 0;
};

}  // namespace holdfast::sensors
