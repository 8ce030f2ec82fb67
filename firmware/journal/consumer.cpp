#include "firmware/journal/consumer.h"

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"

namespace holdfast::journal {

namespace {

constexpr Duration kReadRetry = std::chrono::seconds(1);

}  // namespace

Consumer::Consumer(Journal& journal, const ConsumerOptions& options)
    : journal_(&journal), options_(options), cursor_(journal.first_unacknowledged()) {
    HOLDFAST_CHECK(options.name.empty());
}

Result<Consumer> Consumer::open(Journal& journal, const ConsumerOptions& options, Instant now) {
    HOLDFAST_CHECK(!options.holds || !options.name.empty());
    Consumer consumer(journal, {.read_bytes = options.read_bytes});
    consumer.options_ = options;
    consumer.is_uplink_ = false;
    consumer.cursor_ = consumer.start();
    if (!options.name.empty()) {
        auto kept = journal.keep_consumer(options.name, options.holds, consumer.cursor_, now);
        if (!kept) {
            return std::unexpected(std::move(kept).error());
        }
    }
    consumer.confirmed_ = consumer.cursor_;
    return consumer;
}

std::uint64_t Consumer::start() {
    const ConsumerPosition* kept = journal_->consumer(options_.name);
    const std::uint64_t end = journal_->next_position();
    if (options_.from) {
        const auto [generation, position] = *options_.from;
        if (generation != 0 && generation != journal_->generation()) {
            missed_ = Missed{.why = Missed::Why::other_generation};
        } else if (position > end) {
            missed_ = Missed{.why = Missed::Why::future, .first = end, .end = position};
        } else {
            const std::uint64_t first = std::max(position, journal_->first_position());
            if (options_.holds && journal_->past_hole(position) < first) {
                missed_ = Missed{.why = Missed::Why::gone, .first = position, .end = first};
            }
            return options_.holds ? first : position;
        }
    } else if (kept != nullptr) {
        return kept->position;
    } else if (options_.begins_with_next) {
        return end;
    }
    return options_.holds ? journal_->first_position() : journal_->oldest_position();
}

// ---- Reading on

std::optional<Record> Consumer::next() {
    while (!ahead_.empty() && ahead_.front().end_position() <= cursor_) {
        ahead_.pop_front();
    }
    if (!is_uplink_) {
        return next_to_give();
    }
    if (!ahead_.empty()) {
        return ahead_.front();
    }
    return journal_->next(cursor_).record;
}

/// As `next`, but what is not durable waits, and what is missing is told first.
std::optional<Record> Consumer::next_to_give() {
    if (missed_) {
        return std::nullopt;
    }
    std::optional<Record> record;
    if (!ahead_.empty()) {
        record = ahead_.front();
    } else {
        Journal::Next found = journal_->next(cursor_);
        if (!found.record && !found.in_store) {
            pass_to(std::max(cursor_, journal_->first_position()));
            return std::nullopt;
        }
        record = std::move(found.record);
        const bool waits =
            record && ((!options_.early && record->end_position() > journal_->durable_before()) ||
                       !journal_->may_show(record->end_position()));
        if (!record || waits) {
            return std::nullopt;
        }
    }
    pass_to(std::max(cursor_, record->position));
    return missed_ ? std::nullopt : record;
}

/// Nothing is to be had before `position`. Goes there at once, or when that has been told.
void Consumer::pass_to(std::uint64_t position) {
    // One that holds is told by Gaps, and by numbers that jump.
    if (!options_.holds && journal_->past_hole(cursor_) < position) {
        missed_ = Missed{.why = Missed::Why::gone, .first = cursor_, .end = position};
    } else {
        cursor_ = position;
    }
}

void Consumer::move_to(std::uint64_t position) {
    HOLDFAST_CHECK(position >= cursor_);
    cursor_ = position;
}

std::optional<Missed> Consumer::take_missed() {
    if (missed_ && missed_->why == Missed::Why::gone) {
        cursor_ = std::max(cursor_, missed_->end);
    }
    return std::exchange(missed_, std::nullopt);
}

void Consumer::confirm(std::uint64_t position, Instant now) {
    if (is_uplink_) {
        // Past the cursor where nothing stands between: the record that comes next is the first of
        // them.
        cursor_ = std::max(cursor_, position);
        journal_->release(position, now);
        return;
    }
    HOLDFAST_CHECK(position <= cursor_);
    confirmed_ = std::max(confirmed_, position);
    if (!options_.name.empty()) {
        journal_->confirm(options_.name, position, now);
    }
}

std::uint64_t Consumer::durable_position() const {
    return is_uplink_ ? journal_->first_unacknowledged()
                      : journal_->durable_consumer(options_.name);
}

void Consumer::rewind() {
    cursor_ = is_uplink_ ? journal_->first_unacknowledged() : confirmed_;
    if (missed_ && missed_->why == Missed::Why::gone && !options_.holds) {
        missed_.reset();  // it is come to again
    }
    ahead_.clear();
    read_stale_ = read_out_;
}

// ---- The store

std::optional<Consumer::Read> Consumer::take_read(Instant now) {
    const bool waits = retry_at_ != kNever && retry_at_ > now;
    if (read_out_ || waits || missed_) {
        return std::nullopt;
    }
    retry_at_ = kNever;
    std::uint64_t waiting = 0;
    for (const Record& record : ahead_) {
        waiting += record.body->size();
    }
    const std::uint64_t position = ahead_.empty() ? cursor_ : ahead_.back().end_position();
    if (waiting >= options_.read_bytes || !journal_->next(position).in_store) {
        return std::nullopt;
    }
    read_out_ = true;
    read_stale_ = false;
    read_end_ = journal_->store_end();
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
    if (is_gone && is_uplink_) {
        cursor_ = std::max(cursor_, read_end_);
    } else if (is_gone) {
        pass_to(std::max(cursor_, read_end_));
    }
    std::ranges::move(*records, std::back_inserter(ahead_));
    return is_gone;
}

}  // namespace holdfast::journal
