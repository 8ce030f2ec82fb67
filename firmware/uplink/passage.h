#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/entropy.h"
#include "firmware/base/error.h"
#include "firmware/http/message.h"
#include "firmware/sockjs/client.h"
#include "firmware/uplink/ladder.h"
#include "firmware/uplink/path.h"
#include "firmware/uplink/side_line.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::uplink {

/// The streams of one passage: a WebSocket has the first only, SockJS receives on the first and
/// sends on the second.
enum class Lane : std::uint8_t { receive, send };
inline constexpr std::size_t kLanes = 2;

struct PassageOptions {
    http::Url hub;
    Path path;
    std::vector<std::pair<std::string, std::string>> headers = {};  ///< Authorization, User-Agent
    websocket::DeflatePolicy deflate = {};
    std::uint64_t message_size_bytes = 1u << 20;
    /// Until there is a sign that bytes pass: the pong of the first ping, SockJS's first frame.
    Duration patience = std::chrono::seconds(10);
    /// From the first byte of a hub's message to its last.
    Duration message_timeout = std::chrono::minutes(5);
    /// What the first ping tells the hub: how long this line may be silent.
    Duration silence = std::chrono::seconds(25);
};

/// One line's way to the hub over a path: from established streams to messages, by WebSocket or by
/// SockJS. Without sockets and clocks.
///
/// The owner drains `next_order` and serves it, tells what became of the streams, drains
/// `next_event` after every call, and calls `tick` at `deadline()`.
class Passage {
public:
    Passage(PassageOptions options, Entropy& entropy, websocket::DeflateContexts& contexts,
            Instant now);

    // ---- Streams

    struct Order {
        enum class Kind : std::uint8_t {
            open,   ///< a stream to the hub over the path; an older one of that lane is dropped
            send,   ///< `bytes`
            shut,   ///< send what waits, then end: no event of this lane may follow
            abort,  ///< drop it at once: no event of this lane may follow
        };
        Kind kind = Kind::open;
        Lane lane = Lane::receive;
        Bytes bytes = {};
    };
    [[nodiscard]] std::optional<Order> next_order();

    void opened(Lane lane, Instant now);
    /// `bytes` may be changed; they must stay until `next_event` gave nullopt.
    void received(Lane lane, std::span<std::byte> bytes, Instant now);
    /// The stream ended, or did not come about. closed: by FIN; io: by RST.
    void ended(Lane lane, const Error& error, Instant now);

    // ---- What happened

    struct Event {
        enum class Kind : std::uint8_t {
            up,       ///< 101, or SockJS's first frame: messages may be sent
            passes,   ///< bytes come through after that; once
            heard,    ///< bytes came from the hub
            message,  ///< `payload`, valid until the next call
            pong,     ///< the answer to `ping`
            ended,    ///< `error`; nothing more will happen
        };
        Kind kind;
        ByteView payload = {};
        Error error = {ErrorCode::closed, ""};
        LineEnd end = {};                    ///< of `ended`, how it was
        Trouble trouble = Trouble::passage;  ///< of `ended` before `passes`: where
    };
    [[nodiscard]] std::optional<Event> next_event();

    // ---- What to do on it, after `up`

    void send(ByteView head, ByteView body, websocket::Compression compression);
    /// `silence`: the hub is told how long this line may be silent from now on. On SockJS an empty
    /// Envelope, which the hub answers.
    void ping(std::optional<Duration> silence);
    /// Bytes that nobody answers: an unsolicited Pong. On SockJS nothing.
    void speak();
    /// Ends it, in order if it can be. No event follows.
    void close(websocket::CloseCode code, std::string_view reason);
    /// Ends it at once.
    void abort();

    [[nodiscard]] Path path() const { return options_.path; }
    [[nodiscard]] bool is_up() const { return up_; }
    [[nodiscard]] Instant deadline() const;
    void tick(Instant now);

private:
    PassageOptions options_;
    bool up_ = false;
};

}  // namespace holdfast::uplink
