#include "firmware/uplink/cut_search.h"

#include <algorithm>
#include <cmath>

namespace holdfast::uplink {

using namespace std::chrono_literals;

namespace {

/// README.md has the figures from which these were chosen.
constexpr double kRampStep = 1.413;  ///< in 17 steps from the first to the last
constexpr double kFirstStep = 1.06;  ///< of the least idle time
/// What is safe and what is fatal are so near that nothing is to be gained any more.
constexpr double kNearEnough = 1.05;
/// A second line is held this much longer than the first one lived, so that it dies of itself.
constexpr double kConfirm = 1.04;
/// Of the exact limit: the rest is what clocks and round trips blur.
constexpr double kSafeOfExact = 0.98;
constexpr double kSpeakAt = 0.6;
constexpr double kRuleTest = 1.15;
constexpr double kOfLifetime = 0.85;
constexpr Duration kFirstRetry = 1s;
constexpr Duration kLastRetry = 1h;
constexpr Duration kAfterHubLeft = 30s;
constexpr Duration kNoTarget = Duration::max();

Duration times(Duration duration, double factor) {
    return Duration(std::llround(static_cast<double>(duration.count()) * factor));
}

double ratio(Duration above, Duration below) {
    return static_cast<double>(above.count()) / static_cast<double>(below.count());
}

Duration least_known(Duration a, Duration b) {
    return a == Duration{} ? b : b == Duration{} ? a : std::min(a, b);
}

}  // namespace

// ---- What to find out

void CutSearch::begin() {
    forget_fatal();
    safe_ = doubted_ = Duration{};
    counts_ = Counts::unknown;
    task_ = Task::search;
    next_step_ = times(limits_.least, kFirstStep);
    contradictions_ = 0;
    deaths_.clear();
    for (Line& line : lines_) {
        line.step = {};
    }
}

void CutSearch::know(const PathKnowledge& known) {
    begin();
    if (known.kind == CutKind::unknown || known.safe == Duration{}) {
        return;
    }
    safe_ = known.safe;
    kind_ = known.kind;
    counts_ = known.counts;
    if (known.kind != CutKind::none) {
        // The estimate lies in the middle, by ratio, of what was safe and what was fatal.
        fatal_ = times(known.cut, ratio(known.cut, known.safe));
    }
    finish();
}

void CutSearch::doubt() {
    const Duration before = safe_ > Duration{} ? safe_ : doubted_;
    const Duration fatal = fatal_;
    const Duration exact = exact_;
    const CutKind kind = kind_;
    const Counts counts = counts_;
    begin();
    main_lost();
    if (before > next_step_) {
        doubted_ = before;
        doubted_fatal_ = fatal;
        doubted_exact_ = exact;
        doubted_kind_ = kind;
        counts_ = counts;
    }
}

void CutSearch::recheck() {
    if (task_ != Task::rest || kind_ == CutKind::none) {
        return;
    }
    task_ = Task::recheck;
}

void CutSearch::set_lifetime(Duration lifetime) {
    lifetime_ = lifetime;
    conclude();
    if (task_ == Task::rest && kind_ == CutKind::none && safe_ < times(most(), 0.95)) {
        // Lines live for longer than it seemed, so there may be a limit above after all.
        task_ = Task::search;
        kind_ = CutKind::unknown;
        next_step_ = std::min(times(safe_, kRampStep), limits_.most);
    }
}

// ---- What happens

void CutSearch::opened(std::size_t index, Instant now) {
    Line& line = lines_[index];
    if (line.state != State::opening) {
        return;
    }
    line = Line{};
    line.state = State::quiet;
    line.opened_at = line.quiet_since = now;
}

void CutSearch::failed(std::size_t index, Instant now) {
    lines_[index] = Line{};
    const Duration wait = kFirstRetry * (std::int64_t{1} << std::min(failures_, 20));
    retry_at_ = now + std::min<Duration>(wait, kLastRetry);
    ++failures_;
}

void CutSearch::answered(std::size_t index, Instant now) {
    Line& line = lines_[index];
    if (line.state != State::pinged) {
        return;
    }
    const Duration idle = line.pinged_at - line.quiet_since;
    line.state = State::quiet;
    line.quiet_since = now;
    line.step = {};
    failures_ = 0;
    if (task_ == Task::rule) {
        counts_ = Counts::either_way;
        finish();
        return;
    }
    safe_ = std::max(safe_, idle);
    std::erase_if(deaths_, [&](const Death& death) { return death.idle <= idle; });
    if (hint_ != Duration{} && idle > hint_) {
        hint_ = {};
    }
    if (task_ == Task::recheck || (fatal_ != Duration{} && idle >= fatal_)) {
        // The limit is a longer one now.
        forget_fatal();
        task_ = Task::search;
        next_step_ = std::min(times(safe_, kRampStep), limits_.most);
    }
    if (doubted_ != Duration{} && idle >= doubted_) {
        doubted_ = {};
        if (fatal_ == Duration{} && hint_ == Duration{}) {
            fatal_ = doubted_fatal_;
            exact_ = doubted_exact_;
            kind_ = doubted_kind_;
        }
    }
    conclude();
}

void CutSearch::ended(std::size_t index, const LineEnd& end, Instant now) {
    Line& line = lines_[index];
    const Line was = line;
    if (was.state == State::opening || (end.kind == EndKind::closed && !end.hub_leaves())) {
        failed(index, now);
        return;
    }
    line = Line{};
    if (was.state == State::closed || was.state == State::spent || end.kind == EndKind::ours) {
        return;
    }
    if (end.hub_leaves()) {
        retry_at_ = now + kAfterHubLeft;
        return;
    }
    const Duration age = now - was.opened_at;
    if (lifetime_ != Duration{} && age > times(lifetime_, 0.95) && age < times(lifetime_, 1.05)) {
        return;
    }
    const bool came_of_itself = was.state == State::quiet && end.kind != EndKind::unanswered;
    const CutKind kind = end.kind == EndKind::finished ? CutKind::fin
                         : end.kind == EndKind::reset  ? CutKind::reset
                                                       : CutKind::silent;
    const Instant idle_until = was.state == State::pinged ? was.pinged_at : now;
    deaths_.push_back({idle_until - was.quiet_since, now, kind, came_of_itself});
}

void CutSearch::expire(Instant now) {
    for (Line& line : lines_) {
        if (line.state != State::pinged) {
            continue;
        }
        const Duration idle = line.pinged_at - line.quiet_since;
        if (line.pinged_at + patience(idle) <= now) {
            deaths_.push_back({idle, now, CutKind::silent, false});
            line.state = State::spent;
        }
    }
}

void CutSearch::main_answered(Instant sent_at) {
    std::vector<Death> confirmed;
    std::erase_if(deaths_, [&](const Death& death) {
        const bool is = death.at <= sent_at;
        if (is) {
            confirmed.push_back(death);
        }
        return is;
    });
    const Task task = task_;
    for (const Death& death : confirmed) {
        if (task_ == task) {  // what comes after an answer to the question belongs to no other
            apply(death);
        }
    }
}

void CutSearch::main_lost() {
    deaths_.clear();
    for (Line& line : lines_) {
        if (line.state != State::closed) {
            line.state = State::spent;
        }
    }
}

// ---- What it means

void CutSearch::apply(const Death& death) {
    failures_ = 0;
    if (task_ == Task::rule) {
        if (death.idle >= times(safe_, 0.95)) {
            counts_ = Counts::from_hub_only;
            finish();
        }
        return;
    }
    if (task_ == Task::recheck) {
        if (death.idle >= times(safe_, 0.95)) {
            finish();
        } else {
            doubt();
        }
        return;
    }
    if (task_ == Task::rest) {
        return;
    }
    if (doubted_ != Duration{} && death.idle <= times(doubted_, 1.02)) {
        doubted_ = {};
    }
    if (death.exact) {
        apply_exact(death);
    } else if (death.idle > safe_) {
        fatal_ = least_known(fatal_, death.idle);
        hint_ = {};
        // An answer that the cut overtook is silence too, so silence says less than a reset.
        kind_ = death.kind == CutKind::silent && kind_ != CutKind::unknown ? kind_ : death.kind;
    }
    conclude();
}

void CutSearch::apply_exact(const Death& death) {
    if (death.idle < times(safe_, 0.97)) {
        // Lines were idle for longer and lived. Once this is somebody's whim; twice it is the path.
        if (++contradictions_ < 2) {
            return;
        }
        begin();
    }
    kind_ = death.kind;
    const Duration apart = death.idle > hint_ ? death.idle - hint_ : hint_ - death.idle;
    if (hint_ != Duration{} && apart <= times(hint_, 0.03) + 100ms + round_trip_) {
        exact_ = (hint_ + death.idle) / 2;
    } else {
        hint_ = death.idle;
    }
}

/// Ends the search if enough is known.
void CutSearch::conclude() {
    if (task_ != Task::search) {
        return;
    }
    if (exact_ != Duration{}) {
        fatal_ = exact_;
        safe_ = times(exact_, kSafeOfExact);
    } else if (fatal_ != Duration{}) {
        const Duration safe = safe_enough();
        if (safe < fatal_ && ratio(fatal_, safe) > kNearEnough && safe < most()) {
            return;
        }
        safe_ = std::min(safe, times(fatal_, kSafeOfExact));
    } else if (safe_ >= most()) {
        kind_ = CutKind::none;
    } else {
        return;
    }
    finish();
}

void CutSearch::finish() {
    hint_ = doubted_ = {};
    contradictions_ = 0;
    deaths_.clear();
    const bool ask_rule = counts_ == Counts::unknown && kind_ != CutKind::none &&
                          (lifetime_ == Duration{} || times(fatal_, kRuleTest) < most());
    task_ = ask_rule ? Task::rule : Task::rest;
    for (Line& line : lines_) {
        if (line.state != State::closed) {
            line.state = State::spent;
        }
    }
}

void CutSearch::forget_fatal() {
    fatal_ = hint_ = exact_ = {};
    kind_ = CutKind::unknown;
}

Duration CutSearch::cut() const {
    if (exact_ != Duration{} || fatal_ == Duration{} || safe_ == Duration{}) {
        return least_known(exact_, fatal_);
    }
    return times(safe_, std::sqrt(ratio(fatal_, safe_)));
}

Duration CutSearch::most() const {
    return lifetime_ == Duration{} ? limits_.most
                                   : std::min(limits_.most, times(lifetime_, kOfLifetime));
}

/// A lost packet is sent again after 200 ms, 400 ms, 800 ms …; the longer a test took anyway, the
/// more patience costs nothing.
Duration CutSearch::patience(Duration idle) const {
    return 1s + 4 * round_trip_ + std::min<Duration>(times(idle, 0.03), 10s);
}

// ---- What to do

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
