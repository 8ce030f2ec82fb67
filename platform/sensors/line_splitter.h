#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace holdfast::sensors {

/// Cuts a byte stream into lines. Holds the unfinished last line, never more than the limit and one
/// chunk of it. Use: read into `room`, `take`, use the lines, `compact`.
class LineSplitter {
public:
    static constexpr std::size_t kChunkSizeBytes = 64u << 10u;

    explicit LineSplitter(std::size_t line_limit_bytes) : limit_(line_limit_bytes) {}

    /// A chunk's worth of space behind what is held.
    [[nodiscard]] std::span<char> room();
    /// `size` bytes were read into `room`. Appends the lines that are complete now, without "\n" or
    /// "\r\n", and the offsets of those that were found to be too long. The views are valid until
    /// `compact`.
    void take(std::size_t size, std::vector<std::string_view>& lines,
              std::vector<std::uint64_t>& too_long);
    /// The source has ended: what is held is a line too, though without its newline.
    void finish(std::vector<std::string_view>& lines);
    void compact();
    /// Forgets what is held; the next byte is at `offset`.
    void restart(std::uint64_t offset);

    /// Behind the last newline.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    /// Of the next byte to read.
    [[nodiscard]] std::uint64_t read_offset() const { return base_ + filled_; }

private:
    std::size_t limit_;
    std::vector<char> buffer_;
    std::size_t filled_ = 0;  ///< bytes of `buffer_` in use
    std::size_t start_ = 0;   ///< of the unfinished line in `buffer_`
    std::uint64_t base_ = 0;  ///< offset of `buffer_`'s first byte
    std::uint64_t offset_ = 0;
    bool skipping_ = false;  ///< within a line that was too long
};

}  // namespace holdfast::sensors
