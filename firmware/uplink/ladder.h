#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/uplink/path.h"

namespace holdfast::uplink {

/// Where a try to make a line failed.
enum class Trouble : std::uint8_t {
    route,    ///< no stream to the hub: name, TCP, proxy, TLS. Another transport would not help.
    passage,  ///< the route carries HTTP but not this: an answer that is not 101, or nothing after
    hub,      ///< the hub itself said no, or goes: not the path's fault
};

struct LadderOptions {
    bool proxy = false;  ///< there is a forward proxy; it is tried before the direct way
    /// How long a try may be without a sign that bytes pass, while other rungs are left to try.
    Duration patience_min = std::chrono::milliseconds(1200);
    Duration patience_max = std::chrono::seconds(10);
    /// A better rung than the one that works is tried again after so long, then twice as long …
    Duration trial_min = std::chrono::minutes(1);
    Duration trial_max = std::chrono::hours(24);
};

/// Which way to the hub is tried next. The rungs, best first: WebSocket, xhr_streaming, xhr through
/// the proxy if there is one, then the same three directly. What worked on this network is tried
/// first, then the others, best first, each once; that is a round. Between two rounds the caller
/// waits (its back-off), and patience doubles. Pure logic; lives as long as the node.
class Ladder {
public:
    explicit Ladder(const LadderOptions& options);

    /// This node is on another network now, where `worked` did the last time, if it is known.
    void on_network(std::optional<Path> worked);
    /// The rung to be tried, or in use.
    [[nodiscard]] Path path() const;
    /// The try on `path()` failed before a line was up. True: `path()` is another rung now, to be
    /// tried at once. False: the round is over (or it is not the path's fault); wait, then try
    /// `path()`.
    [[nodiscard]] bool failed(Trouble trouble);
    /// A line is up on `path()`. True: that is news, worth remembering for this network.
    [[nodiscard]] bool worked(Instant now);
    /// For the present try: `patience_max` on the last rung that is left to try.
    [[nodiscard]] Duration patience() const;

    // ---- Better rungs, while a line is up on a lesser one

    /// A rung that is to be tried beside the line that is up; once, until `trial_ended`.
    [[nodiscard]] std::optional<Path> trial_due(Instant now);
    /// `passed`: `path()` is the trial's rung now, and the line moves there. Else the next better
    /// one is due at once, or all wait for the next time.
    void trial_ended(bool passed, Instant now);
    [[nodiscard]] Instant deadline() const { return trial_at_; }
    /// The line ended: a trial is of no use now.
    void line_ended();

private:
    [[nodiscard]] std::size_t next_untried(std::size_t from) const;

    LadderOptions options_;
    std::vector<Path> rungs_;
    std::vector<bool> tried_;  ///< in this round
    std::size_t at_ = 0;
    std::size_t home_ = 0;  ///< where a round begins
    bool known_ = false;    ///< `home_` is what worked
    Duration patience_;
    std::optional<std::size_t> trial_;
    Instant trial_at_ = kNever;
    Duration trial_wait_{};
};

}  // namespace holdfast::uplink
