#include "platform/net/out_queue.h"

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"

namespace holdfast::net {
namespace {

/// A segment is filled up to here before the next one begins, so that growing it copies little.
constexpr std::size_t kSegmentSizeBytes = 64u << 10;
/// Below it, copying behind bytes that wait already costs less than an entry of its own.
constexpr std::size_t kShareFromBytes = 2048;

}  // namespace

OutQueue::List& OutQueue::list() {
    if (!list_) {
        list_ = std::make_unique<List>();
    }
    return *list_;
}

void OutQueue::append(ByteView bytes) {
    if (bytes.empty()) {
        return;
    }
    List& list = this->list();
    const bool fits = !list.segments.empty() && !list.segments.back().shared &&
                      list.segments.back().owned.size() + bytes.size() <= kSegmentSizeBytes;
    if (!fits) {
        list.segments.emplace_back();
    }
    holdfast::append(list.segments.back().owned, bytes);
    list.size += bytes.size();
}

void OutQueue::append(SharedBytes bytes) {
    if (!bytes || bytes->empty()) {
        return;
    }
    List& list = this->list();
    if (list.size > 0 && bytes->size() < kShareFromBytes) {
        append(ByteView(*bytes));
        return;
    }
    list.size += bytes->size();
    list.segments.push_back({.owned = {}, .shared = std::move(bytes)});
}

Bytes& OutQueue::block() {
    List& list = this->list();
    if (list.segments.empty() || list.segments.back().shared ||
        list.segments.back().owned.size() >= kSegmentSizeBytes) {
        list.segments.emplace_back();
    }
    Bytes& block = list.segments.back().owned;
    list.noted = block.size();
    return block;
}

void OutQueue::note_growth() {
    const std::size_t size = list_->segments.back().owned.size();
    list_->size += size - list_->noted;
    list_->noted = size;
}

std::size_t OutQueue::gather(std::span<iovec> parts) const {
    std::size_t count = 0;
    for (std::size_t i = list_ ? list_->head : 0;
         list_ && i < list_->segments.size() && count < parts.size(); ++i) {
        ByteView view = list_->segments[i].view();
        if (i == list_->head) {
            view = view.subspan(list_->offset);
        }
        if (!view.empty()) {
            // sendmsg only reads what an iovec points at; the type is shared with reading.
            parts[count++] = {const_cast<std::byte*>(view.data()), view.size()};
        }
    }
    return count;
}

void OutQueue::consume(std::size_t count) {
    HOLDFAST_CHECK(count <= size());
    if (!list_) {
        return;
    }
    List& list = *list_;
    list.size -= count;
    while (count > 0) {
        const std::size_t left = list.segments[list.head].view().size() - list.offset;
        const std::size_t step = std::min(left, count);
        list.offset += step;
        count -= step;
        if (step == left && (count > 0 || list.size > 0)) {
            list.segments[list.head] = {};
            ++list.head;
            list.offset = 0;
        }
    }
    // What is done with is dropped from the list now and then, so that a queue that never empties
    // does not grow.
    if (list.head >= 64 && list.head * 2 >= list.segments.size()) {
        list.segments.erase(list.segments.begin(),
                            list.segments.begin() + static_cast<std::ptrdiff_t>(list.head));
        list.head = 0;
    }
}

void OutQueue::borrow(OutQueue& spare) {
    if (!list_) {
        list_ = std::move(spare.list_);
    }
}

void OutQueue::give_back(OutQueue& spare) {
    HOLDFAST_CHECK(empty());
    if (list_ && !list_->segments.empty() && !spare.list_) {
        Bytes block = std::move(list_->segments.back().owned);
        if (block.capacity() > 0 && block.capacity() <= 2 * kSegmentSizeBytes) {
            block.clear();
            list_->segments.clear();
            list_->segments.push_back({.owned = std::move(block), .shared = nullptr});
            list_->head = list_->offset = list_->noted = 0;
            spare.list_ = std::move(list_);
        }
    }
    list_.reset();
}

}  // namespace holdfast::net
