#include "firmware/uplink/heartbeat/lifetime_watch.h"

#include <algorithm>
#include <utility>

namespace holdfast::uplink {

using namespace std::chrono_literals;

namespace {

/// Below it nothing can be told from a hub that is not well; above it a renewal saves nothing.
constexpr Duration kShortest = 8s;
constexpr Duration kLongest = 25h;
constexpr Duration kPatience = 10s;
constexpr Duration kRetry = 10s;
constexpr int kMostFailures = 5;
/// The witness beats so often in a lifetime, so that the lifetime is known as exactly.
constexpr int kBeatsOfWitness = 25;

constexpr std::size_t kMostSuspicions = 4;

Duration tolerance(Duration age) {
    return age / 50 + 1s;
}

/// The two may be of one limit.
bool agree(const AgeSpan& a, const AgeSpan& b) {
    return a.least <= b.most + tolerance(b.most) && b.least <= a.most + tolerance(a.most);
}

}  // namespace

void LifetimeWatch::forget() {
    know({});
}

void LifetimeWatch::know(Duration lifetime) {
    known_ = {lifetime, lifetime};
    suspected_.clear();
    rechecks_ = false;
    failures_ = 0;
    main_lost();
}

void LifetimeWatch::suspect(const AgeSpan& age) {
    if (age.least < kShortest || age.least > kLongest) {
        return;
    }
    if (explains(age) || std::ranges::any_of(suspected_, [&](const AgeSpan& suspected) {
            return agree(suspected, age);
        })) {
        died(age);  // twice the same
        return;
    }
    if (suspected_.size() < kMostSuspicions) {
        suspected_.push_back(age);
        std::ranges::sort(suspected_, {}, &AgeSpan::least);
    }
    failures_ = 0;
}

void LifetimeWatch::recheck() {
    rechecks_ = known_.least != Duration{};
    failures_ = 0;
}

bool LifetimeWatch::explains(const AgeSpan& age) const {
    return known_.least != Duration{} && agree(known_, age);
}

Duration LifetimeWatch::lifetime() const {
    if (suspected_.empty() || (known_.least != Duration{} && known_.least < suspected_[0].least)) {
        return known_.least;
    }
    return suspected_[0].least;
}

void LifetimeWatch::opened(Instant now) {
    if (state_ == State::opening) {
        state_ = State::quiet;
        opened_at_ = beat_ = alive_ = now;
    }
}

void LifetimeWatch::failed(Instant now) {
    state_ = State::closed;
    retry_at_ = now + kRetry;
    count_failure();
}

/// Where no witness is to be had, the lowest suspicion stays: a renewal too many is cheaper than a
/// drop.
void LifetimeWatch::count_failure() {
    if (++failures_ < kMostFailures) {
        return;
    }
    if (!suspected_.empty()) {
        known_ = suspected_.front();
    }
    suspected_.clear();
    rechecks_ = false;
}

void LifetimeWatch::answered(Instant now) {
    if (state_ == State::pinged) {
        state_ = State::quiet;
        alive_ = now;
        outlived(now - opened_at_);
    }
}

/// Drops what has proved wrong; the witness lives on if there is more to be proved.
void LifetimeWatch::outlived(Duration age) {
    const auto refuted = [&](const AgeSpan& span) {
        return age > span.most + 2 * tolerance(span.most);
    };
    std::erase_if(suspected_, refuted);
    if (known_.least != Duration{} && refuted(known_)) {
        known_ = {};
        rechecks_ = false;
    }
}

void LifetimeWatch::ended(const LineEnd& end, Instant now) {
    const State was = state_;
    if (was == State::opening || !end.unexplained()) {
        failed(now);
        return;
    }
    state_ = State::closed;
    if (was == State::quiet || was == State::pinged) {
        const bool late = was == State::pinged || end.kind == EndKind::unanswered;
        witness_died({(late ? alive_ : now) - opened_at_, now - opened_at_}, now);
    }
}

void LifetimeWatch::died(const AgeSpan& age) {
    const auto found = std::ranges::find_if(
        suspected_, [&](const AgeSpan& suspected) { return agree(suspected, age); });
    if (found == suspected_.end() && !explains(age)) {
        count_failure();  // it died of something else, and says nothing
        return;
    }
    AgeSpan span = found == suspected_.end() ? known_ : *found;
    span.least = std::max(span.least, age.least);
    span.most = std::max(span.least, std::min(span.most, age.most));
    known_ = span;
    suspected_.clear();
    rechecks_ = false;
}

void LifetimeWatch::witness_died(const AgeSpan& age, Instant now) {
    death_ = age;
    died_at_ = now;
}

void LifetimeWatch::main_answered(Instant sent_at) {
    if (death_ && died_at_ <= sent_at) {
        died(*std::exchange(death_, std::nullopt));
    }
}

void LifetimeWatch::main_lost() {
    death_.reset();
    if (state_ != State::closed) {
        state_ = State::spent;
    }
}

std::optional<LineAction> LifetimeWatch::next(Instant now, bool may_open, Duration interval) {
    using Kind = LineAction::Kind;
    deadline_ = kNever;
    const Duration pause =
        std::min(interval, std::max<Duration>(lifetime() / kBeatsOfWitness, 500ms));
    if (state_ == State::pinged && now >= beat_ + kPatience) {
        witness_died({alive_ - opened_at_, beat_ - opened_at_}, now);
        state_ = State::spent;
    }
    if (state_ == State::quiet && !asking()) {
        state_ = State::spent;
    }
    switch (state_) {
        case State::closed:
            if (!asking() || !may_open || death_ || now < retry_at_) {
                deadline_ = asking() && now < retry_at_ ? retry_at_ : kNever;
                return std::nullopt;
            }
            state_ = State::opening;
            ++lines_opened_;
            return LineAction{Kind::open, kWitnessLine};
        case State::opening:
            return std::nullopt;
        case State::quiet:
            if (now < alive_ + pause) {
                deadline_ = alive_ + pause;
                return std::nullopt;
            }
            state_ = State::pinged;
            beat_ = now;
            return LineAction{Kind::ping, kWitnessLine};
        case State::pinged:
            deadline_ = beat_ + kPatience;
            return std::nullopt;
        case State::spent:
            state_ = State::closed;
            return LineAction{Kind::close, kWitnessLine};
    }
    return std::nullopt;
}

}  // namespace holdfast::uplink
