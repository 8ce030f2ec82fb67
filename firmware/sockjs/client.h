#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/ports/entropy.h"
#include "firmware/sockjs/frames.h"
#include "firmware/sockjs/response_stream.h"

namespace holdfast::sockjs {

struct ClientOptions {
    std::string authority;  ///< the Host header: "hub.example.com"
    std::string prefix;     ///< "/sockjs"
    bool streaming = true;  ///< xhr_streaming; else xhr, one response after the other
    std::vector<std::pair<std::string, std::string>> headers = {};  ///< Authorization, User-Agent
    /// The first message, sent in a header of the request that opens the session. If the server
    /// does not say that it took the message, it is sent again like any other. Characters that a
    /// header may hold; "" for none.
    std::string greeting = {};
    GreetingHeader greeting_header = {};
    Duration open_timeout = std::chrono::seconds(10);  ///< for the first frame
    /// How long the receiving lane may be without a byte; the server's heartbeat comes every 25 s.
    Duration silence_timeout = std::chrono::seconds(60);
    /// For the answer to a request that sends; for each byte sent 1 ms is added, as at 1 KB/s.
    Duration answer_timeout = std::chrono::seconds(30);
};

struct ClientLimits {
    std::size_t head_bytes = 16u << 10;
    std::size_t frame_bytes = 2u << 20;  ///< one frame of the server
    std::size_t messages_per_frame = 65'536;
    std::size_t queue_bytes = 16u << 20;  ///< quoted messages that wait to be sent
    /// A request carries messages up to this size, but at least one message.
    std::size_t request_bytes = 256u << 10;
};

/// One SockJS session, client's side, by xhr_streaming or xhr, and xhr_send: without sockets or
/// clocks. Two lanes, a connection each: one receives, one sends. Messages arrive in order, each
/// once, until the session ends. A message that was sent but not answered then may or may not have
/// arrived.
///
/// The caller writes what `next_request` returns, passes received bytes and ends of connections in,
/// takes all events from `next_event`, and calls `tick` at `deadline()`. When the session is over,
/// the caller closes both connections. There are no callbacks.
class Client {
public:
    enum class Lane : std::uint8_t { receive, send };

    /// The session's name is drawn from `entropy`: a client that knows the name could take the
    /// session over.
    Client(ClientOptions options, const ClientLimits& limits, ports::Entropy& entropy, Instant now);

    struct Request {
        Lane lane;
        bool fresh;  ///< on a new connection, in place of the lane's old one, if there is one
        std::string bytes;
    };
    [[nodiscard]] std::optional<Request> next_request(Instant now);
    void receive(Lane which, ByteView bytes, Instant now);
    /// The lane's connection ended, or could not be opened; `why` is the reason.
    void disconnected(Lane which, Instant now,
                      const Error& why = {ErrorCode::closed, "the connection ended"});

    /// What happened. `closed` is the last event.
    struct Event {
        enum class Kind : std::uint8_t { opened, message, closed };
        Kind kind;
        std::string text = {};  ///< the message; or why the session ended, and by which request
        /// Of `closed`. closed: the server closed the session (`close_code` is not 0). A code that
        /// `disconnected` was given, such as io or timeout: a connection was lost. not_found,
        /// unauthorized, refused, unsupported: the status of an answer. invalid: an answer is not
        /// SockJS. too_large: a limit. timeout: silence.
        ErrorCode error = ErrorCode::closed;
        std::uint16_t close_code = 0;
        bool wants_bearer = false;  ///< of `unauthorized`: the answer asks for a Bearer token
    };
    [[nodiscard]] std::optional<Event> next_event();

    /// May be called before `opened`. Errors: closed, full, invalid (not UTF-8). Nothing is queued
    /// then.
    [[nodiscard]] Result<void> send(std::string_view text);
    /// SockJS has no message for it: the server only sees that the receiving connection ends.
    void close();

    [[nodiscard]] bool is_open() const { return state_ == State::open; }
    [[nodiscard]] bool is_closed() const { return state_ == State::closed; }
    /// Sent and not answered, or not sent yet.
    [[nodiscard]] std::size_t unsent_bytes() const { return queued_bytes_ + in_flight_bytes_; }
    /// "the answer to SockJS xhr_send", for messages.
    [[nodiscard]] std::string answer_to(Lane which) const;
    /// When a byte came last on the receiving lane.
    [[nodiscard]] Instant heard_at() const { return heard_at_; }

    [[nodiscard]] Instant deadline() const;
    void tick(Instant now);

private:
    enum class State : std::uint8_t { opening, open, closed };
    struct LaneState {
        bool connected = false;  ///< there is a connection that may carry another request
        bool fresh = false;      ///< the request under way is the connection's first
        std::optional<ResponseStream> response;  ///< while a request is under way
        Instant answer_due{};
    };

    [[nodiscard]] LaneState& lane(Lane which) { return lanes_[static_cast<std::size_t>(which)]; }
    [[nodiscard]] Request request(Lane which, std::string_view path, const std::string& body,
                                  Instant now);
    [[nodiscard]] std::string take_queue();
    [[nodiscard]] bool status_is_good(Lane which, int status);
    void take_frames(std::string_view body);
    void take_frame(std::string_view text);
    void response_is_whole(Lane which, bool keep_alive);
    [[nodiscard]] std::string request_name(Lane which) const;
    void fail_with(ErrorCode error, std::string why, std::uint16_t close_code = 0);

    ClientOptions options_;
    ClientLimits limits_;
    State state_ = State::opening;
    std::string session_path_;  ///< "/sockjs/123/abc"
    std::array<LaneState, 2> lanes_;
    std::string line_;         ///< the beginning of an unfinished frame
    bool frame_seen_ = false;  ///< in the present response
    bool goes_ahead_ = false;  ///< the queue's first message was sent in the header, and not yet
                               ///< taken
    std::deque<std::string> queue_;
    std::size_t queued_bytes_ = 0;
    std::size_t in_flight_bytes_ = 0;
    std::deque<Event> events_;
    Instant began_at_;
    Instant heard_at_;
};

}  // namespace holdfast::sockjs
