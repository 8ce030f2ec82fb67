#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/http/message.h"
#include "firmware/journal/journal.h"
#include "firmware/ports/entropy.h"
#include "firmware/uplink/path/carrier.h"
#include "firmware/uplink/path/ladder.h"
#include "firmware/uplink/uplink.h"
#include "firmware/websocket/deflate.h"

namespace holdfast::uplink {

/// A stream to the hub, by a number that is never used again.
using StreamId = std::uint64_t;

/// How far the bytes of a stream have come since it was opened. Both only grow.
struct Progress {
    std::uint64_t sent_bytes = 0;          ///< given to it, those that wait included
    std::uint64_t acknowledged_bytes = 0;  ///< of those, what the peer's TCP has
};

struct ClientOptions {
    UplinkOptions uplink;
    std::string url;    ///< of the hub, as it was configured: for the log
    http::Url hub;      ///< the same, taken apart; the target "/" means "/v1/uplink"
    std::string proxy;  ///< its authority, for the names of notes; "": there is none
    LadderOptions ladder;
    websocket::DeflatePolicy deflate;
    Duration connect_timeout = std::chrono::seconds(10);  ///< patience with the last path
    Duration message_timeout = std::chrono::minutes(5);
    /// Frames gathered before they are given out as one `send`.
    std::size_t gathered_bytes = 64u << 10;
};

/// What the owner of sockets, log and journal is to do.
struct Action {
    enum class Kind : std::uint8_t {
        open,   ///< a stream to the hub (through the proxy if `proxied`; TLS if the url says so):
                ///< answered by `opened` or `failed`
        send,   ///< `bytes` on `stream`; if it takes no more, tell `congested`
        shut,   ///< send what waits, then end it; nothing is to be told of it any more
        abort,  ///< drop it at once; nothing is to be told of it any more
        log,    ///< `text`, at `level`
        note,   ///< keep `text` under `name` in the journal, for `remember` at the next start
        told,   ///< the hub's clock says `server_time_us`
    };
    enum class Level : std::uint8_t { debug, info, warning };

    Kind kind = Kind::open;
    StreamId stream = 0;
    bool proxied = false;
    SharedBytes bytes = nullptr;  ///< of `send`, never null there
    Level level = Level::info;
    std::string name = {};
    std::string text = {};
    std::int64_t server_time_us = 0;
};

/// The client, whole, without input and output: the life of the main line (`engine`), the ladder of
/// paths, the main line, the candidate line to which it moves, and the probe lines of the adaptive
/// heartbeat. Its main states are those of `states.h`. Lives as long as the node. Real sockets
/// (firmware/app) and the simulation serve it alike.
///
/// After every call the owner calls `turn`, then drains `next_action`; and again at `deadline()`.
/// What is to be read from the store it asks `engine()` for, as ever.
class Client {
public:
    Client(journal::Journal& journal, const ClientOptions& options, ports::Entropy& entropy);
    ~Client();

    /// A note that was kept; at the start.
    void remember(std::string_view name, std::string_view text);
    /// The name of the network this node is on (interface and gateway's hardware address); to be
    /// told before each `turn` in which no line is up. Another name: another ladder, another
    /// heartbeat.
    void on_network(std::string_view network, Now now);

    // ---- Streams

    /// `authorization`: the header's value for what is sent on it, "" for none.
    void opened(StreamId stream, std::string peer, const std::string& authorization, Now now);
    void failed(StreamId stream, const Error& error, Now now);
    void received(StreamId stream, std::span<std::byte> bytes, Now now);
    /// The stream ended by itself. closed: by FIN; io: by RST; timeout.
    void ended(StreamId stream, const Error& error, Now now);
    void congested(StreamId stream);
    void writable(StreamId stream);
    /// The stream on which a ping waits for its answer, 0: none. The owner tells its `progress`
    /// before each `turn`, and again when it has served the actions: on a slow line the ping's time
    /// begins when what stands before it has left.
    [[nodiscard]] StreamId awaited() const;
    void progress(StreamId stream, Progress progress, Now now);

    // ---- Doing

    void turn(Now now);
    [[nodiscard]] std::optional<Action> next_action();
    [[nodiscard]] Instant deadline() const;
    /// Closes everything with 1001; no further tries.
    void stop(Now now);

    // ---- What is known

    [[nodiscard]] Uplink& engine() { return engine_; }
    [[nodiscard]] const Uplink& engine() const { return engine_; }
    /// Of the line that is up, or of the try.
    [[nodiscard]] Path path() const;

private:
    /// A slot's line: its carrier, and the streams below it.
    struct Line;
    /// Slots: the main line; the candidate line, to which it moves, or which is tried beside it
    /// while it gives no sign; the probe lines.
    static constexpr std::size_t kMainLine = 0;
    static constexpr std::size_t kCandidateLine = 1;
    static constexpr std::size_t kFirstProbeLine = 2;
    static constexpr std::size_t kSlots = kFirstProbeLine + kProbeLineNumbers;
    /// A probe line is silent for no longer than that.
    static constexpr Duration kLongestProbeLine = std::chrono::minutes(35);

    // client_lines.cpp: slots, streams and carriers
    void open_line(std::size_t slot, Path path, Now now);
    void drop_line(std::size_t slot, websocket::CloseCode code, std::string_view reason, Now now);
    [[nodiscard]] std::pair<std::size_t, Lane> find(StreamId stream) const;
    void drain(std::size_t slot, Now now);
    void happened(std::size_t slot, const Carrier::Event& event, Now now);
    void take_orders(std::size_t slot, Now now);
    void leave_deaf_hub(std::size_t slot, Now now);

    // client_race.cpp: the line that is tried beside one that gives no sign
    [[nodiscard]] bool is_race() const;
    [[nodiscard]] Instant race_at() const;
    void race_due(Now now);
    void lose_race(Now now);
    void raced_happened(const Carrier::Event& event, Now now);

    // client.cpp: what they mean; client_heartbeat.cpp: notes, beats, probe lines
    void open_main(Now now);
    void main_happened(const Carrier::Event& event, Now now);
    void message_came(ByteView payload, Now now);
    void end_main(Error error, websocket::CloseCode code, LineEnd end, Trouble trouble, Now now);
    void candidate_happened(const Carrier::Event& event, Now now);
    void move_to_candidate(Now now);
    void probe_happened(std::size_t side, const Carrier::Event& event, Now now);
    void live();
    void worked(Now now);
    void send_due(Now now);
    void beat(Line& line, Now now);
    [[nodiscard]] bool is_news(const Line& line) const;
    void announce(Line& line);
    void probe_lines_due(Now now);
    void trial_due(Now now);
    void note_heartbeat(Now now);
    void use_heartbeat_of(Path path, Now now);
    [[nodiscard]] Duration silence() const;
    [[nodiscard]] bool is_stopped() const { return engine_.state() == State::stopped; }
    [[nodiscard]] bool is_live() const { return engine_.state() == Uplink::State::live; }
    [[nodiscard]] std::string ladder_note() const;
    [[nodiscard]] std::string heartbeat_note(Path path) const;
    void keep(const std::string& name, const std::string& text);
    void log(Action::Level level, std::string text);
    void log_failure(const Error& error, const std::string& what_follows);

    ClientOptions options_;
    ports::Entropy& entropy_;
    websocket::DeflateContexts deflate_contexts_;
    Uplink engine_;
    Ladder ladder_;
    std::map<std::string, std::string, std::less<>> notes_;
    std::optional<std::string> network_;

    std::array<std::unique_ptr<Line>, kSlots> lines_;
    StreamId last_stream_ = 0;
    std::string heartbeat_of_;  ///< the note of what the adaptive heartbeat knows
    std::optional<PathKnowledge> written_;
    bool renewal_failed_ = false;  ///< of the present main line
    bool is_trial_ = false;        ///< the line at kCandidateLine tries a better path
    bool was_live_ = false;        ///< the main line has had its Welcome
    int fruitless_ = 0;            ///< lines in a row that ended with nothing acknowledged
    bool moved_ = false;           ///< the main line was a next one, and has had no Welcome yet
    bool more_ = false;            ///< there is more to send than one turn gives out
    std::deque<Action> actions_;
    std::optional<Error> first_error_;  ///< of the present round of the ladder
    std::vector<std::string> logged_;   ///< failures that were logged in full
};

}  // namespace holdfast::uplink
