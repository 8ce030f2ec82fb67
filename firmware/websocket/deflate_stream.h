#pragma once

#include <cstddef>
#include <span>

#include <zlib.h>

#include "firmware/base/bytes.h"

namespace holdfast::websocket {

/// zlib's raw deflate in the two directions. Neither object moves: zlib points back at it.

/// LZ77 and Huffman coding into blocks that end at a byte boundary.
class Compressor {
public:
    /// `window_bits` 9 to 15. `allocated_bytes` is raised by what zlib takes, and lowered again;
    /// must outlive the compressor.
    Compressor(int level, int window_bits, int memory_level, std::size_t& allocated_bytes);
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;
    ~Compressor();

    /// There was enough memory.
    [[nodiscard]] bool good() const { return good_; }
    /// Forgets what went before.
    void reset();
    /// Writes the compressed form of a message, which is the concatenation of the two, without the
    /// last four bytes of its flush (RFC 7692, Section 7.2.1). Returns its size; 0: it does not fit
    /// into `out`, and the compressor must be reset.
    [[nodiscard]] std::size_t compress(ByteView first, ByteView second, std::span<std::byte> out);

    const int window_bits;

private:
    z_stream stream_{};
    bool good_;
};

class Inflater {
public:
    Inflater(int window_bits, std::size_t& allocated_bytes);
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater();

    [[nodiscard]] bool good() const { return good_; }
    void reset();

    enum class Status { ok, corrupt, no_memory };
    struct Step {
        Status status;
        std::size_t produced_bytes;
    };
    /// Inflates from the front of `input`, which it advances, into `out`, which must not be empty,
    /// until one of them is used up. A block that says it is the final one is followed by a new
    /// stream (RFC 7692, Section 7.2.3.4).
    [[nodiscard]] Step step(ByteView& input, std::span<std::byte> out);

    /// The last byte given to `step` ended a final block.
    [[nodiscard]] bool after_final_block() const { return after_final_block_; }
    /// The last byte given to `step` ended a block, with no bit left over.
    [[nodiscard]] bool between_blocks() const;

private:
    z_stream stream_{};
    bool good_;
    bool after_final_block_ = false;
};

}  // namespace holdfast::websocket
