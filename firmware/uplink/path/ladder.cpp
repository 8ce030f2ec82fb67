#include "firmware/uplink/path/ladder.h"

#include <algorithm>

#include "firmware/base/check.h"

namespace holdfast::uplink {

Ladder::Ladder(const LadderOptions& options)
    : options_(options), patience_(options.patience_min), trial_wait_(options.trial_min) {
    for (const bool proxied : {true, false}) {
        if (proxied && !options.proxy) {
            continue;
        }
        for (const Transport transport :
             {Transport::websocket, Transport::xhr_streaming, Transport::xhr}) {
            paths_.push_back({proxied, transport});
        }
    }
    begin_round(0);
}

void Ladder::begin_round(std::size_t at) {
    tried_.assign(paths_.size(), false);
    at_ = at;
}

void Ladder::on_network(std::optional<Path> worked) {
    const auto found = worked ? std::ranges::find(paths_, *worked) : paths_.end();
    known_ = found != paths_.end();
    home_ = known_ ? static_cast<std::size_t>(found - paths_.begin()) : 0;
    begin_round(home_);
    patience_ = options_.patience_min;
    up_ = false;
    forget_trials();
}

// ---- Finding one that works

/// How many paths the round would have left if the present try failed like this.
std::size_t Ladder::untried_after(Trouble trouble) const {
    if (trouble == Trouble::hub) {
        return 0;
    }
    std::size_t untried = 0;
    for (std::size_t index = 0; index < paths_.size(); ++index) {
        const bool ruled_out =
            trouble == Trouble::route && paths_[index].proxied == paths_[at_].proxied;
        untried += index != at_ && !tried_[index] && !ruled_out ? 1 : 0;
    }
    return untried;
}

/// The best path beside the present one that this round has left; `paths_.size()`: none.
std::size_t Ladder::next_untried() const {
    std::size_t index = 0;
    while (index < paths_.size() && (index == at_ || tried_[index])) {
        ++index;
    }
    return index;
}

void Ladder::rule_out(std::size_t index, Trouble trouble) {
    tried_[index] = true;
    for (std::size_t other = 0; trouble == Trouble::route && other < paths_.size(); ++other) {
        tried_[other] = tried_[other] || paths_[other].proxied == paths_[index].proxied;
    }
}

bool Ladder::failed(Trouble trouble) {
    line_ended();
    if (trouble == Trouble::hub) {
        // The hub was reached, so this is the path to come back on.
        begin_round(at_);
        return false;
    }
    if (untried_after(trouble) == 0) {
        begin_round(home_);
        patience_ = std::min(patience_ * 2, options_.patience_max);
        return false;
    }
    rule_out(at_, trouble);
    at_ = next_untried();
    return true;
}

bool Ladder::worked(Instant now) {
    const bool news = !known_ || home_ != at_;
    if (news || at_ == 0) {
        forget_trials();
    }
    known_ = true;
    home_ = at_;
    begin_round(at_);
    patience_ = options_.patience_min;
    line_up(now);
    return news;
}

void Ladder::line_up(Instant now) {
    up_ = true;
    if (at_ == 0) {
        trial_at_ = kNever;
    } else if (trial_at_ == kNever) {
        trial_at_ = now + trial_wait_;
    }
}

Duration Ladder::patience(Trouble trouble) const {
    return untried_after(trouble) > 0 ? patience_ : options_.patience_max;
}

// ---- The next path beside it

std::optional<Path> Ladder::beside() const {
    const std::size_t index = known_ && at_ == home_ ? paths_.size() : next_untried();
    return index == paths_.size() ? std::nullopt : std::optional(paths_[index]);
}

Duration Ladder::patience_beside() const {
    return untried_after(Trouble::transport) > 1 ? patience_ : options_.patience_max;
}

void Ladder::beside_failed(Trouble trouble) {
    if (beside()) {
        rule_out(next_untried(), trouble);
    }
}

// ---- Trials

void Ladder::forget_trials() {
    trial_.reset();
    trial_next_ = 0;
    trial_at_ = kNever;
    trial_wait_ = options_.trial_min;
}

std::optional<Path> Ladder::trial_due(Instant now) {
    if (deadline() > now) {
        return std::nullopt;
    }
    HOLDFAST_CHECK(trial_next_ < at_);
    trial_ = trial_next_;
    return paths_[*trial_];
}

void Ladder::trial_ended(bool passed, Instant now) {
    if (!trial_) {
        return;
    }
    const std::size_t index = *trial_;
    trial_.reset();
    trial_next_ = index + 1;
    trial_at_ = now;
    if (passed || trial_next_ == at_) {
        trial_next_ = 0;
        trial_wait_ = std::min(trial_wait_ * 2, options_.trial_max);
        trial_at_ = passed ? kNever : now + trial_wait_;
    }
    if (passed) {
        at_ =
            index;  // until it has worked, the next trial is as far away as if this one had failed
    }
}

void Ladder::line_ended() {
    up_ = false;
    if (trial_ || trial_next_ > 0) {
        // What this series would have told is not known: all wait once more, but not as long as
        // before, or lines that last just so long would end each series.
        trial_.reset();
        trial_next_ = 0;
        trial_at_ = kNever;
        trial_wait_ = trial_wait_ < options_.trial_max
                          ? std::min(trial_wait_ * 2, options_.trial_max)
                          : options_.trial_max / 4 * 3;
    }
}

}  // namespace holdfast::uplink
