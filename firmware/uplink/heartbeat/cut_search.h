#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/uplink/heartbeat/path_knowledge.h"
#include "firmware/uplink/heartbeat/probe_line.h"

namespace holdfast::uplink {

/// Learns how long a path lets a line be idle, on probe lines that carry nothing; README.md says
/// how the idle times are chosen. It decides what to do with which probe line and when; its owner
/// (AdaptiveHeartbeat) passes that on.
///
/// A death of a probe line teaches only when the main line has answered something that was sent
/// after it: else it may have been the link.
class CutSearch {
public:
    struct Limits {
        Duration least = std::chrono::seconds(5);  ///< no path cuts earlier than that
        /// Longer idle times are of no use. A little above 30 min, so that a cut at 30 min is seen.
        Duration most = std::chrono::seconds(1890);
    };

    explicit CutSearch(const Limits& limits) : limits_(limits) {}

    // ---- What to find out

    /// Nothing is known: the whole range is searched.
    void begin();
    /// What was learned earlier; there is nothing to do until it is doubted.
    void know(const PathKnowledge& known);
    /// The main line died of what may have been an idle cut: nothing is safe, and what was known is
    /// tried first.
    void doubt();
    /// The limit may have grown: one probe line is held a little longer than it.
    void recheck();
    /// So many probe lines may be open (others have another use); 0: nothing is done for now.
    void allow_lines(std::size_t lines) { allowed_ = lines; }
    /// A line lives no longer than that whatever it carries, so no idle time above it can be tried.
    void set_lifetime(Duration lifetime);

    // ---- What happens

    void opened(std::size_t index, Instant now);
    void failed(std::size_t index, Instant now);
    void answered(std::size_t index, Instant now);
    void ended(std::size_t index, const LineEnd& end, Instant now);
    /// The main line answered something that was sent at `sent_at`.
    void main_answered(Instant sent_at);
    /// The main line is gone, and all that the probe lines seemed to tell with it.
    void main_lost();
    /// A round trip as the main line measures it.
    void set_round_trip(Duration round_trip) { round_trip_ = round_trip; }

    // ---- What to do

    /// The next thing that is due. Called until it gives nullopt.
    [[nodiscard]] std::optional<LineAction> next(Instant now);
    /// When `next` is to be called again, if nothing happens before. Holds after `next` gave
    /// nullopt.
    [[nodiscard]] Instant deadline() const { return deadline_; }
    /// A death waits for an answer on the main line.
    [[nodiscard]] bool needs_main_answer() const { return !deaths_.empty(); }

    // ---- What is known

    [[nodiscard]] bool learned() const { return task_ == Task::rest || task_ == Task::rule; }
    /// Nothing is left to be found out.
    [[nodiscard]] bool resting() const { return task_ == Task::rest; }
    /// Probe lines cannot be opened, or are closed by the hub.
    [[nodiscard]] bool blocked() const { return failures_ >= 3; }
    /// Deaths of probe lines that the main line has not confirmed.
    [[nodiscard]] std::size_t unconfirmed_deaths() const { return deaths_.size(); }
    [[nodiscard]] Duration safe() const { return safe_; }
    [[nodiscard]] Duration cut() const;
    [[nodiscard]] CutKind kind() const { return kind_; }
    [[nodiscard]] Counts counts() const { return counts_; }
    [[nodiscard]] std::size_t lines_in_use() const;
    [[nodiscard]] std::uint64_t lines_opened() const { return lines_opened_; }

private:
    enum class Task : std::uint8_t {
        rest,
        search,   ///< between safe_ and fatal_
        rule,     ///< whose traffic counts
        recheck,  ///< has the limit grown?
    };
    enum class State : std::uint8_t { closed, opening, quiet, pinged, spent };
    struct Line {
        State state = State::closed;
        Instant opened_at{};
        Instant quiet_since{};
        Instant pinged_at{};
        Duration step{};  ///< of the ramp: how long to be idle; 0: none was given yet
        bool spoke = false;
    };
    struct Death {
        Duration idle{};
        Instant at{};
        CutKind kind = CutKind::unknown;
        bool exact = false;  ///< it came of itself: the idle time is the limit, not only above it
    };

    void expire(Instant now);
    void apply(const Death& death);
    void apply_exact(const Death& death);
    void conclude();
    void finish();
    void forget_fatal();
    [[nodiscard]] Duration most() const;
    [[nodiscard]] Duration patience(Duration idle) const;
    /// The least idle time that seems to kill, with what is not confirmed yet; 0: none.
    [[nodiscard]] Duration presumed_fatal(Instant now) const;
    /// The same for `hint_`.
    [[nodiscard]] Duration presumed_hint() const;
    [[nodiscard]] Duration safe_enough() const;
    [[nodiscard]] std::size_t lines_wanted(Instant now) const;
    void plan(Instant now);
    [[nodiscard]] std::optional<LineAction> act(std::size_t index, Instant now);
    /// How long this line is to be idle before its ping; Duration::max(): no ping for now.
    [[nodiscard]] Duration target(std::size_t index, Instant now) const;
    [[nodiscard]] Duration split(Duration safe, Duration fatal, Instant now) const;
    [[nodiscard]] bool outlives(const Line& line, Duration idle) const;
    [[nodiscard]] std::optional<std::size_t> oldest(Duration below, Instant now) const;

    Limits limits_;
    Task task_ = Task::rest;
    std::array<Line, kProbeLines> lines_{};
    std::size_t allowed_ = kProbeLines;
    Duration lifetime_{};
    Duration round_trip_ = std::chrono::milliseconds(500);

    Duration safe_{};   ///< proven
    Duration fatal_{};  ///< proven; 0: nothing is
    /// A line ended of itself at this idle time; a second one has to confirm it. 0: none.
    Duration hint_{};
    Duration exact_{};  ///< confirmed; 0: not
    CutKind kind_ = CutKind::unknown;
    Counts counts_ = Counts::unknown;

    Duration next_step_{};  ///< of the ramp
    Duration doubted_{};    ///< what was safe before the doubt, and is tried first; 0: nothing
    Duration doubted_fatal_{};
    Duration doubted_exact_{};
    CutKind doubted_kind_ = CutKind::unknown;
    int contradictions_ = 0;

    std::vector<Death> deaths_;
    Instant deadline_ = kNever;
    Instant retry_at_{};
    int failures_ = 0;
    int opened_in_vain_ = 0;
    std::uint64_t lines_opened_ = 0;
};

}  // namespace holdfast::uplink
