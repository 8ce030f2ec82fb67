// What the storage thread has to write and when, and what follows from its answers.

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"
#include "firmware/journal/journal.h"

namespace holdfast::journal {

namespace {

/// So many positions are reserved at once: one small write for so many readings that are shown
/// before they are stored.
constexpr std::uint64_t kReservedPositions = 1u << 20;

}  // namespace

Instant Journal::first_due() const {
    if (storage_error_) {
        // Tried again even where the hub has meanwhile acknowledged all that failed: others are
        // turned away until a write succeeds.
        return kAtOnce;
    }
    if (owes_reserve_ || (flushing_ && (owed_deletion() || !notes_.empty() || owes_consumers()))) {
        return kAtOnce;
    }
    return std::min({records_due(), notes_due_, consumers_due_, release_due_});
}

Instant Journal::records_due() const {
    if (urgent_ > 0 || !new_channels_.empty()) {
        return kAtOnce;
    }
    Instant due = open_due_;
    if (memory_.size() > written_) {
        due = std::min(due, memory_[written_].due);
    }
    const bool undurable = memory_.size() > written_ || !open_.readings.empty();
    if (undurable && memory_used_bytes() > options_.memory_bytes / 4 * 3) {
        return kAtOnce;
    }
    const bool dirty = std::ranges::any_of(sources_, [](const auto& s) { return s.second.dirty; });
    return dirty || (flushing_ && undurable) ? kAtOnce : due;
}

bool Journal::owed_deletion() const {
    return released_ > store_first_ && store_first_ < store_end_;
}

Instant Journal::deadline() const {
    if (out_) {
        return linger_due();
    }
    Instant due = first_due();
    if (storage_error_) {
        due = due == kNever ? kNever : std::max(due, retry_at_);
    }
    return std::min(due, linger_due());
}

Instant Journal::linger_due() const {
    return options_.owes_upstream && !open_.readings.empty() ? open_since_ + options_.linger
                                                             : kNever;
}

std::optional<Write> Journal::take_write(Instant now) {
    if (linger_due() <= now) {
        close_open_batch();
    }
    if (out_ || first_due() > now || (storage_error_ && retry_at_ > now)) {
        return std::nullopt;
    }
    Write write;
    write.release_before = owed_deletion() ? released_ : 0;
    write.held_from = held_from_;
    write.reserve_before = owes_reserve_ ? next_position_ + kReservedPositions : 0;
    // With the deletion: a consumer that is behind the oldest row would be told of a loss.
    write.ended = ended_;
    for (const auto& [name, kept] : consumers_) {
        if (kept.dirty) {
            write.consumers.push_back(kept.at);
        }
    }
    consumers_due_ = kNever;
    Out out;
    out.release = write.release_before;
    out.consumers = write.consumers;
    out.ended = write.ended.size();
    out.reserve = write.reserve_before;
    // A full disk or journal takes a deletion, which may make the room that the records need.
    const bool only_room =
        storage_error_ && storage_error_->code == ErrorCode::full && owed_deletion();
    if (!only_room) {
        write.notes = notes_;
        notes_due_ = kNever;
    }
    if (only_room || records_due() > now) {
        // Only rows are to be deleted, or notes and the like written. Readings that the hub will
        // acknowledge in a moment stay in memory: written now, they would soon have to be deleted
        // by a write of their own.
        out.notes = write.notes;
        out_ = std::move(out);
        return write;
    }
    close_open_batch();
    write.streams = new_streams_;
    write.channels = new_channels_;
    for (std::size_t i = written_; i < memory_.size(); ++i) {
        write.records.push_back(memory_[i].record);
    }
    for (const auto& [name, source] : sources_) {
        if (source.dirty) {
            write.sources.push_back(source.accepted);
        }
    }
    out.end = next_position_;
    if (!write.records.empty()) {
        out.first = write.records.front().position;
    }
    out.streams = new_streams_.size();
    out.channels = new_channels_.size();
    out.sources = write.sources;
    out.notes = write.notes;
    out_ = std::move(out);
    return write;
}

void Journal::written(const Result<Written>& result, Instant now) {
    HOLDFAST_CHECK(out_.has_value());
    const Out out = std::move(*out_);
    out_.reset();
    if (!result) {
        storage_error_ = result.error();
        retry_at_ = now + options_.retry_delay;
        notes_due_ = notes_.empty() ? kNever : kAtOnce;
        consumers_due_ = out.consumers.empty() ? consumers_due_ : kAtOnce;
        return;
    }
    // A deletion that went through does not say that readings can be stored again.
    if (out.first || out.release == 0) {
        storage_error_.reset();
    }
    retry_at_ = now;
    used_bytes_ = result->used_bytes;
    dropped_ += result->evicted_readings;
    evicted_before_ = std::max(evicted_before_, result->evicted_before);
    durable_ = std::max(durable_, out.end);
    while (written_ < memory_.size() && memory_[written_].record.position < out.end) {
        urgent_ -= memory_[written_].due == kAtOnce ? 1 : 0;
        ++written_;
    }
    store_first_ = std::max(store_first_, out.release);
    if (out.first) {
        if (store_first_ >= store_end_) {
            store_first_ = *out.first;
        }
        store_end_ = out.end;
    }
    for (std::size_t i = 0; i < out.channels; ++i) {
        durable_channels_ +=
            new_channels_[i].origin == own_.origin && new_channels_[i].journal == own_.epoch.journal
                ? 1
                : 0;
    }
    new_streams_.erase(new_streams_.begin(),
                       new_streams_.begin() + static_cast<std::ptrdiff_t>(out.streams));
    new_channels_.erase(new_channels_.begin(),
                        new_channels_.begin() + static_cast<std::ptrdiff_t>(out.channels));
    for (const SourcePosition& written : out.sources) {
        Source& source = sources_[written.name];
        source.durable = written.position;
        source.dirty =
            source.accepted.position != written.position || source.accepted.tag != written.tag;
    }
    // One that was noted again meanwhile, with another text, still waits.
    std::erase_if(notes_,
                  [&](const Note& note) { return std::ranges::count(out.notes, note) > 0; });
    notes_due_ = notes_.empty() ? kNever : notes_due_;
    for (const ConsumerPosition& written : out.consumers) {
        if (const auto found = consumers_.find(written.name); found != consumers_.end()) {
            found->second.durable = written.position;
            found->second.dirty = found->second.at != written;
        }
    }
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(out.ended));
    reserved_ = std::max(reserved_, out.reserve);
    owes_reserve_ = owes_reserve_ && out.reserve == 0;
    release_due_ = owed_deletion() ? now + options_.release_delay : kNever;
    forget();
}

void Journal::flush() {
    flushing_ = true;
}

bool Journal::clean() const {
    return !out_ && open_.readings.empty() && written_ == memory_.size() && new_channels_.empty() &&
           notes_.empty() && !owes_consumers() && !owed_deletion() &&
           std::ranges::none_of(sources_, [](const auto& s) { return s.second.dirty; });
}

}  // namespace holdfast::journal
