#include "firmware/journal/consumer.h"

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"

namespace holdfast::journal {

namespace {

constexpr Duration kReadRetry = std::chrono::seconds(1);

}  // namespace

// ---- Reading on

std::optional<Record> Consumer::next() {
    while (!ahead_.empty() && ahead_.front().end_position() <= cursor_) {
        ahead_.pop_front();
    }
    if (!ahead_.empty()) {
        return ahead_.front();
    }
    return journal_.next(cursor_).record;
}

void Consumer::move_to(std::uint64_t position) {
    HOLDFAST_CHECK(position >= cursor_);
    cursor_ = position;
}

void Consumer::confirm(std::uint64_t position, Instant now) {
    // Past the cursor where nothing stands between: the record that comes next is the first of
    // them.
    cursor_ = std::max(cursor_, position);
    journal_.release(position, now);
}

void Consumer::rewind() {
    cursor_ = journal_.first_position();
    ahead_.clear();
    read_stale_ = read_out_;
}

// ---- The store

std::optional<Consumer::Read> Consumer::take_read(Instant now) {
    const bool waits = retry_at_ != kNever && retry_at_ > now;
    if (read_out_ || waits) {
        return std::nullopt;
    }
    retry_at_ = kNever;
    std::uint64_t waiting = 0;
    for (const Record& record : ahead_) {
        waiting += record.body->size();
    }
    const std::uint64_t position = ahead_.empty() ? cursor_ : ahead_.back().end_position();
    if (waiting >= options_.read_bytes || !journal_.next(position).in_store) {
        return std::nullopt;
    }
    read_out_ = true;
    read_stale_ = false;
    read_end_ = journal_.store_end();
    return Read{position, options_.read_bytes};
}

Result<bool> Consumer::fetched(Result<std::vector<Record>> records, Instant now) {
    read_out_ = false;
    if (std::exchange(read_stale_, false)) {
        return false;
    }
    if (!records) {
        retry_at_ = now + kReadRetry;
        return std::unexpected(std::move(records).error());
    }
    const bool is_gone = records->empty() && ahead_.empty();
    if (is_gone) {
        cursor_ = std::max(cursor_, read_end_);
    }
    std::ranges::move(*records, std::back_inserter(ahead_));
    return is_gone;
}

}  // namespace holdfast::journal
