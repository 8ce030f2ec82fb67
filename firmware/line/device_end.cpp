#include "firmware/line/device_end.h"

#include <algorithm>

namespace holdfast::line {

using journal::Record;

namespace {

/// Answers that wait to be sent.
constexpr std::size_t kMostAnswers = 64;

}  // namespace

DeviceEnd::DeviceEnd(journal::Journal& journal, const DeviceEndOptions& options)
    : journal_(journal),
      consumer_(journal, {.read_bytes = options.read_bytes}),
      options_(options) {}

// ---- The life of a line

void DeviceEnd::begin() {
    awaits_welcome_ = true;
    if (!std::exchange(hello_ahead_, false)) {
        greeting_ = hello();
    }
}

Bytes DeviceEnd::hello_ahead() {
    end();
    hello_ahead_ = true;
    return hello();
}

void DeviceEnd::end() {
    awaits_welcome_ = welcomed_ = is_ending_ = hello_ahead_ = false;
    greeting_.reset();
    answers_.clear();
    streams_.clear();
    declared_channels_.clear();
    in_flight_.clear();
    in_flight_bytes_ = 0;
    has_acknowledged_ = false;
    consumer_.rewind();
}

// ---- What the hub says

Result<std::optional<DeviceEnd::Event>> DeviceEnd::received(ByteView bytes, Instant now) {
    Result<Message> parsed = from_wire(bytes);
    if (!parsed) {
        return std::unexpected(std::move(parsed).error());
    }
    const Message& message = *parsed;
    if (const auto* welcomed = std::get_if<WelcomeMessage>(&message)) {
        return welcome(*welcomed);
    }
    if (const auto* ack = std::get_if<AckMessage>(&message)) {
        return acknowledge(*ack, now);
    }
    if (const auto* refusal = std::get_if<RefusalMessage>(&message)) {
        return refuse(*refusal);
    }
    if (const auto* bye = std::get_if<GoodbyeMessage>(&message)) {
        is_ending_ = true;
        return SentAway{bye->reason, std::chrono::milliseconds(bye->retry_after_ms)};
    }
    if (const auto* command = std::get_if<CommandMessage>(&message)) {
        return answer({command->id, false, "\"" + command->name + "\" is not known here"});
    }
    if (std::holds_alternative<UnknownMessage>(message)) {
        return answer({0, false, "this message is not known here"});
    }
    return std::nullopt;
}

Result<std::optional<DeviceEnd::Event>> DeviceEnd::answer(const ResultMessage& message) {
    if (answers_.size() >= kMostAnswers) {
        return fail(ErrorCode::too_large, "the hub asks faster than it takes the answers");
    }
    answers_.push_back(to_wire(message));
    return std::nullopt;
}

Result<std::optional<DeviceEnd::Event>> DeviceEnd::welcome(const WelcomeMessage& message) {
    if (!awaits_welcome_ || greeting_) {
        return fail(ErrorCode::invalid, "Welcome came unasked");
    }
    for (const AckMessage& ack : message.acknowledged) {
        if (const auto found = streams_.find(ack.stream); found != streams_.end()) {
            found->second = {ack.through, ack.through};
        }
    }
    awaits_welcome_ = false;
    welcomed_ = true;
    window_bytes_ = message.window_bytes == 0
                        ? options_.window_bytes
                        : std::min(message.window_bytes, options_.window_bytes);
    consumer_.rewind();
    Welcomed welcomed{std::chrono::milliseconds(message.heartbeat_advice_ms), std::nullopt};
    if (message.server_time_us != 0) {
        welcomed.server_time_us = message.server_time_us;
    }
    return welcomed;
}

Result<std::optional<DeviceEnd::Event>> DeviceEnd::acknowledge(const AckMessage& message,
                                                               Instant now) {
    const auto found = streams_.find(message.stream);
    if (!welcomed_ || found == streams_.end()) {
        return fail(ErrorCode::invalid,
                    "Ack for stream " + std::to_string(message.stream) + ", which is not open");
    }
    OpenStream& stream = found->second;
    stream.acknowledged_through = std::max(stream.acknowledged_through, message.through);
    stream.sent_through = std::max(stream.sent_through, message.through);
    std::erase_if(refused_, [&](const auto& range) {
        return std::get<0>(range) == message.stream && std::get<2>(range) <= message.through;
    });
    if (message.stream == journal_.own().id) {
        own_acknowledged_ = stream.acknowledged_through;
    }
    return Acknowledged{advance(now)};
}

/// Gives back what the hub has, in the order of positions. Returns how long the last record took
/// that it has; nullopt: it has no more than before.
std::optional<Duration> DeviceEnd::advance(Instant now) {
    std::optional<Duration> round_trip;
    while (!in_flight_.empty()) {
        const InFlight& front = in_flight_.front();
        if (front.last_seq > streams_[front.stream].acknowledged_through) {
            break;
        }
        round_trip = now - front.sent_at;
        in_flight_bytes_ -= front.size_bytes;
        has_acknowledged_ = true;
        in_flight_.pop_front();
    }
    consumer_.confirm(in_flight_.empty() ? consumer_.position() : in_flight_.front().position, now);
    return round_trip;
}

DeviceEnd::Event DeviceEnd::refuse(const RefusalMessage& message) {
    for (const InFlight& sent : in_flight_) {
        if (sent.stream == message.stream && sent.first_seq == message.first_seq) {
            refused_.insert({sent.stream, sent.first_seq, sent.last_seq});
        }
    }
    is_ending_ = true;
    return Refused{message.first_seq, message.reason};
}

/// Also true where the refused record has since become part of a larger row.
bool DeviceEnd::was_refused(const Record& record) const {
    return std::ranges::any_of(refused_, [&](const auto& range) {
        const auto& [stream, first_seq, last_seq] = range;
        return stream == record.stream && first_seq <= record.last_seq &&
               record.first_seq <= last_seq;
    });
}

// ---- Reading the backlog

std::optional<DeviceEnd::Read> DeviceEnd::take_read(Instant now) {
    return welcomed_ ? consumer_.take_read(now) : std::nullopt;
}

Result<void> DeviceEnd::fetched(Result<std::vector<Record>> records, Instant now) {
    const Result<bool> moved = consumer_.fetched(std::move(records), now);
    if (!moved) {
        return std::unexpected(moved.error());
    }
    if (*moved) {
        (void)advance(now);
    }
    return {};
}

}  // namespace holdfast::line
