#include "firmware/uplink/heartbeat/cut_search.h"

#include "firmware/uplink/heartbeat/search_numbers.h"

namespace holdfast::uplink {

using namespace std::chrono_literals;

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
    if (task_ != Task::rest || kind_ == CutKind::none || times(fatal_, kConfirm) > most()) {
        return;
    }
    task_ = Task::recheck;
}

void CutSearch::set_lifetime(Duration lifetime) {
    if (lifetime == lifetime_) {
        return;
    }
    const bool longer = lifetime == Duration{} || lifetime > times(lifetime_, 1.1);
    lifetime_ = lifetime;
    const Duration known = cut();
    if (lifetime != Duration{} && known > times(lifetime, 0.95) && known < times(lifetime, 1.05)) {
        // What was taken for an idle cut was the age of the lines.
        forget_fatal();
        task_ = Task::search;
        next_step_ = std::min(times(safe_, kRampStep), limits_.most);
    }
    if ((task_ == Task::rule && times(fatal_, kRuleTest) > most()) ||
        (task_ == Task::recheck && times(fatal_, kConfirm) > most())) {
        task_ = Task::rest;  // no line lives long enough to tell
    }
    conclude();
    if (task_ == Task::rest && kind_ == CutKind::none && safe_ < times(most(), 0.95)) {
        // Lines live for longer than it seemed, so there may be a limit above after all.
        task_ = Task::search;
        kind_ = CutKind::unknown;
        next_step_ = std::min(times(safe_, kRampStep), limits_.most);
    } else if (longer) {
        recheck();
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
    opened_in_vain_ = 0;
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
    opened_in_vain_ = 0;
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
        const bool near = safe >= fatal_ || ratio(fatal_, safe) <= kNearEnough;
        if (!near && safe < most()) {
            return;
        }
        if (near) {
            safe_ = std::min(safe, times(fatal_, kSafeOfExact));
        } else {
            forget_fatal();  // no line lives to see it
            kind_ = CutKind::none;
        }
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

}  // namespace holdfast::uplink
