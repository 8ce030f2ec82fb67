#include "platform/net/out_queue.h"

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"

namespace holdfast::net {
namespace {

/// A segment is filled up to here before the next one begins, so that growing it copies little.
constexpr std::size_t kSegmentSizeBytes = 64u << 10;
/// Below it, copying costs less than an entry of its own in the gathered write.
constexpr std::size_t kShareFromBytes = 2048;

}  // namespace

void OutQueue::append(ByteView bytes) {
    if (bytes.empty()) {
        return;
    }
    const bool fits = !segments_.empty() && !segments_.back().shared &&
                      segments_.back().owned.size() + bytes.size() <= kSegmentSizeBytes;
    if (!fits) {
        segments_.emplace_back();
    }
    holdfast::append(segments_.back().owned, bytes);
    size_ += bytes.size();
}

void OutQueue::append(SharedBytes bytes) {
    if (!bytes || bytes->size() < kShareFromBytes) {
        append(bytes ? ByteView(*bytes) : ByteView());
        return;
    }
    size_ += bytes->size();
    segments_.push_back({.owned = {}, .shared = std::move(bytes)});
}

std::size_t OutQueue::gather(std::span<iovec> parts) const {
    std::size_t count = 0;
    for (std::size_t i = head_; i < segments_.size() && count < parts.size(); ++i) {
        ByteView view = segments_[i].view();
        if (i == head_) {
            view = view.subspan(offset_);
        }
        if (!view.empty()) {
            // sendmsg only reads what an iovec points at; the type is shared with reading.
            parts[count++] = {const_cast<std::byte*>(view.data()), view.size()};
        }
    }
    return count;
}

void OutQueue::consume(std::size_t count) {
    HOLDFAST_CHECK(count <= size_);
    size_ -= count;
    while (count > 0) {
        const std::size_t left = segments_[head_].view().size() - offset_;
        const std::size_t step = std::min(left, count);
        offset_ += step;
        count -= step;
        if (step == left && (count > 0 || size_ > 0)) {
            segments_[head_] = {};
            ++head_;
            offset_ = 0;
        }
    }
    // What is done with is dropped from the list now and then, so that a queue that never empties
    // does not grow.
    if (head_ >= 64 && head_ * 2 >= segments_.size()) {
        segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
}

void OutQueue::clear() {
    segments_ = {};
    head_ = offset_ = size_ = 0;
}

void OutQueue::lend(Bytes&& block) {
    if (segments_.empty() && block.capacity() > 0) {
        block.clear();
        segments_.push_back({.owned = std::move(block), .shared = nullptr});
    }
}

Bytes OutQueue::take_back() {
    HOLDFAST_CHECK(size_ == 0);
    Bytes block;
    if (!segments_.empty() && segments_.back().owned.capacity() <= 2 * kSegmentSizeBytes) {
        block = std::move(segments_.back().owned);
        block.clear();
    }
    clear();
    return block;
}

}  // namespace holdfast::net
