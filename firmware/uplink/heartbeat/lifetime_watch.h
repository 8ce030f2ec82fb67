#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/uplink/heartbeat/probe_line.h"

namespace holdfast::uplink {

/// An age: a line was alive at `least`, and dead by `most`. A silent end is only noticed at the
/// next beat, so the two may be far apart.
struct AgeSpan {
    Duration least{};
    Duration most{};
};

/// Learns whether a path ends lines at a constant age, whatever they carry. The first line that
/// ended unexplained makes its age a suspicion, by which the main line is renewed at once, so that
/// there is no second drop. A witness tells whether it was more than chance: a probe line that
/// beats more often than any idle cut asks for, and either dies at that age or outlives it.
class LifetimeWatch {
public:
    /// Nothing is known.
    void forget();
    void know(Duration lifetime);
    /// A main line ended unexplained at this age.
    void suspect(const AgeSpan& age);
    /// The lifetime may be gone by now: a witness is asked again.
    void recheck();
    /// It may be the age at which lines end on this path.
    [[nodiscard]] bool explains(const AgeSpan& age) const;

    void opened(Instant now);
    void failed(Instant now);
    void answered(Instant now);
    void ended(const LineEnd& end, Instant now);
    /// The main line answered something that was sent at `sent_at`: a death before that was not the
    /// link's.
    void main_answered(Instant sent_at);
    /// The main line is gone; the witness may have died of the same.
    void main_lost();
    /// A death of the witness waits for an answer on the main line.
    [[nodiscard]] bool needs_main_answer() const { return death_.has_value(); }

    /// What is due with the witness. `may_open`: there is room for one more probe line. `interval`:
    /// how long a line may be idle.
    [[nodiscard]] std::optional<LineAction> next(Instant now, bool may_open, Duration interval);
    /// Holds after `next` gave nullopt.
    [[nodiscard]] Instant deadline() const { return deadline_; }

    /// Lines live so long for certain; 0: no limit is known or suspected.
    [[nodiscard]] Duration lifetime() const;
    /// The same without what is only suspected.
    [[nodiscard]] Duration known() const { return known_.least; }
    /// A witness is wanted, or still open.
    [[nodiscard]] bool needs_a_line() const { return asking() || state_ != State::closed; }
    [[nodiscard]] std::uint64_t lines_opened() const { return lines_opened_; }

private:
    enum class State : std::uint8_t { closed, opening, quiet, pinged, spent };

    void died(const AgeSpan& age);
    void count_failure();
    void witness_died(const AgeSpan& age, Instant now);
    [[nodiscard]] bool asking() const { return !suspected_.empty() || rechecks_; }
    void outlived(Duration age);

    AgeSpan known_;                   ///< all zero: none
    bool rechecks_ = false;           ///< whether `known_` still holds
    std::vector<AgeSpan> suspected_;  ///< the lowest first
    State state_ = State::closed;
    Instant opened_at_{};
    std::optional<AgeSpan> death_;  ///< not confirmed yet
    Instant died_at_{};
    Instant beat_{};   ///< of the last ping
    Instant alive_{};  ///< when it was answered last
    Instant deadline_ = kNever;
    Instant retry_at_{};
    int failures_ = 0;
    std::uint64_t lines_opened_ = 0;
};

}  // namespace holdfast::uplink
