#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/uplink/path/path.h"

namespace holdfast::uplink {

/// Where a try to make a line failed.
enum class Trouble : std::uint8_t {
    route,      ///< no stream to the hub: name, TCP, proxy, TLS. Another transport would not help.
    transport,  ///< the route carries HTTP but not this: an answer that is not 101, or nothing
                ///< after
    hub,        ///< the hub itself said no, or goes: not the path's fault
};

struct LadderOptions {
    bool proxy = false;  ///< there is a forward proxy; it is tried before the direct route
    /// How long a try may be without a sign that bytes pass, while other paths are left to try.
    Duration patience_min = std::chrono::milliseconds(1200);
    Duration patience_max = std::chrono::seconds(10);
    /// A better path than the one that works is tried again after so long, then twice as long …
    Duration trial_min = std::chrono::seconds(10);
    Duration trial_max = std::chrono::hours(24);
};

/// Which path to the hub is tried next. The paths, best first: WebSocket, xhr_streaming, xhr
/// through the proxy if there is one, then the same three directly. What worked on this network is
/// tried first, then the others, best first, each once; that is a round. Between two rounds the
/// caller waits (its back-off), and patience doubles. Pure logic; lives as long as the node.
class Ladder {
public:
    explicit Ladder(const LadderOptions& options);

    /// This node is on another network now, where `worked` did the last time, if it is known. A
    /// path that is not on the ladder (the proxy is gone from the configuration) is as good as
    /// none.
    void on_network(std::optional<Path> worked);
    /// The path to be tried, or in use.
    [[nodiscard]] Path path() const { return paths_[at_]; }
    /// The try on `path()` failed before a line was up. True: `path()` is another one now, to be
    /// tried at once. False: the round is over (or it is not the path's fault); wait, then try
    /// `path()`.
    [[nodiscard]] bool failed(Trouble trouble);
    /// A line is up on `path()`: better paths are tried beside it from now on.
    void line_up(Instant now);
    /// It has proven itself, too. True: that is news, worth remembering for this network.
    [[nodiscard]] bool worked(Instant now);
    /// `path()` is what worked here, or nothing has yet.
    [[nodiscard]] bool is_home() const { return !known_ || at_ == home_; }
    /// For the present try, or the part of it that can fail like this: `patience_max` where that
    /// failure would leave no path to try in this round. So a slow connection is waited for where
    /// no other route is left, though other transports are.
    [[nodiscard]] Duration patience(Trouble trouble = Trouble::transport) const;

    // ---- The next path beside the present one, when that gives no sign (race.h)

    /// Where `failed(Trouble::transport)` would lead; it may be tried before that. nullopt:
    /// nowhere, or `path()` is what worked here, which is tried alone: when a hub comes back, slow
    /// with all who wait for it, they must not ask twice.
    [[nodiscard]] std::optional<Path> beside() const;
    /// How long a try is alone; what the connecting took is added.
    [[nodiscard]] Duration head_start() const { return patience_ / 5; }
    /// As `patience`, for the try on `beside()`.
    [[nodiscard]] Duration patience_beside() const;
    /// The try on `beside()` failed, and the one on `path()` goes on.
    void beside_failed(Trouble trouble);

    // ---- Better paths, while a line is up on a lesser one

    /// A path that is to be tried beside the line that is up; once, until `trial_ended`.
    [[nodiscard]] std::optional<Path> trial_due(Instant now);
    /// `passed`: `path()` is the trial's path now, and the line moves there; it counts as the one
    /// that works when `worked` is called. Else the next better one is due at once, or all wait for
    /// the next time. Of no effect where the line has ended meanwhile.
    void trial_ended(bool passed, Instant now);
    /// When `trial_due` has something; kNever while no line is up or a trial is out.
    [[nodiscard]] Instant deadline() const { return up_ && !trial_ ? trial_at_ : kNever; }
    /// The line ended: a trial is of no use now. When the next one is due is remembered for the
    /// next line on the same path: lines that are always cut young must not put it off for ever,
    /// nor bring it about each time. Trials that it ended wait longer than before, as failed ones.
    void line_ended();

private:
    [[nodiscard]] std::size_t untried_after(Trouble trouble) const;
    [[nodiscard]] std::size_t next_untried() const;
    void rule_out(std::size_t index, Trouble trouble);
    void begin_round(std::size_t at);
    void forget_trials();

    LadderOptions options_;
    std::vector<Path> paths_;
    std::vector<bool> tried_;  ///< in this round: failed, or ruled out with its route
    std::size_t at_ = 0;
    std::size_t home_ = 0;  ///< where a round begins
    bool known_ = false;    ///< `home_` is what worked
    Duration patience_;

    bool up_ = false;                   ///< a line is up on `at_`
    std::optional<std::size_t> trial_;  ///< the one that is out
    std::size_t trial_next_ = 0;        ///< the path that is due at `trial_at_`
    Instant trial_at_ = kNever;
    Duration trial_wait_;  ///< before `trial_at_`, when all had failed
};

}  // namespace holdfast::uplink
