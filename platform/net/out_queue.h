#pragma once

#include <cstddef>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "firmware/base/bytes.h"

namespace holdfast::net {

/// Bytes on their way out that the kernel has not taken yet, in order. Short pieces are gathered
/// into few segments, long shared ones are kept by reference. While empty it owns nothing.
class OutQueue {
public:
    void append(ByteView bytes);
    void append(SharedBytes bytes);
    /// Points `parts` at the oldest bytes, as many as fit; valid until the queue is changed.
    /// Returns how many parts.
    [[nodiscard]] std::size_t gather(std::span<iovec> parts) const;
    /// Drops the oldest `count` bytes, at most `size()`.
    void consume(std::size_t count);
    /// Drops everything and releases the memory.
    void clear();
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    /// Lends an empty block to be filled, so that a queue that fills and empties all the time need
    /// not allocate; and takes it out again once the queue is empty.
    void lend(Bytes&& block);
    [[nodiscard]] Bytes take_back();

private:
    struct Segment {
        Bytes owned;
        SharedBytes shared;  ///< when set, `owned` is empty

        [[nodiscard]] ByteView view() const { return shared ? ByteView(*shared) : ByteView(owned); }
    };

    std::vector<Segment> segments_;
    std::size_t head_ = 0;    ///< segments before it are done with
    std::size_t offset_ = 0;  ///< bytes of the head segment that are done with
    std::size_t size_ = 0;
};

}  // namespace holdfast::net
