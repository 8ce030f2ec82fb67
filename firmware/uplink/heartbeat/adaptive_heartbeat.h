#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/clock.h"
#include "firmware/ports/entropy.h"
#include "firmware/uplink/heartbeat/cut_search.h"
#include "firmware/uplink/heartbeat/lifetime_watch.h"
#include "firmware/uplink/heartbeat/path_knowledge.h"
#include "firmware/uplink/heartbeat/probe_line.h"

namespace holdfast::uplink {

struct AdaptiveOptions {
    /// Also the floor: 80 % of the shortest cut that there is to live with.
    Duration min = std::chrono::seconds(4);
    Duration max = std::chrono::minutes(30);
    /// While nothing is known and probe lines are not to be had.
    Duration blind = std::chrono::seconds(25);
    Duration pong_timeout = std::chrono::seconds(10);
    Duration recheck = std::chrono::days(7);
    /// A ping and its pong on the wire, heads of TCP and IP not counted: 28 + 24 over TLS 1.3, 6 +
    /// 2 without.
    std::uint32_t beat_bytes = 52;
};

/// Why the main line ended.
enum class EndCause : std::uint8_t {
    idle_cut,     ///< it was idle for longer than is known to be safe, and than it had been before
    lifetime,     ///< at the age at which lines end on this path
    link_loss,    ///< no new line could be had thereafter
    several,      ///< together with probe lines: the link, or all were of the same age
    hub_leaving,  ///< Goodbye, 1001, 1012, 1013
    hub_choice,   ///< another close code
    ours,
    unexplained,  ///< by what is known it should have lived; what is known is tried again
};

[[nodiscard]] const char* name(EndCause cause);

/// The heartbeat of a main line that learns how long its path lets a line be idle, and beats just
/// often enough. It times the pings of the main line as Heartbeat does, and says what to do with
/// probe lines (CutSearch, LifetimeWatch) and when to renew the main line.
///
/// Lives as long as the node; lines come and go. After any event the owner calls `next` until it
/// gives nullopt, and again at `deadline`.
class AdaptiveHeartbeat {
public:
    AdaptiveHeartbeat(const AdaptiveOptions& options, ports::Entropy& entropy);

    /// The main line will take another path: all that was known is replaced by `known`. Before the
    /// first line it need not be called if nothing is known.
    void on_path(const std::optional<PathKnowledge>& known, Now now);
    /// What a beat and its answer cost on this path, in place of `AdaptiveOptions::beat_bytes`.
    void beats_cost(std::uint32_t bytes) { options_.beat_bytes = bytes; }
    /// The hub asks for a beat at least this often; 0: as we like. Clamped to min … max, and
    /// returned so.
    Duration advised(Duration interval);

    // ---- The main line: the same questions and events as Heartbeat's

    /// A new main line is up, the first one or in place of one that ended or is to be ended.
    void opened(Instant now);
    void heard(Instant now, bool owes_answer);
    void sent(Instant now);
    void settled() { waiting_since_ = kNever; }
    void ping_sent(Instant now);
    void leaving(Instant now) { left_ = now; }
    [[nodiscard]] bool ping_due(Instant now) const;
    [[nodiscard]] bool dead(Instant now) const;
    /// Also of the probe lines.
    [[nodiscard]] Instant deadline() const;
    EndCause ended(const LineEnd& end, Instant now);
    /// A try to make a new main line failed: what ended the last one was the link, or the hub.
    void connect_failed();

    // ---- Probe lines

    [[nodiscard]] std::optional<LineAction> next(Instant now);
    void line_opened(std::size_t line, Instant now);
    void line_failed(std::size_t line, Instant now);
    void line_answered(std::size_t line, Instant now);
    void line_ended(std::size_t line, const LineEnd& end, Instant now);

    // ---- What is known

    struct Report {
        bool learned = false;
        bool blocked = false;  ///< probe lines are not to be had: the interval is `blind`
        Duration interval{};   ///< the longest at present; each beat takes a little off
        Duration safe{};
        Duration cut{};
        CutKind kind = CutKind::unknown;
        Counts counts = Counts::unknown;
        Duration lifetime{};
        std::uint64_t probes = 0;  ///< probe lines opened
        std::uint64_t beats = 0;   ///< pings on the main line
        std::uint64_t bytes_a_day = 0;
        std::optional<EndCause> last_end;
    };
    [[nodiscard]] Report report(Instant now) const;
    /// To be kept for the path when `worth_writing`; nullopt while the search goes on.
    [[nodiscard]] std::optional<PathKnowledge> knowledge(Now now) const;
    /// How long the main line may be idle before the next ping.
    [[nodiscard]] Duration interval() const;

private:
    [[nodiscard]] Duration interval_at(double share) const;
    [[nodiscard]] Instant ping_at() const;
    void draw();
    void measure(Duration round_trip);
    void take_lesson();
    void answered(Instant sent_at);
    void housekeeping(Instant now);
    [[nodiscard]] std::optional<LineAction> renewal(Instant now);
    void count_beat(Instant now);

    AdaptiveOptions options_;
    ports::Entropy& entropy_;
    CutSearch search_;
    LifetimeWatch lifetime_;
    Duration advice_ = Duration::max();
    Duration blind_;
    double greatest_share_;
    double share_ = 0;  ///< of what is safe, until the next beat

    // The main line
    bool live_ = false;
    bool settled_ = false;  ///< so that probe lines may be opened; as `next` found it
    Instant opened_at_{};
    Instant heard_{};
    Instant beat_{};       ///< when that was sent which was answered last
    Duration survived_{};  ///< the longest time for which it was idle, and then answered
    Instant waiting_since_ = kNever;
    Instant ping_sent_ = kNever;
    Instant left_{};  ///< the ping, as far as is known
    Instant renew_at_ = kNever;
    Duration slowest_{};  ///< round trips of pings, the slow ones forgotten by and by
    Duration fastest_ = Duration::max();

    // How the last one ended
    struct Lesson {
        EndCause cause;
        AgeSpan age;
        Duration idle;
    };
    std::optional<Lesson> lesson_;
    std::optional<EndCause> last_end_;

    Instant checked_at_ = kNever;
    std::int64_t checked_s_ = 0;
    Instant recheck_at_ = kNever;
    bool was_resting_ = false;

    std::uint64_t beats_ = 0;
    Instant day_began_ = kNever;
    std::uint64_t day_bytes_ = 0;
    std::optional<std::uint64_t> yesterday_bytes_;
};

}  // namespace holdfast::uplink
