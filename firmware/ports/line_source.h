#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "firmware/base/error.h"

namespace holdfast::ports {

/// Where a followed file stands: `offset` is behind the last complete line that was handed on,
/// `inode` says of which file: it is the inode mixed with the time of birth, for inodes are given
/// to new files again. Compare it, and no more.
struct LinePosition {
    std::uint64_t offset = 0;
    std::uint64_t inode = 0;
};

/// Lines of text from a file that grows, a FIFO, or standard input. On the network thread.
///
/// A file is followed from a position (from its beginning, if the inode differs or the file is
/// shorter than the offset); it may not be there yet, be rotated (the rest of the old one is read
/// first), or truncated (starts again at 0). A last line without its newline waits for the rest.
/// Lines that are too long are skipped, and reported as an error with their offset.
class LineSource {
public:
    struct Handler {
        /// Complete lines, without their newlines, in order; `position` is where to start again
        /// after the last of them. Views valid during the call.
        std::function<void(std::span<const std::string_view> lines, LinePosition position)>
            on_lines;
        /// Reported once per change of state; it is tried again without being asked.
        std::function<void(const Error& error)> on_error;
        std::function<void()> on_end;  ///< standard input ended
    };

    virtual ~LineSource() = default;

    /// Whether positions mean anything: a regular file, or one that is not there yet. A pipe cannot
    /// be read again.
    [[nodiscard]] virtual bool remembers() const = 0;
    /// No further `on_lines` until `resume`; a pipe's writer is then held back by the kernel.
    virtual void pause() = 0;
    virtual void resume() = 0;
};

}  // namespace holdfast::ports
