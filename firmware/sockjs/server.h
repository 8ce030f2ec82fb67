#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/http/message.h"
#include "firmware/ports/entropy.h"
#include "firmware/sockjs/frames.h"
#include "firmware/sockjs/hixie.h"
#include "firmware/sockjs/route.h"
#include "firmware/websocket/connection.h"

namespace holdfast::sockjs {

struct ServerOptions {
    std::string prefix;          ///< "/echo": no slash at its end
    bool websocket = true;       ///< false: both WebSocket addresses are 404
    bool cookie_needed = false;  ///< JSESSIONID, for load balancers
    bool hixie76 = false;        ///< also the WebSocket of 2010
    bool tls = false;            ///< clients see us as wss; hixie-76 states it in its answer
    std::string client_script = "/sockjs.min.js";  ///< the address of sockjs-client, for the iframe
    /// As in websocket::ServerPolicy: "*" allows all. A request without Origin is not from a
    /// browser and is allowed.
    std::vector<std::string> allowed_origins = {};
    bool allow_same_origin = true;
    /// The message is reported right after `opened`; one that is not an Envelope is ignored. If the
    /// application answers before it takes the outputs, the answer is part of the first response,
    /// also by xhr: there in a line of its own after `o`.
    GreetingHeader greeting_header = {};
    Duration heartbeat = std::chrono::seconds(25);
    Duration session_timeout = std::chrono::seconds(5);  ///< without a receiver
};

struct ServerLimits {
    /// A streaming response of this length ends, and no frame adds another message beyond it.
    std::size_t response_bytes = 128u << 10;
    std::size_t queue_bytes = 1u << 20;    ///< quoted messages that wait for a receiver
    std::size_t payload_bytes = 1u << 20;  ///< one request's messages, or one WebSocket message
    std::size_t messages_per_payload = 16'384;
    std::size_t sessions = 10'000;
    std::size_t session_name_bytes = 128;
    std::size_t callback_bytes = 128;
};

/// One connection, by a number that the caller gives it. It carries one request at a time.
using ExchangeId = std::uint64_t;
using SessionId = std::uint64_t;

/// An event for the application.
struct Event {
    enum class Kind : std::uint8_t {
        opened,
        message,  ///< `text`
        closed,   ///< by the client, by time or by an error: `code`, and the reason in `text`.
                  ///< Not told after the application's own `close`.
    };
    Kind kind;
    SessionId session = 0;
    std::string text = {};
    std::uint16_t code = 0;
    Transport transport = Transport::xhr;  ///< on which it was opened
    ExchangeId exchange = 0;               ///< of the request that opened it
};

/// What is to be written to a connection.
struct Output {
    enum class Then : std::uint8_t {
        more,          ///< the response goes on
        next_request,  ///< it is complete; another request may follow
        socket,        ///< from now on the peer's bytes go to `Server::receive`
        end,           ///< the connection is to be shut down
    };
    ExchangeId exchange = 0;
    Bytes bytes = {};
    Then then = Then::more;
};

/// One SockJS service (protocol 0.3.3), server's side, without sockets or clocks. Sessions live
/// here, across the connections that serve them; so all connections of one service belong to one
/// Server, on one thread.
///
/// The caller passes requests, bytes of sockets and ends of connections in. Then it takes all
/// events from `next_event`, and may answer with `send` and `close`; then all outputs from
/// `next_output`. It calls `tick` at `deadline()`. There are no callbacks.
class Server {
public:
    /// `entropy` is for `/info`, and must outlive the server.
    Server(ServerOptions options, const ServerLimits& limits, ports::Entropy& entropy);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // ---- Connections

    /// The target is this service's: pass the request to `request`.
    [[nodiscard]] bool serves(std::string_view target) const;
    /// The request would open a session: the caller can refuse the client before.
    [[nodiscard]] bool opens_session(const http::Request& request) const;
    /// The session that the request names, if it exists.
    [[nodiscard]] std::optional<SessionId> session_of(const http::Request& request) const;
    /// The request brings messages (xhr_send, jsonp_send): its body may be large.
    [[nodiscard]] bool brings_messages(const http::Request& request) const;
    /// A request has come on a connection whose earlier ones have been answered.
    void request(ExchangeId id, const http::Request& request, Now now);
    /// Bytes of a connection that has become a socket; unmasked in place.
    void receive(ExchangeId id, std::span<std::byte> bytes, Instant now);
    /// The connection ended, or the client has ended its side of it. A response under way is lost,
    /// and its session with it (1002), since nobody knows how much of it has arrived.
    void disconnected(ExchangeId id, Instant now);
    /// The connection's stream is full: messages wait in their session's queue until `go_on`.
    void hold(ExchangeId id);
    void go_on(ExchangeId id);

    [[nodiscard]] std::optional<Event> next_event();
    [[nodiscard]] std::optional<Output> next_output(Instant now);
    [[nodiscard]] Instant deadline() const;
    void tick(Instant now);

    // ---- Sessions

    /// The body of a request with messages has been arriving for a while. Sends a heartbeat at
    /// once, because some middleboxes count only our traffic. Without a receiver, restarts the
    /// session's time-out.
    void arriving(SessionId id, Instant now);
    /// Errors: not_found (there is no such session, or it was closed), invalid (not UTF-8), full
    /// (`queue_bytes` would be exceeded). Nothing is queued then; the session stays as it is.
    [[nodiscard]] Result<void> send(SessionId id, std::string_view text);
    /// Messages that were sent before are delivered first, then the close. A session that does not
    /// exist is no error.
    void close(SessionId id, std::uint16_t code, std::string_view reason);
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
    /// Bytes that wait for a receiver; 0 for a session that does not exist.
    [[nodiscard]] std::size_t queued_bytes(SessionId session) const;

private:
    using Socket = std::variant<websocket::Connection, HixieConnection>;

    struct Closing {
        std::uint16_t code;
        std::string reason;
    };
    struct Session {
        SessionId id = 0;
        std::string name;  ///< "" on a socket: such sessions cannot be found by their names
        std::optional<ExchangeId> receiver;
        bool raw = false;
        bool greeted = false;
        std::deque<std::string> queue;  ///< quoted, unless `raw`
        std::size_t queued_bytes = 0;
        std::optional<Closing> closing;
        Instant deadline = kNever;  ///< heartbeat, or the end
    };
    /// A response under way, or a socket.
    struct Exchange {
        Transport transport = Transport::xhr;
        std::optional<SessionId> session;  ///< nullopt: it is refused, as a second receiver
        bool keep_alive = false;
        bool chunked = false;
        bool held = false;
        bool unheard = false;  ///< since the last heartbeat on a socket
        bool greets = false;   ///< its request carried the session's first message
        std::size_t sent_bytes = 0;
        std::string callback;
        http::Response head;  ///< of a polling response, until it is complete
        std::unique_ptr<Socket> socket;
    };

    // server_requests.cpp
    void respond(ExchangeId id, http::Response response, const http::Request& request);
    void refuse(ExchangeId id, int status, std::string_view text, const http::Request& request);
    [[nodiscard]] bool origin_allowed(const http::Request& request) const;
    void page(ExchangeId id, Endpoint endpoint, const http::Request& request, Now now);
    void request_receive(ExchangeId id, const Route& route, const http::Request& request, Now now);
    [[nodiscard]] std::string_view greeting_of(const http::Request& request,
                                               Transport transport) const;
    void request_send(ExchangeId id, const Route& route, const http::Request& request);
    void begin_receiving(ExchangeId id, Exchange exchange, const http::Request& request);
    [[nodiscard]] http::Response session_response(const http::Request& request) const;

    // server_sockets.cpp
    void request_socket(ExchangeId id, Transport transport, const http::Request& original,
                        Instant now);
    void begin_socket(ExchangeId id, Transport transport, const http::Response& response,
                      Socket socket, Instant now);
    [[nodiscard]] bool socket_event(Exchange& exchange, Session& session,
                                    const websocket::Event& event, Bytes& out);
    void beat(Exchange& exchange, Bytes& out) const;
    void end_socket(ExchangeId id, Session& session, std::uint16_t code, std::string_view reason,
                    bool tell);

    // server.cpp
    Session& open(std::string name, Transport transport, ExchangeId exchange);
    Session* find(SessionId session);
    Session* find_by_name(std::string_view name);
    void attach(Session& session, ExchangeId exchange, Instant now);
    void detach(Session& session, Instant now);
    void set_deadline(Session& session, Instant at);
    void erase(Session& session);
    void mark(Session& session) { dirty_.insert(session.id); }
    void flush(Session& session, Instant now);
    [[nodiscard]] bool flush_one(Session& session, Instant now);
    [[nodiscard]] std::string next_frame(Session& session) const;
    static void append_piece(Bytes& out, std::string_view piece, bool chunked);
    void deliver(ExchangeId id, Exchange& exchange, std::string frame, Instant now);
    void finish(ExchangeId id, Instant now);
    void expire(Session& session, Instant now);
    Bytes& output(ExchangeId id, Output::Then then = Output::Then::more);

    ServerOptions options_;
    ServerLimits limits_;
    ports::Entropy& entropy_;
    SessionId last_session_ = 0;
    std::unordered_map<SessionId, Session> sessions_;
    std::map<std::string, SessionId, std::less<>> names_;
    std::unordered_map<ExchangeId, Exchange> exchanges_;
    std::set<std::pair<Instant, SessionId>> deadlines_;
    std::set<SessionId> dirty_;  ///< something may be delivered
    std::deque<Event> events_;
    std::deque<Output> outputs_;
};

}  // namespace holdfast::sockjs
