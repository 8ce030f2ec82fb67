#include <algorithm>
#include <utility>

#include "firmware/uplink/uplink.h"

/// What an uplink sends, from the journal's memory and from its store.

namespace holdfast::uplink {

using journal::Record;
using journal::RecordKind;

namespace {

/// Of a message beside the record's body: head of the Envelope and of the frame.
constexpr std::uint64_t kMessageOverheadBytes = 32;

}  // namespace

// ---- Sending

line::OpenMessage Uplink::open_message(const journal::Stream& stream) {
    line::OpenMessage open{stream.id, stream.origin, stream.epoch, {}};
    const auto channels = journal_.declarable_channels(stream.origin, stream.epoch.journal);
    std::size_t& declared = declared_channels_[{stream.origin, stream.epoch.journal}];
    for (; declared < channels.size(); ++declared) {
        open.channels.push_back(
            {static_cast<telemetry::ChannelId>(declared + 1), channels[declared]});
    }
    return open;
}

Bytes Uplink::hello() {
    line::HelloMessage hello;
    hello.device = options_.device;
    hello.boot = options_.boot;
    hello.software = options_.software;
    hello.backlog_readings = journal_.backlog();
    for (const auto& [id, stream] : journal_.streams()) {
        hello.open.push_back(open_message(stream));
        on_line_[id] = {};
    }
    return line::to_wire(hello);
}

std::optional<Outgoing> Uplink::next_message(Instant now) {
    if (greeting_) {
        return Outgoing{*std::exchange(greeting_, std::nullopt), nullptr};
    }
    if (!answers_.empty()) {
        Outgoing answer{std::move(answers_.front()), nullptr};
        answers_.erase(answers_.begin());
        return answer;
    }
    if (state_ != State::live || give_up_ || in_flight_bytes_ >= window_bytes_) {
        return std::nullopt;
    }
    while (const std::optional<Record> record = consumer_.next()) {
        const journal::Stream& stream = journal_.streams().at(record->stream);
        if (std::optional<Outgoing> open = declare(stream)) {
            return open;
        }
        OnLine& line = on_line_[record->stream];
        if (record->last_seq <= line.sent_through) {
            consumer_.move_to(record->end_position());
            advance(now);
            continue;
        }
        if (record->first_seq > line.sent_through + 1) {
            // What is missing between two records of the journal was damaged; what is missing
            // before the first of a line, the hub once had, as far as is known here.
            return dispatch_gap(
                *record, line.sent_through + 1, record->first_seq - 1,
                line.has_sent ? journal::GapReason::corrupt : journal::GapReason::unknown_past,
                now);
        }
        consumer_.move_to(record->end_position());
        if (was_refused(*record)) {
            return dispatch_gap(*record, line.sent_through + 1, record->last_seq,
                                journal::GapReason::corrupt, now);
        }
        return dispatch(*record, now);
    }
    return std::nullopt;
}

/// An Open for a stream that is new on this line, or for its new channels.
std::optional<Outgoing> Uplink::declare(const journal::Stream& stream) {
    const auto declared = declared_channels_.find({stream.origin, stream.epoch.journal});
    const std::size_t known = declared == declared_channels_.end() ? 0 : declared->second;
    const bool is_open = on_line_.contains(stream.id);
    if (is_open &&
        known == journal_.declarable_channels(stream.origin, stream.epoch.journal).size()) {
        return std::nullopt;
    }
    if (!is_open) {
        on_line_[stream.id] = {};
    }
    return Outgoing{line::to_wire(open_message(stream)), nullptr};
}

Outgoing Uplink::dispatch(const Record& record, Instant now) {
    Outgoing out{line::wire_head(record, record.stream),
                 record.kind == RecordKind::batch ? record.body : nullptr};
    const std::uint64_t size = kMessageOverheadBytes + (out.body ? out.body->size() : 0);
    in_flight_.push_back(
        {record.stream, record.first_seq, record.last_seq, record.position, size, now});
    in_flight_bytes_ += size;
    OnLine& line = on_line_[record.stream];
    line.sent_through = record.last_seq;
    line.has_sent = true;
    beat([&](auto& heartbeat) { heartbeat.sent(now); });
    return out;
}

/// A Gap in the place of numbers that stand before `record`, or of the record itself.
Outgoing Uplink::dispatch_gap(const Record& record, std::uint64_t first_seq, std::uint64_t last_seq,
                              journal::GapReason reason, Instant now) {
    Record gap;
    gap.position = record.position;
    gap.stream = record.stream;
    gap.kind = RecordKind::gap;
    gap.first_seq = first_seq;
    gap.last_seq = last_seq;
    gap.body = std::make_shared<const Bytes>(encode(reason));
    return dispatch(gap, now);
}

// ---- Reading the backlog

std::optional<Uplink::Read> Uplink::take_read(Instant now) {
    return state_ == State::live ? consumer_.take_read(now) : std::nullopt;
}

void Uplink::fetched(Result<std::vector<Record>> records, Instant now) {
    const Result<bool> moved = consumer_.fetched(std::move(records), now);
    if (!moved) {
        notices_.push_back("reading the backlog: " + moved.error().message);
    } else if (*moved) {
        advance(now);
    }
}

}  // namespace holdfast::uplink
