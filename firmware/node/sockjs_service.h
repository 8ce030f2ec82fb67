#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/http/message.h"
#include "firmware/line/hub_end.h"
#include "firmware/sockjs/server.h"
#include "firmware/websocket/frame.h"

namespace holdfast::node {

class Server;
class Session;

/// SockJS at /sockjs, for devices behind what passes no WebSockets: each of its sessions is a line,
/// with an Envelope in base64 as the text of each message. Owns the lines, and knows which Session
/// of the listener carries which exchange; the Sessions pass on what concerns it.
///
/// What is to be sent is handed to the Sessions in `turn`, after the event that it comes from.
class SockjsService {
public:
    explicit SockjsService(Server& server);
    SockjsService(const SockjsService&) = delete;
    SockjsService& operator=(const SockjsService&) = delete;
    ~SockjsService();

    // ---- For connections

    [[nodiscard]] bool serves(std::string_view target) const { return sockjs_.serves(target); }
    /// A connection that carries SockJS from here on, until `ended`.
    [[nodiscard]] sockjs::ExchangeId begin(Session& session);
    void ended(sockjs::ExchangeId exchange);
    /// How large the body of this request may be; nullopt: as that of any other.
    [[nodiscard]] std::optional<std::size_t> allow_body(sockjs::ExchangeId exchange,
                                                        const http::Request& head);
    /// What that body belongs to has been on its way for long.
    void arriving(sockjs::ExchangeId exchange);
    void request(sockjs::ExchangeId exchange, const http::Request& request);
    void receive(sockjs::ExchangeId exchange, std::span<std::byte> bytes);
    void hold(sockjs::ExchangeId exchange) { sockjs_.hold(exchange); }
    void go_on(sockjs::ExchangeId exchange) { sockjs_.go_on(exchange); }
    /// A line that is up was sent to by this connection, the last time that it was.
    [[nodiscard]] bool keeps(sockjs::ExchangeId exchange) const;

    // ---- For the server

    /// There is room for readings again.
    void go_on();
    /// Does what is due; returns when it wants to be called again at the latest.
    [[nodiscard]] Instant turn(Now now);
    /// Says goodbye to all.
    void stop(const std::string& reason, Duration retry_after);
    [[nodiscard]] std::size_t sessions() const { return sockjs_.sessions(); }

private:
    class Line;
    struct Connection {
        Session* session;
        sockjs::SessionId sends_to = 0;  ///< now, or the last time
    };
    struct Deferred {
        sockjs::ExchangeId exchange;
        http::Request request;
    };

    [[nodiscard]] Line* find(sockjs::SessionId session) const;
    [[nodiscard]] Line* line_of(const http::Request& request) const;
    [[nodiscard]] std::optional<line::Admission> admit(Session& session,
                                                       const http::Request& request,
                                                       Line* line) const;
    void take_events(const std::optional<line::Admission>& admission);
    void open(const sockjs::Event& event, const std::optional<line::Admission>& admission);
    void received(Line& line, std::string_view text, Now now);
    void send(Line& line, ByteView message);
    void close(Line& line, websocket::CloseCode code, const std::string& reason);
    void forget(Line& line);
    void deliver(Instant now);

    Server& server_;
    sockjs::Server sockjs_;
    sockjs::ExchangeId last_exchange_ = 0;
    std::unordered_map<sockjs::ExchangeId, Connection> connections_;
    std::map<sockjs::SessionId, std::unique_ptr<Line>> lines_;
    /// They have ended in this event, and may still be on the stack.
    std::vector<std::unique_ptr<Line>> ended_;
    /// They bring readings, for which there is no room.
    std::deque<Deferred> deferred_;
};

}  // namespace holdfast::node
