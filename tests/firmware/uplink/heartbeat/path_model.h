#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "firmware/uplink/heartbeat/adaptive_heartbeat.h"

namespace holdfast::simulation {

enum class Direction : std::uint8_t { both, from_hub, from_device };

/// A path between a device and its hub with one box in the middle, which cuts lines.
struct PathSpec {
    uplink::CutKind cut_kind = uplink::CutKind::none;
    bool reset_late = false;  ///< of `reset`: the next packet is answered with RST, not before
    Duration cut{};
    Duration cut_jitter{};  ///< each idle time has a limit between cut and cut + cut_jitter
    Direction counts = Direction::both;  ///< whose traffic makes a line count as not idle
    Duration lifetime{};                 ///< 0: none
    uplink::CutKind lifetime_kind = uplink::CutKind::fin;
    Duration round_trip = std::chrono::milliseconds(50);
    Duration round_trip_jitter = std::chrono::milliseconds(10);
    unsigned loss_per_mille = 0;  ///< of packets; each loss delays by a retransmission time-out

    // Troubles that are no cut: times after the start
    std::vector<std::pair<Duration, Duration>> outages;  ///< begin, length: all lines die silently
    std::vector<Duration> hub_restarts;                  ///< 1001 for all lines, back after 3 s
    std::vector<Duration> whims;                         ///< the main line alone gets an RST
    bool side_lines_refused = false;
    Duration data_every{};  ///< the main line sends so often what the hub acknowledges; 0: never

    [[nodiscard]] std::string text() const;
};

/// A device with an AdaptiveHeartbeat on such a path, on a virtual clock, out of one seed.
class PathWorld final : ports::Entropy {
public:
    PathWorld(const PathSpec& spec, const uplink::AdaptiveOptions& options, std::uint64_t seed,
              const std::optional<uplink::PathKnowledge>& known = std::nullopt);

    /// Goes on until so much time has passed since the start.
    void run(Duration until);
    /// The path changes.
    void change(const PathSpec& spec) { spec_ = spec; }

    struct Drop {
        Duration at{};
        uplink::EndCause cause;
        bool by_path = false;  ///< a cut or a lifetime, not one of the other troubles
    };
    [[nodiscard]] const std::vector<Drop>& drops() const { return drops_; }
    [[nodiscard]] std::size_t drops_by_path(Duration from, Duration until) const;
    /// When a limit was learned for the first time.
    [[nodiscard]] std::optional<Duration> learned_after() const { return learned_after_; }
    /// What was known then.
    [[nodiscard]] const uplink::AdaptiveHeartbeat::Report& learned() const { return learned_; }
    [[nodiscard]] uplink::AdaptiveHeartbeat::Report report() const {
        return heartbeat_.report(now_);
    }
    [[nodiscard]] std::optional<uplink::PathKnowledge> knowledge() const {
        return heartbeat_.knowledge(clock());
    }
    [[nodiscard]] uplink::AdaptiveHeartbeat& heartbeat() { return heartbeat_; }
    [[nodiscard]] std::uint64_t beats() const { return beats_; }
    [[nodiscard]] std::uint64_t side_beats() const { return side_beats_; }
    [[nodiscard]] std::uint64_t side_lines() const { return side_lines_; }
    [[nodiscard]] std::uint64_t renewals() const { return renewals_; }
    [[nodiscard]] std::size_t most_side_lines() const { return most_side_lines_; }
    /// The longest time for which the device was without a main line, except in an outage.
    [[nodiscard]] Duration longest_gap() const { return longest_gap_; }

private:
    enum class What : std::uint8_t {
        established,  // at the device
        refused,
        packet_up,  // at the box
        packet_down,
        answer,  // at the device
        end,
        idle_limit,  // in the box
        age_limit,
        data,
        trouble,
        wake,
    };
    enum class Packet : std::uint8_t { ping, speech, data };
    struct Event {
        Instant at{};
        std::uint64_t order = 0;
        What what = What::wake;
        std::size_t line = 0;
        std::uint64_t life = 0;
        Packet packet = Packet::ping;
        uplink::LineEnd end{};
        Instant due{};  ///< of `wake`
        bool operator<(const Event& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    struct Line {
        std::uint64_t life = 0;  ///< counts those that had this number
        bool open = false;
        bool connecting = false;
        bool dropped = false;  ///< the box knows it no more
        bool resets = false;   ///< … and says so to who asks
        bool by_path = false;
        Instant counted{};
        Instant limit = kNever;  ///< when the box will cut it, as things stand
        Instant delivered{};     ///< to the device: in order
    };
    static constexpr std::size_t kMainLine = uplink::kProbeLineNumbers;
    static constexpr std::size_t kCandidateLine =
        kMainLine + 1;  ///< the main line that is to replace the present

    void fill(std::span<std::byte> bytes) override;
    [[nodiscard]] Now clock() const;
    [[nodiscard]] Duration below(Duration limit);
    [[nodiscard]] Duration leg();
    [[nodiscard]] bool in_outage() const;
    [[nodiscard]] bool hub_is_away() const;
    void at(Instant when, Event event);
    void handle(const Event& event);
    void handle_box(const Event& event, Line& line);
    void handle_device(const Event& event, Line& line);
    void trouble();
    void established(std::size_t index);
    void connect(std::size_t index);
    void send(std::size_t index, Packet packet);
    void count(std::size_t index, Line& line);
    void cut(std::size_t index, Line& line, uplink::CutKind kind);
    void main_ended(const uplink::LineEnd& end, bool by_path);
    void turn();
    void act(const uplink::LineAction& action);

    PathSpec spec_;
    std::mt19937_64 random_;
    Instant start_{std::chrono::hours(1)};
    Instant now_ = start_;
    std::uint64_t order_ = 0;
    std::priority_queue<Event> events_;
    std::array<Line, kCandidateLine + 1> lines_{};
    uplink::AdaptiveHeartbeat heartbeat_;
    Instant wake_ = kNever;
    Instant main_gone_ = kNever;
    unsigned failed_tries_ = 0;

    std::vector<Drop> drops_;
    std::optional<Duration> learned_after_;
    uplink::AdaptiveHeartbeat::Report learned_;
    std::uint64_t beats_ = 0, side_beats_ = 0, side_lines_ = 0, renewals_ = 0;
    std::size_t most_side_lines_ = 0;
    Duration longest_gap_{};
};

}  // namespace holdfast::simulation
