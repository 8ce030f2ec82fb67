#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "firmware/base/clock.h"

namespace holdfast::simulated {

/// Virtual time: events in the order of their times, and those of one time in the order in which
/// they were asked for. It moves only from one event to the next.
class Clock {
public:
    using Event = std::move_only_function<void()>;

    [[nodiscard]] Instant now() const { return now_; }
    /// Not before now.
    void at(Instant when, Event event) {
        heap_.push_back({std::max(when, now_), order_++, std::move(event)});
        std::ranges::push_heap(heap_, later);
    }
    void after(Duration wait, Event event) { at(now_ + wait, std::move(event)); }

    /// Runs the next event. False: there is none.
    bool step() {
        if (heap_.empty()) {
            return false;
        }
        std::ranges::pop_heap(heap_, later);
        Entry entry = std::move(heap_.back());
        heap_.pop_back();
        now_ = entry.at;
        ++events_;
        entry.event();
        return true;
    }
    /// Runs what is due until then.
    void run_until(Instant when) {
        while (!heap_.empty() && heap_.front().at <= when) {
            step();
        }
        now_ = std::max(now_, when);
    }
    /// When the next event is due.
    [[nodiscard]] Instant next() const { return heap_.empty() ? kNever : heap_.front().at; }
    /// How many have run.
    [[nodiscard]] std::uint64_t events() const { return events_; }

private:
    struct Entry {
        Instant at;
        std::uint64_t order;
        Event event;
    };
    [[nodiscard]] static bool later(const Entry& a, const Entry& b) {
        return a.at != b.at ? a.at > b.at : a.order > b.order;
    }

    Instant now_{};
    std::uint64_t order_ = 0;
    std::uint64_t events_ = 0;
    std::vector<Entry> heap_;
};

}  // namespace holdfast::simulated
