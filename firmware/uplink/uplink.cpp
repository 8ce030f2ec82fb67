#include "firmware/uplink/uplink.h"

#include <algorithm>
#include <utility>

#include "firmware/base/text.h"

namespace holdfast::uplink {

using line::DeviceEnd;

namespace {

/// A hub may not send a device away for longer than this.
constexpr Duration kLongestWait = std::chrono::hours(1);

}  // namespace

Uplink::Uplink(journal::Journal& journal, const UplinkOptions& options, ports::Entropy& entropy)
    : line_(journal, options),
      options_(options),
      entropy_(entropy),
      backoff_(options.retry_min, options.retry_max),
      heartbeat_(options.heartbeat, options.pong_timeout) {
    if (options.adaptive) {
        adaptive_.emplace(*options.adaptive, entropy);
    }
}

// ---- The life of a line

Result<void> Uplink::change(Event event, Instant now) {
    const Result<State> after = next(state_, event);
    if (!after) {
        return std::unexpected(after.error());
    }
    state_ = *after;
    since_ = now;
    return {};
}

/// For events that this node itself brings about.
bool Uplink::change_or_give_up(Event event, Instant now) {
    const Result<void> changed = change(event, now);
    if (!changed) {
        notices_.push_back(changed.error().message);
        give_up_ = changed.error();
    }
    return changed.has_value();
}

bool Uplink::connect_due(Instant now) {
    if (state_ != State::waiting || retry_at_ > now) {
        return false;
    }
    return change_or_give_up(Event::try_due, now);
}

void Uplink::connected(Instant now) {
    if (change_or_give_up(Event::connected, now)) {
        greet(now);
    }
}

void Uplink::greet(Instant now) {
    beat([&](auto& heartbeat) {
        heartbeat.opened(now);
        heartbeat.sent(now);
    });
    line_.begin();
}

Bytes Uplink::hello_ahead() {
    forget_line();
    return line_.hello_ahead();
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
    forget_line();
    (void)change_or_give_up(Event::ended, now);
    last_error_ = error.message;
    // The jitter also spreads those whom one hub has told the same.
    retry_at_ = now + std::exchange(told_to_wait_, Duration{}) + backoff_.next(entropy_);
}

void Uplink::renewed(Instant now) {
    backoff_.reset();  // whoever could renew a line had a good one
    live_until_ = now;
    forget_line();
    if (change_or_give_up(Event::moved, now)) {
        greet(now);
    }
}

void Uplink::another_path(const Error& error, Instant now) {
    tell_heartbeat(LineEnd{EndKind::ours, 0}, error, now);
    forget_line();
    (void)change_or_give_up(Event::path_failed, now);
    last_error_ = error.message;
}

void Uplink::stop(Instant now) {
    const Error error{ErrorCode::closed, "this node stops"};
    tell_heartbeat(LineEnd{EndKind::ours, 0}, error, now);
    forget_line();
    (void)change_or_give_up(Event::stop, now);
    last_error_ = error.message;
}

void Uplink::forget_line() {
    give_up_.reset();
    line_.end();
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
    beat([&](auto& heartbeat) { heartbeat.heard(now, line_.awaits_acknowledgement()); });
}

// ---- Messages

Result<void> Uplink::received(ByteView bytes, Instant now) {
    const Result<std::optional<DeviceEnd::Event>> event = line_.received(bytes, now);
    if (!event) {
        return std::unexpected(event.error());
    }
    return *event ? std::visit([&](const auto& happened) { return apply(happened, now); }, **event)
                  : Result<void>();
}

Result<void> Uplink::apply(const DeviceEnd::Welcomed& welcomed, Instant now) {
    if (Result<void> changed = change(Event::welcomed, now); !changed) {
        return changed;
    }
    if (adaptive_) {
        const Duration advice = welcomed.heartbeat_advice;
        if (const Duration taken = adaptive_->advised(advice); taken != advice) {
            notices_.push_back("the hub advises a heartbeat of " + format_duration(advice) +
                               "; taken as " + format_duration(taken));
        }
    }
    server_time_us_ = welcomed.server_time_us;
    last_error_.clear();
    return {};
}

Result<void> Uplink::apply(const DeviceEnd::Acknowledged& event, Instant) {
    if (event.round_trip) {
        round_trip_ = event.round_trip;
    }
    if (!line_.awaits_acknowledgement()) {
        beat([](auto& heartbeat) { heartbeat.settled(); });
    }
    return {};
}

Result<void> Uplink::apply(const DeviceEnd::Refused& refused, Instant) {
    notices_.push_back("the hub refused readings from number " + std::to_string(refused.first_seq) +
                       " on: " + refused.reason);
    give_up_ = Error{ErrorCode::invalid, "the hub refused a record: " + refused.reason};
    return {};
}

Result<void> Uplink::apply(const DeviceEnd::SentAway& away, Instant) {
    told_to_wait_ = std::min(away.retry_after, kLongestWait);
    give_up_ = Error{ErrorCode::refused, "the hub said goodbye: " + away.reason};
    return {};
}

std::optional<Outgoing> Uplink::next_message(Instant now) {
    std::optional<Outgoing> message = line_.next_message(now);
    if (message && message->is_record) {
        beat([&](auto& heartbeat) { heartbeat.sent(now); });
    }
    return message;
}

std::optional<Uplink::Read> Uplink::take_read(Instant now) {
    return line_.take_read(now);
}

void Uplink::fetched(Result<std::vector<journal::Record>> records, Instant now) {
    if (const Result<void> taken = line_.fetched(std::move(records), now); !taken) {
        notices_.push_back("reading the backlog: " + taken.error().message);
    }
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
                            line_.deadline());
        case State::stopped:
            return kNever;
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
