#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace holdfast::sensors {

/// Cuts a byte stream into lines. Keeps the unfinished last line, at most the limit plus one chunk.
/// Use: read into `room`, `take`, use the lines, `compact`.
class LineSplitter {
public:
    static constexpr std::size_t kChunkSizeBytes = 64u << 10u;

    explicit LineSplitter(std::size_t line_limit_bytes) : limit_(line_limit_bytes) {}

    /// Space for one chunk, after the bytes that are kept.
    [[nodiscard]] std::span<char> room();
    /// `size` bytes were read into `room`. Appends the lines that are complete now, without "\n" or
    /// "\r\n", and the offsets of lines that are too long. The views are valid until `compact`.
    void take(std::size_t size, std::vector<std::string_view>& lines,
              std::vector<std::uint64_t>& too_long);
    /// The source has ended: the kept bytes are a line too, although its newline is missing.
    void finish(std::vector<std::string_view>& lines);
    void compact();
    /// Drops the kept bytes; the next byte is at `offset`.
    void restart(std::uint64_t offset);

    /// The offset after the last newline.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    /// The offset of the next byte to read.
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
