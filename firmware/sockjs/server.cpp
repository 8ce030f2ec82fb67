#include "firmware/sockjs/server.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "firmware/base/check.h"
#include "firmware/base/text.h"
#include "firmware/sockjs/frames.h"

namespace holdfast::sockjs {

Server::Server(ServerOptions options, const ServerLimits& limits, ports::Entropy& entropy)
    : options_(std::move(options)), limits_(limits), entropy_(entropy) {
    HOLDFAST_CHECK(options_.heartbeat > Duration() && options_.session_timeout > Duration());
}

Server::~Server() = default;

// ---- Sessions

Server::Session* Server::find(SessionId session) {
    const auto found = sessions_.find(session);
    return found == sessions_.end() ? nullptr : &found->second;
}

Server::Session* Server::find_by_name(std::string_view name) {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : find(found->second);
}

Server::Session& Server::open(std::string name, Transport transport, ExchangeId exchange) {
    const SessionId id = ++last_session_;
    Session& session = sessions_[id];
    session.id = id;
    session.raw = transport == Transport::raw_websocket;
    session.greeted = session.raw;
    if (!name.empty()) {
        names_.emplace(name, id);
        session.name = std::move(name);
    }
    events_.push_back(
        {.kind = Event::Kind::opened, .session = id, .transport = transport, .exchange = exchange});
    return session;
}

void Server::set_deadline(Session& session, Instant at) {
    deadlines_.erase({session.deadline, session.id});
    session.deadline = at;
    if (at != kNever) {
        deadlines_.emplace(at, session.id);
    }
}

void Server::attach(Session& session, ExchangeId exchange, Instant now) {
    session.receiver = exchange;
    // A closed session's time-out is not restarted: a client that goes on polling must not keep the
    // session alive.
    if (!session.closing) {
        set_deadline(session, now + options_.heartbeat);
    }
    mark(session);
}

void Server::detach(Session& session, Instant now) {
    session.receiver.reset();
    if (!session.closing || session.deadline == kNever ||
        session.deadline > now + options_.session_timeout) {
        set_deadline(session, now + options_.session_timeout);
    }
}

void Server::erase(Session& session) {
    set_deadline(session, kNever);
    if (!session.name.empty()) {
        names_.erase(session.name);
    }
    dirty_.erase(session.id);
    sessions_.erase(session.id);
}

Result<void> Server::send(SessionId id, std::string_view text) {
    Session* const session = find(id);
    if (session == nullptr || session->closing) {
        return fail(ErrorCode::not_found, "the SockJS session is closed");
    }
    if (!is_utf8(as_bytes(text))) {
        return fail(ErrorCode::invalid, "a SockJS message must be UTF-8");
    }
    std::string message = session->raw ? std::string(text) : quoted(text);
    if (session->queued_bytes + message.size() > limits_.queue_bytes) {
        return fail(ErrorCode::full, "more than " + std::to_string(limits_.queue_bytes) +
                                         " bytes wait for the SockJS client");
    }
    session->queued_bytes += message.size();
    session->queue.push_back(std::move(message));
    mark(*session);
    return {};
}

void Server::close(SessionId id, std::uint16_t code, std::string_view reason) {
    Session* const session = find(id);
    if (session != nullptr && !session->closing) {
        session->closing = Closing{code, std::string(reason)};
        mark(*session);
    }
}

std::size_t Server::queued_bytes(SessionId session) const {
    const auto found = sessions_.find(session);
    return found == sessions_.end() ? 0 : found->second.queued_bytes;
}

// ---- Connections

bool Server::serves(std::string_view target) const {
    return is_below(target, options_.prefix);
}

void Server::disconnected(ExchangeId id, Instant now) {
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end()) {
        return;
    }
    const bool socket = found->second.socket != nullptr;
    Session* const session = found->second.session ? find(*found->second.session) : nullptr;
    exchanges_.erase(found);
    if (session == nullptr) {
        return;
    }
    const std::uint16_t code = socket ? 1006 : 1002;
    const std::string reason = socket ? "Connection lost" : "Connection interrupted";
    if (!session->closing) {
        session->closing = Closing{code, reason};
        session->queue.clear();
        session->queued_bytes = 0;
        events_.push_back(
            {.kind = Event::Kind::closed, .session = session->id, .text = reason, .code = code});
    }
    if (socket) {
        erase(*session);
    } else {
        detach(*session, now);
    }
}

void Server::hold(ExchangeId id) {
    if (const auto found = exchanges_.find(id); found != exchanges_.end()) {
        found->second.held = true;
    }
}

void Server::go_on(ExchangeId id) {
    const auto found = exchanges_.find(id);
    if (found != exchanges_.end() && std::exchange(found->second.held, false) &&
        found->second.session) {
        dirty_.insert(*found->second.session);
    }
}

// ---- What the caller drains

std::optional<Event> Server::next_event() {
    if (events_.empty()) {
        return std::nullopt;
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::optional<Output> Server::next_output(Instant now) {
    while (!dirty_.empty()) {
        Session* const session = find(*dirty_.begin());
        dirty_.erase(dirty_.begin());
        if (session != nullptr) {
            flush(*session, now);
        }
    }
    if (outputs_.empty()) {
        return std::nullopt;
    }
    Output output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
}

Bytes& Server::output(ExchangeId id, Output::Then then) {
    if (outputs_.empty() || outputs_.back().exchange != id ||
        outputs_.back().then != Output::Then::more) {
        outputs_.push_back({.exchange = id});
    }
    outputs_.back().then = then;
    return outputs_.back().bytes;
}

// ---- Delivering

void Server::flush(Session& session, Instant now) {
    while (flush_one(session, now)) {
    }
}

/// False: there is nothing to deliver, or nobody to deliver it to, or the session is gone.
bool Server::flush_one(Session& session, Instant now) {
    if (!session.receiver) {
        return false;
    }
    const ExchangeId id = *session.receiver;
    Exchange& exchange = exchanges_.at(id);
    const auto* const hixie = std::get_if<HixieConnection>(exchange.socket.get());
    if (exchange.held || (hixie != nullptr && !hixie->ready())) {
        return false;
    }
    if (!std::exchange(session.greeted, true)) {
        std::string frames = "o";
        if (exchange.greets && exchange.transport == Transport::xhr && !session.queue.empty()) {
            frames += "\n" + next_frame(session);
        }
        deliver(id, exchange, std::move(frames), now);
        return true;
    }
    if (!session.queue.empty()) {
        deliver(id, exchange, next_frame(session), now);
        return true;
    }
    if (!session.closing) {
        return false;
    }
    if (exchange.socket) {
        end_socket(id, session, session.closing->code, session.closing->reason, false);
        return false;
    }
    const bool polling = is_polling(exchange.transport);
    deliver(id, exchange, close_frame(session.closing->code, session.closing->reason), now);
    if (!polling && exchanges_.contains(id)) {
        finish(id, now);
    }
    return false;
}

/// Without frames one message; otherwise as many as a response may hold, but at least one.
std::string Server::next_frame(Session& session) const {
    std::vector<std::string> messages;
    std::size_t size = 0;
    do {
        std::string& message = session.queue.front();
        size += message.size();
        session.queued_bytes -= message.size();
        messages.push_back(std::move(message));
        session.queue.pop_front();
    } while (!session.raw && !session.queue.empty() &&
             size + session.queue.front().size() <= limits_.response_bytes);
    return session.raw ? std::move(messages.front()) : messages_frame(messages);
}

/// One piece of a streaming response.
void Server::append_piece(Bytes& out, std::string_view piece, bool chunked) {
    if (!chunked) {
        append(out, piece);
        return;
    }
    std::array<char, 20> size;
    const auto [end, error] =
        std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16);
    append(out, std::string_view(size.data(), end));
    append(out, "\r\n");
    append(out, piece);
    append(out, "\r\n");
}

void Server::deliver(ExchangeId id, Exchange& exchange, std::string frame, Instant now) {
    if (Session* const session = exchange.session ? find(*exchange.session) : nullptr;
        session != nullptr && !session->closing) {
        set_deadline(*session, now + options_.heartbeat);
    }
    if (exchange.socket) {
        Bytes& out = output(id);
        std::visit([&](auto& socket) { static_cast<void>(socket.send_text(frame, out)); },
                   *exchange.socket);
        return;
    }
    const std::string text = wrapped(exchange.transport, std::move(frame), exchange.callback);
    if (is_polling(exchange.transport)) {
        exchange.head.body = text;
        append(output(id), to_wire(exchange.head));
        finish(id, now);
        return;
    }
    append_piece(output(id), text, exchange.chunked);
    exchange.sent_bytes += text.size();
    if (exchange.sent_bytes >= limits_.response_bytes) {
        finish(id, now);
    }
}

/// The response is whole.
void Server::finish(ExchangeId id, Instant now) {
    const auto found = exchanges_.find(id);
    HOLDFAST_CHECK(found != exchanges_.end());
    const Exchange exchange = std::move(found->second);
    exchanges_.erase(found);
    Bytes& out = output(id, exchange.keep_alive ? Output::Then::next_request : Output::Then::end);
    if (exchange.chunked) {
        append(out, "0\r\n\r\n");
    }
    if (Session* const session = exchange.session ? find(*exchange.session) : nullptr) {
        detach(*session, now);
    }
}

// ---- Time

Instant Server::deadline() const {
    return deadlines_.empty() ? kNever : deadlines_.begin()->first;
}

void Server::tick(Instant now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        Session* const session = find(deadlines_.begin()->second);
        HOLDFAST_CHECK(session != nullptr);
        expire(*session, now);
    }
}

void Server::arriving(SessionId id, Instant now) {
    if (Session* const session = find(id); session != nullptr && !session->closing) {
        set_deadline(*session, session->receiver ? now : now + options_.session_timeout);
    }
}

/// A heartbeat is due, or the session's time is over.
void Server::expire(Session& session, Instant now) {
    if (!session.receiver) {
        if (!session.closing) {
            events_.push_back({.kind = Event::Kind::closed,
                               .session = session.id,
                               .text = "no receiver came in time",
                               .code = 1006});
        }
        erase(session);
        return;
    }
    const ExchangeId id = *session.receiver;
    Exchange& exchange = exchanges_.at(id);
    if (session.closing) {
        // The client was told that the session is closed, and does not read it.
        exchange.session.reset();
        output(id, Output::Then::end);
        exchanges_.erase(id);
        erase(session);
        return;
    }
    set_deadline(session, now + options_.heartbeat);
    if (exchange.held) {
        return;
    }
    if (!exchange.socket) {
        deliver(id, exchange, "h", now);
    } else if (std::exchange(exchange.unheard, true)) {
        end_socket(id, session, 1006, "the client was silent for too long", true);
    } else {
        beat(exchange, output(id));
    }
}

}  // namespace holdfast::sockjs
