#include "firmware/uplink/heartbeat/adaptive_heartbeat.h"

#include <algorithm>
#include <utility>

#include "firmware/uplink/heartbeat/search_numbers.h"

namespace holdfast::uplink {

using namespace std::chrono_literals;

namespace {

/// Of what is safe. The spread keeps a fleet that was started at one moment out of step.
constexpr double kGreatestShare = 0.95;
/// Each drop of a line that was idle for less than was safe takes so much off, down to the floor:
/// on this path packets are late, or the limit is not always the same.
constexpr double kShareStep = 0.05;
constexpr double kShareFloor = 0.8;
constexpr double kShareSpread = 0.07;
constexpr double kNearTheLimit = 0.75;
/// A packet that was lost twice comes so late. Only with limits below 14 s is that more than the
/// share leaves anyway.
constexpr Duration kLateness = 700ms;
/// Of a lifetime that is known: a line that is so old was not ended by it.
constexpr double kOutlived = 1.25;
/// A slow round trip is forgotten by this share with every beat.
constexpr double kForget = 0.01;
/// Of a lifetime: where in it the line is renewed.
constexpr double kEarliestRenewal = 0.85;
constexpr double kLatestRenewal = 0.91;
/// Probe lines wait until the main line is settled, and so are always younger than it.
constexpr Duration kSettling = 500ms;
constexpr Duration kDay = 24h;

double uniform(ports::Entropy& entropy, double least, double greatest) {
    const auto number = static_cast<double>(entropy.number() >> 11);
    return least + (greatest - least) * number / 9007199254740992.0;
}

CutSearch::Limits limits(const AdaptiveOptions& options) {
    CutSearch::Limits limits;
    limits.most = std::min(limits.most, times(options.max, 1 / kShareFloor));
    limits.most = std::max(limits.most, limits.least);
    return limits;
}

}  // namespace

const char* name(EndCause cause) {
    switch (cause) {
        case EndCause::idle_cut:
            return "idle cut";
        case EndCause::lifetime:
            return "lifetime of lines on this path";
        case EndCause::link_loss:
            return "loss of the link";
        case EndCause::several:
            return "several lines at once";
        case EndCause::hub_leaving:
            return "hub going away";
        case EndCause::hub_choice:
            return "hub's choice";
        case EndCause::ours:
            return "this node";
        case EndCause::unexplained:
            return "unexplained";
    }
    return "";
}

AdaptiveHeartbeat::AdaptiveHeartbeat(const AdaptiveOptions& options, ports::Entropy& entropy)
    : options_(options),
      entropy_(entropy),
      search_(limits(options)),
      blind_(options.blind),
      greatest_share_(kGreatestShare) {
    search_.begin();
    draw();
}

void AdaptiveHeartbeat::on_path(const std::optional<PathKnowledge>& known, Now now) {
    search_.main_lost();
    lifetime_.forget();
    lesson_.reset();
    blind_ = options_.blind;
    greatest_share_ = kGreatestShare;
    slowest_ = {};
    fastest_ = Duration::max();
    checked_at_ = recheck_at_ = kNever;
    checked_s_ = 0;
    was_resting_ = false;
    if (!known) {
        search_.begin();
        return;
    }
    lifetime_.know(known->lifetime);
    search_.set_lifetime(known->lifetime);
    search_.know(*known);
    if (search_.resting()) {
        was_resting_ = true;
        checked_s_ = known->checked_s;
        const std::int64_t wall_s = now.wall.time_since_epoch().count() / 1'000'000;
        const Duration since = std::chrono::seconds(wall_s - known->checked_s);
        const bool plausible = since >= Duration{} && since < options_.recheck;
        recheck_at_ = now.monotonic + (plausible ? options_.recheck - since : kDay);
    }
}

Duration AdaptiveHeartbeat::advised(Duration interval) {
    if (interval == Duration{}) {
        advice_ = Duration::max();
        return interval;
    }
    advice_ = std::clamp(interval, options_.min, options_.max);
    return advice_;
}

// ---- The main line

void AdaptiveHeartbeat::opened(Instant now) {
    if (lesson_) {
        take_lesson();
    }
    live_ = true;
    opened_at_ = heard_ = beat_ = now;
    survived_ = {};
    ping_sent_ = waiting_since_ = kNever;
    renew_at_ = lifetime_.lifetime() == Duration{}
                    ? kNever
                    : now + times(lifetime_.lifetime(),
                                  uniform(entropy_, kEarliestRenewal, kLatestRenewal));
    if (day_began_ == kNever) {
        day_began_ = now;
    }
}

void AdaptiveHeartbeat::heard(Instant now, bool owes_answer) {
    heard_ = now;
    if (ping_sent_ != kNever) {
        measure(now - ping_sent_);
        search_.main_answered(ping_sent_);
        lifetime_.main_answered(ping_sent_);
        answered(ping_sent_);
        draw();
    } else if (waiting_since_ != kNever) {
        answered(waiting_since_);
    }
    ping_sent_ = kNever;
    waiting_since_ = owes_answer ? now : kNever;
}

void AdaptiveHeartbeat::answered(Instant sent_at) {
    survived_ = std::max(survived_, sent_at - beat_);
    beat_ = std::max(beat_, sent_at);
}

void AdaptiveHeartbeat::sent(Instant now) {
    if (waiting_since_ == kNever) {
        waiting_since_ = now;
    }
}

void AdaptiveHeartbeat::ping_sent(Instant now) {
    ping_sent_ = left_ = now;
    ++beats_;
    count_beat(now);
}

void AdaptiveHeartbeat::count_beat(Instant now) {
    if (now - day_began_ >= kDay) {
        yesterday_bytes_ = now - day_began_ < 2 * kDay ? day_bytes_ : 0;
        day_bytes_ = 0;
        day_began_ = now;
    }
    day_bytes_ += options_.beat_bytes;
}

bool AdaptiveHeartbeat::ping_due(Instant now) const {
    return live_ && ping_sent_ == kNever && ping_at() <= now;
}

bool AdaptiveHeartbeat::dead(Instant now) const {
    return live_ && ping_sent_ != kNever && left_ + options_.pong_timeout <= now;
}

Instant AdaptiveHeartbeat::ping_at() const {
    if (search_.needs_main_answer() || lifetime_.needs_main_answer()) {
        return heard_;  // at once: a lesson waits for it
    }
    const Instant quiet = beat_ + interval_at(share_);
    return waiting_since_ == kNever ? quiet
                                    : std::min(quiet, waiting_since_ + options_.pong_timeout);
}

Instant AdaptiveHeartbeat::deadline() const {
    if (!live_) {
        return kNever;
    }
    const Instant main = ping_sent_ == kNever ? ping_at() : left_ + options_.pong_timeout;
    Instant due = std::min({main, renew_at_, search_.deadline(), lifetime_.deadline()});
    if (search_.resting()) {
        due = std::min(due, recheck_at_);
    }
    return settled_ ? due : std::min(due, opened_at_ + kSettling);
}

EndCause AdaptiveHeartbeat::ended(const LineEnd& end, Instant now) {
    // What came as the answer to something we sent had happened before.
    const Instant asked = std::min(ping_sent_, waiting_since_);
    const bool late = asked != kNever || end.kind == EndKind::unanswered;
    const Duration idle = std::min(asked, now) - beat_;
    const AgeSpan age{(late ? heard_ : now) - opened_at_, std::min(asked, now) - opened_at_};
    const std::size_t others = search_.unconfirmed_deaths();
    search_.main_lost();
    lifetime_.main_lost();
    live_ = settled_ = false;
    EndCause cause = EndCause::unexplained;
    if (end.kind == EndKind::ours) {
        cause = EndCause::ours;
    } else if (end.hub_leaves()) {
        cause = EndCause::hub_leaving;
    } else if (!end.unexplained()) {
        cause = EndCause::hub_choice;
    } else if (lifetime_.explains(age)) {
        cause = EndCause::lifetime;
    } else if (others > 1) {
        cause = EndCause::several;
    } else if (idle > std::max(search_.safe(), survived_)) {
        cause = EndCause::idle_cut;
    }
    lesson_ = Lesson{cause, age, idle};
    last_end_ = cause;
    return cause;
}

void AdaptiveHeartbeat::connect_failed() {
    if (lesson_ && (lesson_->cause == EndCause::idle_cut || lesson_->cause == EndCause::several ||
                    lesson_->cause == EndCause::unexplained)) {
        lesson_->cause = EndCause::link_loss;
        last_end_ = EndCause::link_loss;
    }
}

/// There is a line again, at the first try: so it was not the link that ended the last one.
void AdaptiveHeartbeat::take_lesson() {
    const Lesson lesson = *std::exchange(lesson_, std::nullopt);
    if (lesson.cause == EndCause::lifetime || lesson.cause == EndCause::several) {
        lifetime_.suspect(lesson.age);
    }
    if (lesson.cause != EndCause::idle_cut && lesson.cause != EndCause::unexplained) {
        return;
    }
    const bool is_blind = search_.blocked() && search_.safe() == Duration{};
    if (is_blind && lesson.cause == EndCause::idle_cut) {
        // Nothing to doubt, and no probe line to tell an idle limit from a lifetime.
        blind_ = std::max(options_.min, std::min(blind_ / 2, times(lesson.idle, kShareFloor)));
        return;
    }
    if (lesson.idle > times(search_.safe(), kNearTheLimit)) {
        greatest_share_ = std::max(kShareFloor, greatest_share_ - kShareStep);
        draw();
    }
    search_.doubt();
    was_resting_ = false;
    lifetime_.suspect(lesson.age);
}

// ---- Probe lines

std::optional<LineAction> AdaptiveHeartbeat::next(Instant now) {
    housekeeping(now);
    if (const std::optional<LineAction> action = search_.next(now)) {
        return action;
    }
    const bool room = settled_ && search_.lines_in_use() < kProbeLines;
    if (const std::optional<LineAction> action = lifetime_.next(now, room, interval())) {
        return action;
    }
    return renewal(now);
}

void AdaptiveHeartbeat::housekeeping(Instant now) {
    settled_ = live_ && (settled_ || now >= opened_at_ + kSettling);
    search_.allow_lines(!settled_ ? 0 : lifetime_.needs_a_line() ? kProbeLines - 1 : kProbeLines);
    search_.set_lifetime(lifetime_.lifetime());
    if (search_.resting() && !was_resting_) {
        checked_at_ = now;
        recheck_at_ = now + times(options_.recheck, uniform(entropy_, 0.9, 1.0));
    }
    was_resting_ = search_.resting();
    if (was_resting_ && settled_ && now >= recheck_at_) {
        lifetime_.recheck();
        search_.recheck();
        was_resting_ = false;
    }
}

std::optional<LineAction> AdaptiveHeartbeat::renewal(Instant now) {
    if (!live_ || now < renew_at_) {
        return std::nullopt;
    }
    if (heard_ - opened_at_ > times(lifetime_.lifetime(), kOutlived)) {
        lifetime_.forget();  // no new line came about, and this one lives all the same
    }
    if (lifetime_.lifetime() == Duration{}) {
        renew_at_ = kNever;  // it was refuted meanwhile
        return std::nullopt;
    }
    // Should the new line not come about, there is time to try again before the old one ends.
    renew_at_ = now + std::max<Duration>(lifetime_.lifetime() / 50, 2s);
    return LineAction{LineAction::Kind::renew, 0};
}

void AdaptiveHeartbeat::line_opened(std::size_t line, Instant now) {
    line == kWitnessLine ? lifetime_.opened(now) : search_.opened(line, now);
}

void AdaptiveHeartbeat::line_failed(std::size_t line, Instant now) {
    line == kWitnessLine ? lifetime_.failed(now) : search_.failed(line, now);
}

void AdaptiveHeartbeat::line_answered(std::size_t line, Instant now) {
    count_beat(now);
    line == kWitnessLine ? lifetime_.answered(now) : search_.answered(line, now);
}

void AdaptiveHeartbeat::line_ended(std::size_t line, const LineEnd& end, Instant now) {
    line == kWitnessLine ? lifetime_.ended(end, now) : search_.ended(line, end, now);
}

// ---- What is known

void AdaptiveHeartbeat::draw() {
    share_ =
        uniform(entropy_, std::max(kShareFloor, greatest_share_ - kShareSpread), greatest_share_);
}

void AdaptiveHeartbeat::measure(Duration round_trip) {
    slowest_ = std::max(round_trip, times(slowest_, 1 - kForget));
    fastest_ = std::min(fastest_, round_trip);
    search_.set_round_trip(slowest_);
}

Duration AdaptiveHeartbeat::interval_at(double share) const {
    Duration interval = options_.min;
    if (search_.safe() != Duration{}) {
        // A ping that takes longer on its way than the one before it finds the line idle for
        // longer.
        const Duration jitter = std::max(slowest_ / 2, slowest_ - fastest_);
        interval = std::min(times(search_.safe(), share) - jitter, search_.safe() - kLateness);
    } else if (search_.blocked()) {
        interval = blind_;
    }
    return std::min(std::clamp(interval, options_.min, options_.max), advice_);
}

Duration AdaptiveHeartbeat::interval() const {
    return interval_at(greatest_share_);
}

AdaptiveHeartbeat::Report AdaptiveHeartbeat::report(Instant now) const {
    Report report;
    report.learned = search_.learned();
    report.blocked = search_.blocked();
    report.interval = interval();
    report.safe = search_.safe();
    report.cut = search_.cut();
    report.kind = search_.kind();
    report.counts = search_.counts();
    report.lifetime = lifetime_.lifetime();
    report.probes = search_.lines_opened() + lifetime_.lines_opened();
    report.beats = beats_;
    report.last_end = last_end_;
    const auto by_interval =
        static_cast<std::uint64_t>(kDay / std::max<Duration>(report.interval, 1s)) *
        options_.beat_bytes;
    report.bytes_a_day = now - day_began_ >= 2 * kDay ? 0 : yesterday_bytes_.value_or(by_interval);
    return report;
}

std::optional<PathKnowledge> AdaptiveHeartbeat::knowledge(Now now) const {
    if (!search_.learned()) {
        return std::nullopt;
    }
    PathKnowledge known;
    known.safe = search_.safe();
    known.cut = search_.cut();
    known.kind = search_.kind();
    known.counts = search_.counts();
    known.lifetime = lifetime_.known();
    known.checked_s = checked_s_;
    if (checked_at_ != kNever) {
        const Duration since = now.monotonic - checked_at_;
        known.checked_s = (now.wall.time_since_epoch() - since).count() / 1'000'000;
    }
    return known;
}

}  // namespace holdfast::uplink
