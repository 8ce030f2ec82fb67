#include "firmware/sockjs/client.h"

#include <algorithm>

#include "firmware/base/text.h"
#include "firmware/http/message.h"
#include "firmware/http/syntax.h"
#include "firmware/sockjs/frames.h"

namespace holdfast::sockjs {
namespace {

std::string session_path(const std::string& prefix, ports::Entropy& entropy) {
    std::string server = std::to_string(entropy.number() % 1000);
    server.insert(0, 3 - server.size(), '0');
    std::array<std::byte, 16> name;
    entropy.fill(name);
    return prefix + "/" + server + "/" + to_hex(name);
}

}  // namespace

Client::Client(ClientOptions options, const ClientLimits& limits, ports::Entropy& entropy,
               Instant now)
    : options_(std::move(options)),
      limits_(limits),
      session_path_(session_path(options_.prefix, entropy)),
      began_at_(now),
      heard_at_(now) {
    if (!options_.greeting.empty()) {
        const GreetingHeader& header = options_.greeting_header;
        goes_ahead_ = !header.name.empty() && !header.taken.empty();
        queue_.push_back(quoted(options_.greeting));
        queued_bytes_ = queue_.back().size();
    }
}

// ---- Requests

std::optional<Client::Request> Client::next_request(Instant now) {
    if (state_ == State::closed) {
        return std::nullopt;
    }
    if (!lane(Lane::receive).response) {
        frame_seen_ = false;
        return request(Lane::receive, options_.streaming ? "/xhr_streaming" : "/xhr", {}, now);
    }
    // Messages can be sent only after the session is open.
    if (state_ == State::open && !queue_.empty() && !lane(Lane::send).response) {
        return request(Lane::send, "/xhr_send", take_queue(), now);
    }
    return std::nullopt;
}

Client::Request Client::request(Lane which, std::string_view path, const std::string& body,
                                Instant now) {
    LaneState& state = lane(which);
    state.fresh = !std::exchange(state.connected, true);
    state.response.emplace(limits_.head_bytes, options_.greeting_header.name);
    state.answer_due = now + options_.answer_timeout +
                       std::chrono::milliseconds(static_cast<std::int64_t>(body.size()));
    std::string out = "POST " + session_path_;
    out.append(path).append(" HTTP/1.1\r\n");
    http::append_header(out, "Host", options_.authority);
    for (const auto& [name, value] : options_.headers) {
        http::append_header(out, name, value);
    }
    if (goes_ahead_) {
        http::append_header(out, options_.greeting_header.name, options_.greeting);
    }
    http::append_header(out, "Content-Type", "text/plain; charset=UTF-8");
    http::append_header(out, "Content-Length", std::to_string(body.size()));
    out += "\r\n";
    out += body;
    return {.lane = which, .fresh = state.fresh, .bytes = std::move(out)};
}

std::string Client::take_queue() {
    std::string body = "[";
    while (!queue_.empty() &&
           (body.size() == 1 || body.size() + queue_.front().size() < limits_.request_bytes)) {
        queued_bytes_ -= queue_.front().size();
        in_flight_bytes_ += queue_.front().size();
        body += queue_.front();
        body.push_back(',');
        queue_.pop_front();
    }
    body.back() = ']';
    return body;
}

Result<void> Client::send(std::string_view text) {
    if (state_ == State::closed) {
        return fail(ErrorCode::closed, "the SockJS session is closed");
    }
    if (!is_utf8(as_bytes(text))) {
        return fail(ErrorCode::invalid, "a SockJS message must be UTF-8");
    }
    std::string message = quoted(text);
    if (queued_bytes_ + message.size() > limits_.queue_bytes) {
        return fail(ErrorCode::full, "more than " + std::to_string(limits_.queue_bytes) +
                                         " bytes wait to be sent by SockJS");
    }
    queued_bytes_ += message.size();
    queue_.push_back(std::move(message));
    return {};
}

void Client::close() {
    state_ = State::closed;
    queue_.clear();
    queued_bytes_ = 0;
}

// ---- Responses

void Client::receive(Lane which, ByteView bytes, Instant now) {
    LaneState& state = lane(which);
    if (state_ == State::closed || bytes.empty()) {
        return;
    }
    if (!state.response) {
        // Bytes without a request: the connection is not used any more.
        state.connected = false;
        return;
    }
    // Answers on the sending lane do not prove that frames arrive on the receiving lane.
    heard_at_ = which == Lane::receive ? now : heard_at_;
    std::string body;
    const Result<bool> whole = state.response->feed(bytes, body);
    if (state.response->head_done() && !status_is_good(which, state.response->status())) {
        return;
    }
    if (goes_ahead_ && state.response->head_done() &&
        state.response->noted() == options_.greeting_header.taken) {
        goes_ahead_ = false;
        queued_bytes_ -= queue_.front().size();
        queue_.pop_front();
    }
    // Frames that arrived before an error are delivered.
    if (which == Lane::receive) {
        take_frames(body);
    }
    if (!whole && state_ != State::closed) {
        fail_with(whole.error().code, answer_to(which) + ": " + whole.error().message);
        return;
    }
    if (state_ != State::closed && *whole) {
        // Bytes after the answer would be taken for the next answer.
        response_is_whole(which, state.response->keep_alive() && bytes.empty());
    }
}

bool Client::status_is_good(Lane which, int status) {
    // A server answers 204. A 200 is another machine's page: the messages have not arrived.
    if (status == (which == Lane::send ? 204 : 200)) {
        return true;
    }
    const std::string said = request_name(which) + " was answered " + std::to_string(status) + " " +
                             std::string(http::reason_phrase(status));
    switch (status) {
        case 401:
        case 407:
            fail_with(ErrorCode::unauthorized, said);
            events_.back().wants_bearer = lane(which).response->wants_bearer();
            break;
        case 403:
            fail_with(ErrorCode::refused, said);
            break;
        case 404:
            fail_with(ErrorCode::not_found,
                      said + (which == Lane::send ? ": the session is gone" : ""));
            break;
        case 413:
            fail_with(ErrorCode::too_large, said);
            break;
        default:
            fail_with(ErrorCode::unsupported, said);
            break;
    }
    return false;
}

void Client::take_frames(std::string_view body) {
    while (!body.empty() && state_ != State::closed) {
        const std::size_t end = body.find('\n');
        const std::size_t size = std::min(end, body.size());
        if (line_.size() + size > limits_.frame_bytes) {
            fail_with(ErrorCode::too_large, answer_to(Lane::receive) + ": a frame is larger than " +
                                                std::to_string(limits_.frame_bytes) + " bytes");
            return;
        }
        // A page in place of our answer is recognised before its end.
        if (line_.empty() &&
            std::string_view("ohamc").find(body.front()) == std::string_view::npos) {
            fail_with(ErrorCode::invalid,
                      answer_to(Lane::receive) +
                          ": what came is no SockJS frame; a proxy may have answered");
            return;
        }
        line_.append(body.substr(0, size));
        body.remove_prefix(std::min(size + 1, body.size()));
        if (end == std::string_view::npos) {
            return;
        }
        take_frame(std::exchange(line_, {}));
    }
}

void Client::take_frame(std::string_view text) {
    Result<ServerFrame> frame = read_server_frame(text, limits_.messages_per_frame);
    if (!frame) {
        fail_with(frame.error().code, answer_to(Lane::receive) + ": " + frame.error().message);
        return;
    }
    const bool prelude = text.size() > 1 && text[0] == 'h';
    frame_seen_ = frame_seen_ || !prelude;
    if (std::holds_alternative<OpenFrame>(*frame)) {
        if (state_ == State::open) {
            fail_with(ErrorCode::not_found, "the server has forgotten the SockJS session");
            return;
        }
        state_ = State::open;
        goes_ahead_ = false;  // the server has not said that it took the message
        events_.push_back({.kind = Event::Kind::opened});
    } else if (auto* const close = std::get_if<CloseFrame>(&*frame)) {
        fail_with(
            ErrorCode::closed,
            "the server closed the session: " + std::to_string(close->code) + " " + close->reason,
            close->code);
    } else if (auto* const messages = std::get_if<MessagesFrame>(&*frame)) {
        if (state_ != State::open) {
            fail_with(ErrorCode::invalid,
                      answer_to(Lane::receive) + ": messages came before the session was open");
            return;
        }
        for (std::string& message : messages->messages) {
            events_.push_back({.kind = Event::Kind::message, .text = std::move(message)});
        }
    }
}

void Client::response_is_whole(Lane which, bool keep_alive) {
    LaneState& state = lane(which);
    state.response.reset();
    state.connected = keep_alive;
    if (which == Lane::send) {
        in_flight_bytes_ = 0;
        return;
    }
    if (!line_.empty()) {
        fail_with(ErrorCode::invalid, answer_to(which) + " ended inside a frame");
    } else if (!frame_seen_) {
        // Polling again without end would only load the network.
        fail_with(ErrorCode::invalid, answer_to(which) + " ended without a frame");
    }
}

void Client::disconnected(Lane which, Instant now, const Error& why) {
    static_cast<void>(now);
    LaneState& state = lane(which);
    state.connected = false;
    if (state_ == State::closed || !state.response) {
        return;
    }
    const bool unanswered = !state.response->begun();
    if (unanswered && !state.fresh && which == Lane::receive) {
        // The server ended the idle connection before our request came: nothing is lost yet.
        state.response.reset();
        return;
    }
    if (unanswered) {
        fail_with(why.code, "in place of " + answer_to(which) + ": " + why.message);
        return;
    }
    if (!state.response->finish()) {
        fail_with(why.code, answer_to(which) + " broke off: " + why.message);
        return;
    }
    response_is_whole(which, false);
}

std::string Client::request_name(Lane which) const {
    return which == Lane::send  ? "SockJS xhr_send"
           : options_.streaming ? "SockJS xhr_streaming"
                                : "SockJS xhr";
}

std::string Client::answer_to(Lane which) const {
    return "the answer to " + request_name(which);
}

void Client::fail_with(ErrorCode error, std::string why, std::uint16_t close_code) {
    close();
    line_.clear();
    events_.push_back({.kind = Event::Kind::closed,
                       .text = std::move(why),
                       .error = error,
                       .close_code = close_code});
}

std::optional<Client::Event> Client::next_event() {
    if (events_.empty()) {
        return std::nullopt;
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
}

// ---- Time

Instant Client::deadline() const {
    if (state_ == State::closed) {
        return kNever;
    }
    Instant due = heard_at_ + options_.silence_timeout;
    if (state_ == State::opening) {
        due = std::min(due, began_at_ + options_.open_timeout);
    }
    if (const LaneState& send = lanes_[static_cast<std::size_t>(Lane::send)]; send.response) {
        due = std::min(due, send.answer_due);
    }
    return due;
}

void Client::tick(Instant now) {
    if (now < deadline()) {
        return;
    }
    if (state_ == State::opening && now >= began_at_ + options_.open_timeout) {
        fail_with(ErrorCode::timeout,
                  "no frame came in time on " + request_name(Lane::receive) +
                      (options_.streaming ? ": a proxy may hold streaming answers back" : ""));
    } else if (lane(Lane::send).response && now >= lane(Lane::send).answer_due) {
        fail_with(ErrorCode::timeout, request_name(Lane::send) + " was not answered in time");
    } else {
        fail_with(ErrorCode::timeout,
                  "the server was silent for too long on " + request_name(Lane::receive));
    }
}

}  // namespace holdfast::sockjs
