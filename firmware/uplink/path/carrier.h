#pragma once

#include <cstddef>
#include <cstdint>
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
#include "firmware/ports/entropy.h"
#include "firmware/uplink/path/ladder.h"
#include "firmware/uplink/path/line_end.h"
#include "firmware/uplink/path/path.h"
#include "firmware/websocket/connection.h"

namespace holdfast::uplink {

/// The streams of a carrier: a WebSocket has the first only, and sends on it, too; SockJS
/// receives on the first and sends on the second.
enum class Lane : std::uint8_t { receive, send };
inline constexpr std::size_t kLanes = 2;

struct CarrierOptions {
    http::Url hub;
    Path path;
    std::string user_agent = {};
    websocket::DeflatePolicy deflate = {};
    std::uint64_t message_size_bytes = 1u << 20;
    /// For each answer until there is a sign that bytes pass (the pong of the first ping, SockJS's
    /// first frame); three times what the connecting took is added.
    Duration patience = std::chrono::seconds(10);
    /// From the first byte of a hub's message to its last.
    Duration message_timeout = std::chrono::minutes(5);
    /// What the first ping tells the hub: how long this line may be silent.
    Duration silence = std::chrono::seconds(25);
};

/// What carries one line over a path: a WebSocket or a SockJS session, from established streams to
/// messages. Without sockets and clocks.
///
/// The owner drains `next_order` and serves it, tells what became of the streams, drains
/// `next_event` after every call, and calls `tick` at `deadline()`.
class Carrier {
public:
    virtual ~Carrier() = default;
    Carrier(const Carrier&) = delete;
    Carrier& operator=(const Carrier&) = delete;

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
    [[nodiscard]] virtual std::optional<Order> next_order(Instant now) = 0;

    /// The first message: sent along with the handshake where that can be, else as soon as the
    /// carrier is up. Before `opened` of the receiving lane, or not at all.
    virtual void greet(Bytes hello) = 0;
    /// `authorization`: the header's value, "" for none; that of the first stream counts.
    virtual void opened(Lane lane, const std::string& authorization, Instant now) = 0;
    /// `bytes` may be changed; they must stay until `next_event` gave nullopt.
    virtual void received(Lane lane, std::span<std::byte> bytes, Instant now) = 0;
    /// The stream ended, or did not come about. closed: by FIN; io: by RST.
    virtual void ended(Lane lane, const Error& error, Instant now) = 0;

    // ---- What happened

    struct Event {
        enum class Kind : std::uint8_t {
            up,       ///< 101, or SockJS's first frame: messages may be sent
            passes,   ///< what was sent after that has been answered; once
            message,  ///< `payload`, valid until the next call
            pong,     ///< the answer to `ping`
            ended,    ///< `error`; nothing more will happen
        };
        Kind kind;
        ByteView payload = {};
        Error error = {ErrorCode::closed, ""};
        LineEnd end = {};                      ///< of `ended`, how it was
        Trouble trouble = Trouble::transport;  ///< of `ended`, what it says of the path
    };
    [[nodiscard]] virtual std::optional<Event> next_event(Instant now) = 0;

    // ---- What to do on it, between `up` and `ended`

    virtual void send(ByteView head, ByteView body, websocket::Compression compression) = 0;
    /// `silence`: the hub is told how long this line may be silent from now on. On SockJS an empty
    /// Envelope, which the hub answers.
    virtual void ping(std::optional<Duration> silence) = 0;
    /// Bytes that nobody answers: an unsolicited Pong. On SockJS nothing.
    virtual void speak() = 0;
    /// Ends it, in order if it can be; at any time. Nothing more happens.
    virtual void close(websocket::CloseCode code, std::string_view reason) = 0;
    /// Ends it at once.
    virtual void abort() = 0;

    /// Given to `send` and not yet taken by `next_order`.
    [[nodiscard]] virtual std::size_t gathered_bytes() const = 0;
    [[nodiscard]] virtual Instant deadline() const = 0;
    virtual void tick(Instant now) = 0;
    /// Patience is over: if there was no sign yet that bytes pass, it ends as by time-out.
    virtual void give_up(Instant now) = 0;

protected:
    Carrier() = default;
};

/// How a line ended whose stream ended with this error: io is an RST, timeout an answer that did
/// not come, all else counts as a FIN.
[[nodiscard]] LineEnd end_of_stream(ErrorCode code);

[[nodiscard]] std::unique_ptr<Carrier> make_carrier(CarrierOptions options, ports::Entropy& entropy,
                                                    websocket::DeflateContexts& contexts,
                                                    Instant now);

}  // namespace holdfast::uplink
