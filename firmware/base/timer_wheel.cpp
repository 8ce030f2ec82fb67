#include "firmware/base/timer_wheel.h"

#include <algorithm>
#include <limits>

namespace holdfast {
namespace {

std::int64_t tick_at(Instant time) {
    return time.time_since_epoch() / TimerWheel::kTick;
}

}  // namespace

void TimerWheel::Entry::unlink() {
    if (wheel_ == nullptr) {
        return;  // not scheduled, or the head of a list
    }
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
    --wheel_->size_;
    wheel_ = nullptr;
}

TimerWheel::TimerWheel(Instant now) : tick_(tick_at(now)) {
    for (Entry& head : slots_) {
        head.previous_ = head.next_ = &head;
    }
    expired_.previous_ = expired_.next_ = &expired_;
}

TimerWheel::~TimerWheel() {
    const auto empty = [](Entry& head) {
        while (head.next_ != &head) {
            head.next_->unlink();
        }
    };
    std::ranges::for_each(slots_, empty);
    empty(expired_);
}

void TimerWheel::link(Entry& list, Entry& entry) {
    entry.previous_ = list.previous_;
    entry.next_ = &list;
    list.previous_->next_ = &entry;
    list.previous_ = &entry;
}

void TimerWheel::schedule(Entry& entry, Instant due) {
    entry.unlink();
    // Rounded up, so that nothing expires early.
    const std::int64_t tick = due == kNever ? tick_at(due) : tick_at(due + kTick - Duration(1));
    entry.due_tick_ = std::max(tick, tick_ + 1);
    entry.wheel_ = this;
    link(slot(entry.due_tick_), entry);
    ++size_;
}

void TimerWheel::advance(Instant now) {
    const std::int64_t target = tick_at(now);
    if (target <= tick_) {
        return;
    }
    // After a long pause each slot is looked at once, not once for every tick that has passed.
    const std::int64_t turn = static_cast<std::int64_t>(kSlots);
    for (std::int64_t tick = std::max(tick_ + 1, target - turn + 1); tick <= target; ++tick) {
        Entry& head = slot(tick);
        for (Entry* entry = head.next_; entry != &head;) {
            Entry& candidate = *entry;
            entry = entry->next_;
            if (candidate.due_tick_ <= target) {
                candidate.previous_->next_ = candidate.next_;
                candidate.next_->previous_ = candidate.previous_;
                link(expired_, candidate);
            }
        }
    }
    tick_ = target;
}

TimerWheel::Entry* TimerWheel::next_expired() {
    Entry* entry = expired_.next_;
    if (entry == &expired_) {
        return nullptr;
    }
    entry->unlink();
    return entry;
}

Instant TimerWheel::next_due() const {
    constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
    std::int64_t first = expired_.next_ != &expired_ ? tick_ : kNone;
    // Whoever is due within a turn stands in the slot of its own tick, and nobody else is before.
    const std::int64_t turn_end = tick_ + static_cast<std::int64_t>(kSlots);
    for (std::int64_t tick = tick_ + 1; tick <= turn_end && first > tick; ++tick) {
        const Entry& head = slot(tick);
        for (const Entry* entry = head.next_; entry != &head; entry = entry->next_) {
            first = std::min(first, entry->due_tick_);
        }
    }
    return first > tick_at(kNever) - 1 ? kNever : Instant(first * kTick);
}

}  // namespace holdfast
