#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "firmware/base/bytes.h"

namespace holdfast::net {

/// Bytes on their way out that the kernel has not taken yet, in order. Short pieces are gathered
/// into few segments, long shared ones are kept by reference. While empty it owns nothing, and is
/// no larger than a pointer.
class OutQueue {
public:
    void append(ByteView bytes);
    void append(SharedBytes bytes);
    /// A block to append to directly; `note_growth` must follow before any other call.
    [[nodiscard]] Bytes& block();
    void note_growth();
    /// Points `parts` at the oldest bytes, as many as fit; valid until the queue is changed.
    /// Returns how many parts.
    [[nodiscard]] std::size_t gather(std::span<iovec> parts) const;
    /// Drops the oldest `count` bytes, at most `size()`.
    void consume(std::size_t count);
    /// Drops everything and releases the memory.
    void clear() { list_.reset(); }
    [[nodiscard]] std::size_t size() const { return list_ ? list_->size : 0; }
    [[nodiscard]] bool empty() const { return size() == 0; }
    /// Takes the memory of an empty queue, so that one that fills and empties all the time need
    /// not allocate; and gives it back once this one is empty.
    void borrow(OutQueue& spare);
    void give_back(OutQueue& spare);

private:
    struct Segment {
        Bytes owned;
        SharedBytes shared;  ///< when set, `owned` is empty

        [[nodiscard]] ByteView view() const { return shared ? ByteView(*shared) : ByteView(owned); }
    };
    struct List {
        std::vector<Segment> segments;
        std::size_t head = 0;    ///< segments before it are done with
        std::size_t offset = 0;  ///< bytes of the head segment that are done with
        std::size_t size = 0;
        std::size_t noted = 0;  ///< bytes of the last segment when `block` was called
    };

    [[nodiscard]] List& list();

    std::unique_ptr<List> list_;
};

}  // namespace holdfast::net
