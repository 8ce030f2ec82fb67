#include "platform/sensors/line_splitter.h"

#include <algorithm>
#include <cstring>

namespace holdfast::sensors {

std::span<char> LineSplitter::room() {
    if (buffer_.size() < filled_ + kChunkSizeBytes) {
        buffer_.resize(filled_ + kChunkSizeBytes);
    }
    return std::span(buffer_).subspan(filled_, kChunkSizeBytes);
}

void LineSplitter::take(std::size_t size, std::vector<std::string_view>& lines,
                        std::vector<std::uint64_t>& too_long) {
    // The bytes kept before have no newline in them.
    std::size_t scanned = filled_;
    filled_ += size;
    while (const void* newline = std::memchr(buffer_.data() + scanned, '\n', filled_ - scanned)) {
        const auto end =
            static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data());
        std::string_view line(buffer_.data() + start_, end - start_);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (skipping_) {
            skipping_ = false;
        } else if (line.size() > limit_) {
            too_long.push_back(offset_);
        } else {
            lines.push_back(line);
        }
        scanned = start_ = end + 1;
        offset_ = base_ + start_;
    }
    // One byte more than the limit may still be a carriage return.
    if (!skipping_ && filled_ - start_ > limit_ + 1) {
        too_long.push_back(offset_);
        skipping_ = true;
    }
    if (skipping_) {
        start_ = filled_;
    }
}

void LineSplitter::finish(std::vector<std::string_view>& lines) {
    if (start_ != filled_ && filled_ - start_ <= limit_) {
        lines.emplace_back(buffer_.data() + start_, filled_ - start_);
    }
    start_ = filled_;
    skipping_ = false;
    offset_ = read_offset();
}

void LineSplitter::compact() {
    if (start_ != 0) {
        std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(start_),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
        base_ += start_;
        filled_ -= start_;
        start_ = 0;
    }
}

void LineSplitter::restart(std::uint64_t offset) {
    filled_ = start_ = 0;
    base_ = offset_ = offset;
    skipping_ = false;
}

}  // namespace holdfast::sensors
