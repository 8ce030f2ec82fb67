#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/base/clock.h"

namespace holdfast {

/// Coarse deadlines of many connections: schedule, reschedule and cancel are O(1) and never
/// allocate, for entries are links in the owner's own memory. A deadline is met at the first tick
/// at or after it, never before. Owns no entry.
class TimerWheel {
public:
    static constexpr Duration kTick = std::chrono::milliseconds(100);

    /// Destroying an entry cancels it. Neither copied nor moved: the wheel points at it.
    class Entry {
    public:
        Entry() = default;
        ~Entry() { unlink(); }
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        [[nodiscard]] bool scheduled() const { return wheel_ != nullptr; }

    private:
        friend class TimerWheel;
        void unlink();

        Entry* previous_ = nullptr;
        Entry* next_ = nullptr;
        TimerWheel* wheel_ = nullptr;
        std::int64_t due_tick_ = 0;
    };

    explicit TimerWheel(Instant now);
    /// Entries that are still scheduled are cancelled.
    ~TimerWheel();
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    /// Schedules `entry`, or moves it if it is scheduled here already. What is due in the past is
    /// due at the next tick.
    void schedule(Entry& entry, Instant due);
    static void cancel(Entry& entry) { entry.unlink(); }

    /// Moves on to `now`; entries that have come due are then given by `next_expired`. Time that
    /// goes back is ignored.
    void advance(Instant now);
    /// An entry that is due, no longer scheduled; nullptr when there is none left. Any entry may be
    /// cancelled, rescheduled or destroyed between two calls.
    [[nodiscard]] Entry* next_expired();

    /// The first tick at which something expires, or the present one while something has expired;
    /// kNever: nothing is scheduled. Looks at all slots: for a loop that sleeps until then, in
    /// place of one that ticks.
    [[nodiscard]] Instant next_due() const;

    /// Entries scheduled, those due but not yet given included.
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    /// 51.2 s a turn. An entry further off stays in its slot and is passed over once a turn.
    static constexpr std::size_t kSlots = 512;

    static void link(Entry& list, Entry& entry);
    [[nodiscard]] Entry& slot(std::int64_t tick) {
        return slots_[static_cast<std::size_t>(tick) % kSlots];
    }
    [[nodiscard]] const Entry& slot(std::int64_t tick) const {
        return slots_[static_cast<std::size_t>(tick) % kSlots];
    }

    std::array<Entry, kSlots> slots_;  ///< heads of circular lists
    Entry expired_;
    std::int64_t tick_;  ///< what is due at or before it has expired
    std::size_t size_ = 0;
};

}  // namespace holdfast
