#include "firmware/uplink/uplink.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "firmware/base/text.h"

namespace holdfast::uplink {

using journal::Record;

namespace {

/// A hub may not send a device away for longer than this.
constexpr Duration kLongestWait = std::chrono::hours(1);
/// Answers that wait to be sent.
constexpr std::size_t kMostAnswers = 64;

}  // namespace

Uplink::Uplink(journal::Journal& journal, const UplinkOptions& options, ports::Entropy& entropy)
    : journal_(journal),
      consumer_(journal, {.read_bytes = options.read_bytes}),
      options_(options),
      entropy_(entropy),
      backoff_(options.retry_min, options.retry_max),
      heartbeat_(options.heartbeat, options.pong_timeout) {
    if (options.adaptive) {
        adaptive_.emplace(*options.adaptive, entropy);
    }
}

// ---- The life of a line

bool Uplink::connect_due(Instant now) {
    if (state_ != State::waiting || retry_at_ > now) {
        return false;
    }
    state_ = State::connecting;
    since_ = now;
    return true;
}

void Uplink::connected(Instant now) {
    state_ = State::greeting;
    since_ = now;
    beat([&](auto& heartbeat) {
        heartbeat.opened(now);
        heartbeat.sent(now);
    });
    if (!std::exchange(hello_ahead_, false)) {
        greeting_ = hello();
    }
}

Bytes Uplink::hello_ahead() {
    forget_line();
    hello_ahead_ = true;
    return hello();
}

void Uplink::disconnected(const Error& error, Instant now, std::optional<LineEnd> end) {
    tell_heartbeat(end, error, now);
    if (state_ == State::live) {
        live_until_ = now;
        ++reconnects_;
        if (now - since_ >= options_.stable_after) {
            backoff_.reset();
        }
    }
    state_ = State::waiting;
    since_ = now;
    last_error_ = error.message;
    // The jitter also spreads those whom one hub has told the same.
    retry_at_ = now + std::exchange(told_to_wait_, Duration{}) + backoff_.next(entropy_);
    forget_line();
}

void Uplink::renewed(Instant now) {
    backoff_.reset();  // whoever could renew a line had a good one
    live_until_ = now;
    forget_line();
    connected(now);
}

void Uplink::another_way(const Error& error, Instant now) {
    tell_heartbeat(LineEnd{EndKind::ours, 0}, error, now);
    state_ = State::connecting;
    since_ = now;
    last_error_ = error.message;
    forget_line();
}

void Uplink::forget_line() {
    give_up_.reset();
    greeting_.reset();
    hello_ahead_ = false;
    answers_.clear();
    on_line_.clear();
    declared_channels_.clear();
    in_flight_.clear();
    in_flight_bytes_ = 0;
    has_acknowledged_ = false;
    consumer_.rewind();
    pinged_at_ = kNever;
}

void Uplink::tell_heartbeat(std::optional<LineEnd> end, const Error& error, Instant now) {
    if (!adaptive_) {
        return;
    }
    if (state_ == State::connecting) {
        adaptive_->connect_failed();
        return;
    }
    if (give_up_) {
        end = LineEnd{give_up_->code == ErrorCode::refused ? EndKind::goodbye : EndKind::ours, 0};
    } else if (state_ == State::greeting) {
        end = LineEnd{EndKind::ours, 0};  // it never was a line
    }
    const EndKind otherwise =
        error.code == ErrorCode::timeout ? EndKind::unanswered : EndKind::finished;
    adaptive_->ended(end.value_or(LineEnd{otherwise, 0}), now);
}

void Uplink::heard(Instant now) {
    if (pinged_at_ != kNever) {
        round_trip_ = now - pinged_at_;
        pinged_at_ = kNever;
    }
    beat([&](auto& heartbeat) { heartbeat.heard(now, !in_flight_.empty()); });
}

Result<void> Uplink::received(ByteView bytes, Instant now) {
    Result<line::Message> parsed = line::from_wire(bytes);
    if (!parsed) {
        return std::unexpected(std::move(parsed).error());
    }
    const line::Message& message = *parsed;
    if (const auto* hello = std::get_if<line::WelcomeMessage>(&message)) {
        return welcome(*hello, now);
    }
    if (const auto* ack = std::get_if<line::AckMessage>(&message)) {
        return acknowledge(*ack, now);
    }
    if (const auto* refusal = std::get_if<line::RefusalMessage>(&message)) {
        refuse(*refusal);
    } else if (const auto* bye = std::get_if<line::GoodbyeMessage>(&message)) {
        goodbye(*bye);
    } else if (const auto* command = std::get_if<line::CommandMessage>(&message)) {
        return answer({command->id, false, "\"" + command->name + "\" is not known here"});
    } else if (std::holds_alternative<line::UnknownMessage>(message)) {
        return answer({0, false, "this message is not known here"});
    }
    return {};
}

Result<void> Uplink::answer(const line::ResultMessage& message) {
    if (answers_.size() >= kMostAnswers) {
        return fail(ErrorCode::too_large, "the hub asks faster than it takes the answers");
    }
    answers_.push_back(line::to_wire(message));
    return {};
}

Result<void> Uplink::welcome(const line::WelcomeMessage& message, Instant now) {
    if (state_ != State::greeting || greeting_) {
        return fail(ErrorCode::invalid, "Welcome came unasked");
    }
    for (const line::AckMessage& ack : message.acknowledged) {
        if (const auto found = on_line_.find(ack.stream); found != on_line_.end()) {
            found->second = {ack.through, ack.through};
        }
    }
    state_ = State::live;
    since_ = now;
    window_bytes_ = message.window_bytes == 0
                        ? options_.window_bytes
                        : std::min(message.window_bytes, options_.window_bytes);
    if (adaptive_) {
        const Duration advice = std::chrono::milliseconds(message.heartbeat_advice_ms);
        if (const Duration taken = adaptive_->advised(advice); taken != advice) {
            notices_.push_back("the hub advises a heartbeat of " + format_duration(advice) +
                               "; taken as " + format_duration(taken));
        }
    }
    server_time_us_ =
        message.server_time_us == 0 ? std::nullopt : std::optional(message.server_time_us);
    consumer_.rewind();
    last_error_.clear();
    return {};
}

Result<void> Uplink::acknowledge(const line::AckMessage& message, Instant now) {
    const auto found = on_line_.find(message.stream);
    if (state_ != State::live || found == on_line_.end()) {
        return fail(ErrorCode::invalid,
                    "Ack for stream " + std::to_string(message.stream) + ", which is not open");
    }
    OnLine& stream = found->second;
    stream.acknowledged_through = std::max(stream.acknowledged_through, message.through);
    stream.sent_through = std::max(stream.sent_through, message.through);
    std::erase_if(refused_, [&](const auto& range) {
        return std::get<0>(range) == message.stream && std::get<2>(range) <= message.through;
    });
    if (message.stream == journal_.own().id) {
        own_acknowledged_ = stream.acknowledged_through;
    }
    advance(now);
    return {};
}

/// Gives back what the hub has, in the order of positions.
void Uplink::advance(Instant now) {
    while (!in_flight_.empty()) {
        const InFlight& front = in_flight_.front();
        if (front.last_seq > on_line_[front.stream].acknowledged_through) {
            break;
        }
        round_trip_ = now - front.sent_at;
        in_flight_bytes_ -= front.size_bytes;
        has_acknowledged_ = true;
        in_flight_.pop_front();
    }
    if (in_flight_.empty()) {
        beat([](auto& heartbeat) { heartbeat.settled(); });
    }
    consumer_.confirm(in_flight_.empty() ? consumer_.position() : in_flight_.front().position, now);
}

void Uplink::refuse(const line::RefusalMessage& message) {
    notices_.push_back("the hub refused readings from number " + std::to_string(message.first_seq) +
                       " on: " + message.reason);
    for (const InFlight& sent : in_flight_) {
        if (sent.stream == message.stream && sent.first_seq == message.first_seq) {
            refused_.insert({sent.stream, sent.first_seq, sent.last_seq});
        }
    }
    give_up_ = Error{ErrorCode::invalid, "the hub refused a record: " + message.reason};
}

/// Also true where the refused record has since become part of a larger row.
bool Uplink::was_refused(const Record& record) const {
    return std::ranges::any_of(refused_, [&](const auto& range) {
        const auto& [stream, first_seq, last_seq] = range;
        return stream == record.stream && first_seq <= record.last_seq &&
               record.first_seq <= last_seq;
    });
}

void Uplink::goodbye(const line::GoodbyeMessage& message) {
    told_to_wait_ =
        std::min<Duration>(std::chrono::milliseconds(message.retry_after_ms), kLongestWait);
    give_up_ = Error{ErrorCode::refused, "the hub said goodbye: " + message.reason};
}

// ---- Beats, and giving up

bool Uplink::ping_due(Instant now) const {
    return state_ == State::live &&
           beat([&](const auto& heartbeat) { return heartbeat.ping_due(now); });
}

void Uplink::ping_sent(Instant now) {
    beat([&](auto& heartbeat) { heartbeat.ping_sent(now); });
    pinged_at_ = now;
}

void Uplink::leaving(Instant now) {
    beat([&](auto& heartbeat) { heartbeat.leaving(now); });
}

std::optional<Error> Uplink::give_up(Instant now) const {
    if (give_up_) {
        return give_up_;
    }
    if (state_ == State::greeting && since_ + options_.welcome_timeout <= now) {
        return Error{ErrorCode::timeout,
                     "no Welcome from the hub within " + format_duration(options_.welcome_timeout)};
    }
    if (state_ == State::live && beat([&](const auto& heartbeat) { return heartbeat.dead(now); })) {
        return Error{ErrorCode::timeout, "the line is dead: no answer to a ping within " +
                                             format_duration(options_.pong_timeout)};
    }
    return std::nullopt;
}

Instant Uplink::deadline() const {
    switch (state_) {
        case State::waiting:
            return retry_at_;
        case State::connecting:
            return kNever;
        case State::greeting:
            return since_ + options_.welcome_timeout;
        case State::live:
            return std::min(beat([](const auto& heartbeat) { return heartbeat.deadline(); }),
                            consumer_.deadline());
    }
    return kNever;
}

// ---- What is known

std::optional<std::int64_t> Uplink::take_server_time() {
    return std::exchange(server_time_us_, std::nullopt);
}

std::vector<std::string> Uplink::take_notices() {
    return std::exchange(notices_, {});
}

}  // namespace holdfast::uplink
