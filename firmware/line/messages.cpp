#include "firmware/line/messages.h"

#include <holdfast/v1/line.pb.h>
#include <utility>

#include <google/protobuf/stubs/logging.h>

namespace holdfast::line {

using journal::ClockFix;
using journal::GapReason;
using journal::Record;
using journal::RecordKind;

namespace {

Bytes serialize(const v1::Envelope& envelope) {
    Bytes out(envelope.ByteSizeLong());
    envelope.SerializeToArray(out.data(), static_cast<int>(out.size()));
    return out;
}

void fill(v1::Open& out, const OpenMessage& message) {
    out.set_stream(message.stream);
    out.set_origin(message.origin);
    out.set_journal(message.epoch.journal);
    out.set_run(message.epoch.run);
    for (const OpenMessage::Channel& channel : message.channels) {
        v1::Channel& row = *out.add_channels();
        row.set_id(channel.id);
        row.set_name(channel.channel.name);
        row.set_unit(channel.channel.unit);
    }
}

OpenMessage taken(const v1::Open& in) {
    OpenMessage out{in.stream(), in.origin(), {in.journal(), in.run()}, {}};
    for (const v1::Channel& row : in.channels()) {
        out.channels.push_back({row.id(), {row.name(), row.unit()}});
    }
    return out;
}

void put_varint(Bytes& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        out.push_back(static_cast<std::byte>(value | 0x80));
    }
    out.push_back(static_cast<std::byte>(value));
}

std::size_t varint_size(std::uint64_t value) {
    std::size_t size = 1;
    for (; value >= 0x80; value >>= 7) {
        ++size;
    }
    return size;
}

/// A field's tag: number and wire type (0: varint, 2: length and bytes).
constexpr std::uint64_t tag(unsigned field, unsigned type) {
    return field << 3 | type;
}

/// Protobuf by hand, in this one place: the columns would otherwise be copied into a message object
/// and out again.
Bytes batch_head(const Record& record, std::uint32_t stream) {
    const std::size_t columns = record.body->size();
    const std::size_t inner = 1 + varint_size(stream) + 1 + varint_size(record.first_seq) + 1 +
                              varint_size(columns) + columns;
    Bytes out;
    out.reserve(24);
    put_varint(out, tag(v1::Envelope::kBatchFieldNumber, 2));
    put_varint(out, inner);
    put_varint(out, tag(v1::Batch::kStreamFieldNumber, 0));
    put_varint(out, stream);
    put_varint(out, tag(v1::Batch::kFirstSeqFieldNumber, 0));
    put_varint(out, record.first_seq);
    put_varint(out, tag(v1::Batch::kColumnsFieldNumber, 2));
    put_varint(out, columns);
    return out;
}

Record gap_record(const v1::Gap& gap) {
    Record record;
    record.stream = gap.stream();
    record.kind = RecordKind::gap;
    record.first_seq = gap.first_seq();
    record.last_seq = gap.last_seq();
    record.body = std::make_shared<const Bytes>(encode(static_cast<GapReason>(gap.reason())));
    return record;
}

Record clock_fix_record(const v1::ClockFix& fix) {
    Record record;
    record.stream = fix.stream();
    record.kind = RecordKind::clock_fix;
    record.first_seq = record.last_seq = fix.seq();
    record.body =
        std::make_shared<const Bytes>(encode(ClockFix{fix.boot(), fix.uptime_us(), fix.wall_us()}));
    return record;
}

/// `last_seq` of a batch is known only when its columns are decoded; until then it equals
/// `first_seq`.
Record batch_record(const v1::Batch& batch) {
    Record record;
    record.stream = batch.stream();
    record.first_seq = record.last_seq = batch.first_seq();
    const ByteView columns = as_bytes(batch.columns());
    record.body = std::make_shared<const Bytes>(columns.begin(), columns.end());
    return record;
}

Message message_of(const v1::Envelope& envelope) {
    switch (envelope.body_case()) {
        case v1::Envelope::kHello: {
            const v1::Hello& in = envelope.hello();
            HelloMessage out{in.device(), in.boot(), in.software(), in.backlog_readings(), {}};
            for (const v1::Open& open : in.open()) {
                out.open.push_back(taken(open));
            }
            return out;
        }
        case v1::Envelope::kWelcome: {
            const v1::Welcome& in = envelope.welcome();
            WelcomeMessage out{{},
                               in.server_time_us(),
                               in.max_batch_bytes(),
                               in.window_bytes(),
                               in.heartbeat_advice_ms()};
            for (const v1::Ack& ack : in.acknowledged()) {
                out.acknowledged.push_back({ack.stream(), ack.through()});
            }
            return out;
        }
        case v1::Envelope::kOpen:
            return taken(envelope.open());
        case v1::Envelope::kBatch:
            return batch_record(envelope.batch());
        case v1::Envelope::kGap:
            return gap_record(envelope.gap());
        case v1::Envelope::kClockFix:
            return clock_fix_record(envelope.clock_fix());
        case v1::Envelope::kAck:
            return AckMessage{envelope.ack().stream(), envelope.ack().through()};
        case v1::Envelope::kRefusal:
            return RefusalMessage{envelope.refusal().stream(), envelope.refusal().first_seq(),
                                  envelope.refusal().reason()};
        case v1::Envelope::kGoodbye:
            return GoodbyeMessage{envelope.goodbye().reason(), envelope.goodbye().retry_after_ms()};
        case v1::Envelope::kCommand:
            return CommandMessage{envelope.command().id(), envelope.command().name()};
        case v1::Envelope::kResult:
            return ResultMessage{envelope.result().id(), envelope.result().ok(),
                                 envelope.result().text()};
        case v1::Envelope::BODY_NOT_SET:
            break;
    }
    return UnknownMessage{};
}

}  // namespace

Bytes to_wire(const HelloMessage& message) {
    v1::Envelope envelope;
    v1::Hello& hello = *envelope.mutable_hello();
    hello.set_device(message.device);
    hello.set_boot(message.boot);
    hello.set_software(message.software);
    hello.set_backlog_readings(message.backlog_readings);
    for (const OpenMessage& open : message.open) {
        fill(*hello.add_open(), open);
    }
    return serialize(envelope);
}

Bytes to_wire(const WelcomeMessage& message) {
    v1::Envelope envelope;
    v1::Welcome& welcome = *envelope.mutable_welcome();
    for (const AckMessage& ack : message.acknowledged) {
        v1::Ack& row = *welcome.add_acknowledged();
        row.set_stream(ack.stream);
        row.set_through(ack.through);
    }
    welcome.set_server_time_us(message.server_time_us);
    welcome.set_max_batch_bytes(message.max_batch_bytes);
    welcome.set_window_bytes(message.window_bytes);
    welcome.set_heartbeat_advice_ms(message.heartbeat_advice_ms);
    return serialize(envelope);
}

Bytes to_wire(const OpenMessage& message) {
    v1::Envelope envelope;
    fill(*envelope.mutable_open(), message);
    return serialize(envelope);
}

Bytes to_wire(const AckMessage& message) {
    v1::Envelope envelope;
    envelope.mutable_ack()->set_stream(message.stream);
    envelope.mutable_ack()->set_through(message.through);
    return serialize(envelope);
}

Bytes to_wire(const RefusalMessage& message) {
    v1::Envelope envelope;
    v1::Refusal& refusal = *envelope.mutable_refusal();
    refusal.set_stream(message.stream);
    refusal.set_first_seq(message.first_seq);
    refusal.set_reason(message.reason);
    return serialize(envelope);
}

Bytes to_wire(const GoodbyeMessage& message) {
    v1::Envelope envelope;
    envelope.mutable_goodbye()->set_reason(message.reason);
    envelope.mutable_goodbye()->set_retry_after_ms(message.retry_after_ms);
    return serialize(envelope);
}

Bytes to_wire(const ResultMessage& message) {
    v1::Envelope envelope;
    envelope.mutable_result()->set_id(message.id);
    envelope.mutable_result()->set_ok(message.ok);
    envelope.mutable_result()->set_text(message.text);
    return serialize(envelope);
}

Bytes wire_head(const Record& record, std::uint32_t stream) {
    v1::Envelope envelope;
    switch (record.kind) {
        case RecordKind::batch:
            return batch_head(record, stream);
        case RecordKind::gap: {
            v1::Gap& gap = *envelope.mutable_gap();
            gap.set_stream(stream);
            gap.set_first_seq(record.first_seq);
            gap.set_last_seq(record.last_seq);
            const Result<GapReason> reason = journal::decode_gap(*record.body);
            gap.set_reason(static_cast<std::uint32_t>(reason.value_or(GapReason::corrupt)));
            break;
        }
        case RecordKind::clock_fix: {
            v1::ClockFix& out = *envelope.mutable_clock_fix();
            const ClockFix fix = journal::decode_clock_fix(*record.body).value_or(ClockFix{});
            out.set_stream(stream);
            out.set_seq(record.first_seq);
            out.set_boot(fix.boot);
            out.set_uptime_us(fix.uptime_us);
            out.set_wall_us(fix.wall_us);
            break;
        }
    }
    return serialize(envelope);
}

Result<Message> from_wire(ByteView message) {
    // Protobuf would write a line to the standard error for each malformed message of a peer.
    [[maybe_unused]] static const auto logger = google::protobuf::SetLogHandler(nullptr);
    v1::Envelope envelope;
    if (!envelope.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
        return fail(ErrorCode::invalid, "not an Envelope of holdfast.v1");
    }
    return message_of(envelope);
}

}  // namespace holdfast::line
