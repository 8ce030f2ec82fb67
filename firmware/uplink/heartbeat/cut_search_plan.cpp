#include "firmware/uplink/heartbeat/cut_search.h"
#include "firmware/uplink/heartbeat/search_numbers.h"

/// CutSearch's decisions: which line is to be asked when. What happens to the lines, and what it
/// means, is in cut_search.cpp.
namespace holdfast::uplink {

using namespace std::chrono_literals;

Duration CutSearch::presumed_fatal(Instant now) const {
    Duration fatal = fatal_;
    for (const Death& death : deaths_) {
        fatal = death.exact ? fatal : least_known(fatal, death.idle);
    }
    for (const Line& line : lines_) {
        // Long before patience ends it is likely: the others need not wait for certainty.
        if (line.state == State::pinged && line.pinged_at + 200ms + 2 * round_trip_ <= now) {
            fatal = least_known(fatal, line.pinged_at - line.quiet_since);
        }
    }
    return fatal;
}

Duration CutSearch::presumed_hint() const {
    Duration hint = hint_;
    for (const Death& death : deaths_) {
        hint = death.exact ? least_known(hint, death.idle) : hint;
    }
    return hint;
}

/// That the limit is not below `least` is as good as proven.
Duration CutSearch::safe_enough() const {
    return std::max(safe_, times(limits_.least, 1 / kNearEnough));
}

std::size_t CutSearch::lines_in_use() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        lines_, [](const Line& line) { return line.state != State::closed; }));
}

std::size_t CutSearch::lines_wanted(Instant now) const {
    if (task_ == Task::rest || allowed_ == 0) {
        return 0;
    }
    if (task_ != Task::search || presumed_hint() != Duration{}) {
        return 1;
    }
    const Duration fatal = presumed_fatal(now);
    if (fatal == Duration{}) {
        return allowed_;
    }
    const Duration safe = safe_enough();
    const double parts = std::log(std::max(ratio(fatal, safe), 1.0)) / std::log(kNearEnough);
    const auto halvings = static_cast<std::size_t>(std::ceil(std::log2(std::max(parts, 2.0))));
    return std::min(allowed_, halvings);
}

std::optional<std::size_t> CutSearch::oldest(Duration below, Instant now) const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (lines_[i].state == State::quiet && now - lines_[i].quiet_since < below &&
            (!found || lines_[i].quiet_since < lines_[*found].quiet_since)) {
            found = i;
        }
    }
    return found;
}

/// Where in between the oldest line is to be asked. In the middle, if the others are young enough
/// to be asked in either half thereafter; else so many of them as are not share the space with it.
Duration CutSearch::split(Duration safe, Duration fatal, Instant now) const {
    const double whole = ratio(fatal, safe);
    const Duration middle = times(safe, std::sqrt(whole));
    const Duration quarter = times(safe, std::sqrt(std::sqrt(whole)));
    const Line& first = lines_[*oldest(fatal, now)];
    const Instant then = first.quiet_since + middle + 200ms + 2 * round_trip_;
    const auto too_old = std::ranges::count_if(lines_, [&](const Line& line) {
        return &line != &first && line.state == State::quiet && now - line.quiet_since < fatal &&
               then - line.quiet_since > quarter;
    });
    return times(safe, std::pow(whole, 1.0 / static_cast<double>(too_old + 2)));
}

Duration CutSearch::target(std::size_t index, Instant now) const {
    const Line& line = lines_[index];
    switch (task_) {
        case Task::rest:
            return kNoTarget;
        case Task::rule:
            return times(fatal_, kRuleTest);
        case Task::recheck:
            return times(fatal_, kConfirm);
        case Task::search:
            break;
    }
    if (const Duration hint = presumed_hint(); hint != Duration{}) {
        const Duration confirm = times(hint, kConfirm) + 200ms + round_trip_;
        return oldest(kNoTarget, now) == index ? confirm : kNoTarget;
    }
    const Duration fatal = presumed_fatal(now);
    if (fatal == Duration{}) {
        return line.step == Duration{} ? kNoTarget : std::min(line.step, most());
    }
    const Duration safe = safe_enough();
    if (safe >= fatal || ratio(fatal, safe) <= kNearEnough || oldest(fatal, now) != index) {
        return kNoTarget;
    }
    return std::max(std::min(split(safe, fatal, now), most()), now - line.quiet_since);
}

bool CutSearch::outlives(const Line& line, Duration idle) const {
    return lifetime_ == Duration{} || idle == kNoTarget ||
           (line.quiet_since - line.opened_at) + idle <= times(lifetime_, 0.92);
}

/// Gives idle lines their step of the ramp, and lets go of those that can teach nothing more.
void CutSearch::plan(Instant now) {
    const Duration fatal = presumed_fatal(now);
    const bool ramp = task_ == Task::search && fatal == Duration{} && presumed_hint() == Duration{};
    for (Line& line : lines_) {
        const bool passed = line.step != Duration{} && line.step <= safe_;
        if (!ramp || line.state != State::quiet || (line.step != Duration{} && !passed)) {
            continue;
        }
        const bool doubted_is_tried =
            std::ranges::any_of(lines_, [&](const Line& other) { return other.step == doubted_; });
        if (doubted_ != Duration{} && !doubted_is_tried) {
            line.step = doubted_;
            continue;
        }
        while (next_step_ <= safe_ && next_step_ < limits_.most) {
            next_step_ = times(next_step_, kRampStep);
        }
        // Above the last step there is nothing to try; but lines that have been idle for long help
        // to refine.
        const bool last_is_tried = std::ranges::any_of(
            lines_, [&](const Line& other) { return &other != &line && other.step >= most(); });
        if (!last_is_tried) {
            line.step = std::min(next_step_, most());
            next_step_ = std::min(times(next_step_, kRampStep), limits_.most);
        } else {
            line.step = {};
        }
    }
    auto in_use = static_cast<std::size_t>(std::ranges::count_if(lines_, [](const Line& line) {
        return line.state != State::closed && line.state != State::spent;
    }));
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        Line& line = lines_[i];
        if (line.state != State::quiet) {
            continue;
        }
        const Duration idle = now - line.quiet_since;
        const bool surely_dead = task_ == Task::search && presumed_hint() == Duration{} &&
                                 fatal != Duration{} && idle >= fatal;
        if (surely_dead || !outlives(line, target(i, now)) || in_use > allowed_) {
            line.state = State::spent;
            --in_use;
        }
    }
}

std::optional<LineAction> CutSearch::act(std::size_t index, Instant now) {
    using Kind = LineAction::Kind;
    Line& line = lines_[index];
    switch (line.state) {
        case State::closed:
            if (now < retry_at_ || lines_in_use() >= lines_wanted(now)) {
                return std::nullopt;
            }
            line.state = State::opening;
            ++lines_opened_;
            if (++opened_in_vain_ >= kMostInVain) {
                opened_in_vain_ = 0;
                retry_at_ = now + kAfterInVain;
            }
            return LineAction{Kind::open, index};
        case State::spent:
            line = Line{};
            return LineAction{Kind::close, index};
        case State::quiet: {
            const Duration idle = now - line.quiet_since;
            if (task_ == Task::rule && !line.spoke && idle >= times(safe_, kSpeakAt)) {
                line.spoke = true;
                return LineAction{Kind::speak, index};
            }
            if (idle < target(index, now)) {
                return std::nullopt;
            }
            line.state = State::pinged;
            line.pinged_at = now;
            return LineAction{Kind::ping, index};
        }
        case State::opening:
        case State::pinged:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<LineAction> CutSearch::next(Instant now) {
    expire(now);
    plan(now);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (const std::optional<LineAction> action = act(i, now)) {
            return action;
        }
    }
    deadline_ = kNever;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        const Line& line = lines_[i];
        Instant due = kNever;
        if (line.state == State::closed && lines_in_use() < lines_wanted(now)) {
            due = retry_at_;
        } else if (line.state == State::pinged) {
            const Instant likely = line.pinged_at + 200ms + 2 * round_trip_;
            due = likely > now ? likely
                               : line.pinged_at + patience(line.pinged_at - line.quiet_since);
        } else if (line.state == State::quiet) {
            const Duration idle = target(i, now);
            due = idle == kNoTarget ? kNever : line.quiet_since + idle;
            if (task_ == Task::rule && !line.spoke) {
                due = std::min(due, line.quiet_since + times(safe_, kSpeakAt));
            }
        }
        deadline_ = std::min(deadline_, due);
    }
    return std::nullopt;
}

}  // namespace holdfast::uplink
