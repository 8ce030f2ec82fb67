#include <utility>

#include "firmware/line/device_end.h"

/// What the device's end sends.

namespace holdfast::line {

using journal::Record;
using journal::RecordKind;

namespace {

/// Of a message beside the record's body: head of the Envelope and of the frame.
constexpr std::uint64_t kMessageOverheadBytes = 32;

}  // namespace

OpenMessage DeviceEnd::open_message(const journal::Stream& stream) {
    OpenMessage open{stream.id, stream.origin, stream.epoch, {}};
    const auto channels = journal_.declarable_channels(stream.origin, stream.epoch.journal);
    std::size_t& declared = declared_channels_[{stream.origin, stream.epoch.journal}];
    for (; declared < channels.size(); ++declared) {
        open.channels.push_back(
            {static_cast<telemetry::ChannelId>(declared + 1), channels[declared]});
    }
    return open;
}

Bytes DeviceEnd::hello() {
    HelloMessage hello;
    hello.device = options_.device;
    hello.boot = options_.boot;
    hello.software = options_.software;
    hello.backlog_readings = journal_.backlog();
    for (const auto& [id, stream] : journal_.streams()) {
        hello.open.push_back(open_message(stream));
        streams_[id] = {};
    }
    return to_wire(hello);
}

std::optional<Outgoing> DeviceEnd::next_message(Instant now) {
    if (greeting_) {
        return Outgoing{*std::exchange(greeting_, std::nullopt)};
    }
    if (!answers_.empty()) {
        Outgoing answer{std::move(answers_.front())};
        answers_.erase(answers_.begin());
        return answer;
    }
    if (!welcomed_ || is_ending_ || in_flight_bytes_ >= window_bytes_) {
        return std::nullopt;
    }
    while (const std::optional<Record> record = consumer_.next()) {
        const journal::Stream& stream = journal_.streams().at(record->stream);
        if (std::optional<Outgoing> declaration = declare(stream)) {
            return declaration;
        }
        OpenStream& open = streams_[record->stream];
        if (record->last_seq <= open.sent_through) {
            consumer_.move_to(record->end_position());
            (void)advance(now);
            continue;
        }
        if (record->first_seq > open.sent_through + 1) {
            // What is missing between two records of the journal was damaged; what is missing
            // before the first of a line, the hub once had, as far as is known here.
            return dispatch_gap(
                *record, open.sent_through + 1, record->first_seq - 1,
                open.has_sent ? journal::GapReason::corrupt : journal::GapReason::unknown_past,
                now);
        }
        consumer_.move_to(record->end_position());
        if (was_refused(*record)) {
            return dispatch_gap(*record, open.sent_through + 1, record->last_seq,
                                journal::GapReason::corrupt, now);
        }
        return dispatch(*record, now);
    }
    return std::nullopt;
}

/// An Open for a stream that is new on this line, or for its new channels.
std::optional<Outgoing> DeviceEnd::declare(const journal::Stream& stream) {
    const auto declared = declared_channels_.find({stream.origin, stream.epoch.journal});
    const std::size_t known = declared == declared_channels_.end() ? 0 : declared->second;
    const bool is_open = streams_.contains(stream.id);
    if (is_open &&
        known == journal_.declarable_channels(stream.origin, stream.epoch.journal).size()) {
        return std::nullopt;
    }
    if (!is_open) {
        streams_[stream.id] = {};
    }
    return Outgoing{to_wire(open_message(stream))};
}

Outgoing DeviceEnd::dispatch(const Record& record, Instant now) {
    Outgoing out{wire_head(record, record.stream),
                 record.kind == RecordKind::batch ? record.body : nullptr, true};
    const std::uint64_t size = kMessageOverheadBytes + (out.body ? out.body->size() : 0);
    in_flight_.push_back(
        {record.stream, record.first_seq, record.last_seq, record.position, size, now});
    in_flight_bytes_ += size;
    OpenStream& open = streams_[record.stream];
    open.sent_through = record.last_seq;
    open.has_sent = true;
    return out;
}

/// A Gap in the place of numbers that stand before `record`, or of the record itself.
Outgoing DeviceEnd::dispatch_gap(const Record& record, std::uint64_t first_seq,
                                 std::uint64_t last_seq, journal::GapReason reason, Instant now) {
    Record gap;
    gap.position = record.position;
    gap.stream = record.stream;
    gap.kind = RecordKind::gap;
    gap.first_seq = first_seq;
    gap.last_seq = last_seq;
    gap.body = std::make_shared<const Bytes>(encode(reason));
    return dispatch(gap, now);
}

}  // namespace holdfast::line
