// Messages of a device, right and wrong, into the hub's side of lines that follow each other. What
// the journal then holds is without holes, decodes, and uses declared channels only; what was
// acknowledged is there.
#include "firmware/hub/line.h"
#include "firmware/telemetry/batch_codec.h"
#include "tests/firmware/journal/journal_desk.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;

namespace {

const std::string kDevice = "a";

OpenMessage built_open(fuzz::Input& input) {
    constexpr std::array<const char*, 4> kOrigins{"a", "b", "dev", ""};
    OpenMessage open;
    open.stream = input.byte() % 4;
    open.origin = kOrigins[input.byte() / 64];
    open.epoch = {7u + input.byte() % 2, 1u + input.byte() % 4};
    const unsigned channels = input.byte() % 4;
    const unsigned first = input.byte() % 4 == 0 ? 2 : 1;
    for (unsigned id = first; id < first + channels; ++id) {
        open.channels.push_back({id, {std::string(1, static_cast<char>('a' + id)), "m"}});
    }
    return open;
}

Bytes built_record(fuzz::Input& input, RecordKind kind) {
    Record record;
    record.kind = kind;
    const std::uint32_t stream = input.byte() % 4;
    record.first_seq = input.byte() == 255 ? input.number(8) : input.byte() % 16;
    record.last_seq = record.first_seq;
    Bytes body;
    switch (kind) {
        case RecordKind::batch: {
            telemetry::Batch batch;
            batch.boot = input.byte() % 4;
            for (unsigned left = 1 + input.byte() % 8; left > 0; --left) {
                batch.readings.push_back({input.byte() % 4u, input.byte(), std::int64_t{left}});
            }
            body = telemetry::encode(batch);
            break;
        }
        case RecordKind::gap:
            record.last_seq += input.byte() % 8;
            body = encode(static_cast<GapReason>(input.byte() % 6));
            break;
        case RecordKind::clock_fix:
            body = encode(ClockFix{input.byte(), static_cast<std::int64_t>(input.number(8)), 9});
            break;
    }
    record.body = std::make_shared<const Bytes>(std::move(body));
    Bytes message = wire_head(record, stream);
    if (kind == RecordKind::batch) {
        append(message, *record.body);
    }
    return message;
}

Bytes built(fuzz::Input& input, unsigned kind) {
    switch (kind % 8) {
        case 0: {
            HelloMessage hello{kDevice, 1, "test", input.byte(), {}};
            for (unsigned left = input.byte() % 4; left > 0; --left) {
                hello.open.push_back(built_open(input));
            }
            return to_wire(hello);
        }
        case 1:
            return to_wire(built_open(input));
        case 2:
            return built_record(input, RecordKind::gap);
        case 3:
            return built_record(input, RecordKind::clock_fix);
        default:
            return built_record(input, RecordKind::batch);
    }
}

class Hub {
public:
    Hub() : desk_(options()) { connect(false); }

    void connect(bool relay) {
        line_ = std::make_unique<hub::Line>(hub::Shared{*desk_.journal, fleet_, live_},
                                            hub::Admission{kDevice, relay, "address"}, limits());
        acknowledged_.clear();
    }
    /// False: the line is closed now.
    [[nodiscard]] bool received(const Bytes& message) {
        const auto result = line_->received(message, {desk_.now, WallTime{}});
        HOLDFAST_CHECK(result || !result.error().message.empty());
        drain();
        return result.has_value();
    }
    void commit(bool fails) {
        desk_.store.heal();
        if (fails) {
            desk_.store.fail_next();
        }
        desk_.now += desk_.options.retry_delay;
        while (desk_.write() >= 0) {
        }
        line_->durable();
        drain();
    }
    void compare() {
        commit(false);
        HOLDFAST_CHECK(!line_->waits());
        std::map<StreamId, std::uint64_t> through;
        for (const Record& record : *desk_.store.read(1, 1u << 30)) {
            HOLDFAST_CHECK(record.first_seq == through[record.stream] + 1);
            through[record.stream] = record.last_seq;
            compare_body(record);
        }
        for (const auto& [id, stream] : desk_.journal->streams()) {
            const bool newest =
                std::ranges::none_of(desk_.journal->streams(), [&stream](const auto& other) {
                    return other.second.origin == stream.origin &&
                           other.second.epoch.journal == stream.epoch.journal &&
                           other.second.epoch.run > stream.epoch.run;
                });
            if (newest) {
                HOLDFAST_CHECK(desk_.journal->accepted_through(id) == through[id]);
            }
        }
    }

private:
    static JournalOptions options() {
        JournalOptions options;
        options.owes_upstream = false;
        options.channels_per_origin = 6;
        return options;
    }
    static hub::LineOptions limits() {
        hub::LineOptions limits;
        limits.max_streams = 3;
        limits.max_batch_bytes = 4096;
        return limits;
    }
    void drain() {
        while (const auto message = line_->next_message()) {
            const auto parsed = from_wire(*message);
            HOLDFAST_CHECK(parsed && !std::holds_alternative<UnknownMessage>(*parsed));
            if (const auto* ack = std::get_if<AckMessage>(&*parsed)) {
                HOLDFAST_CHECK(ack->through >= acknowledged_[ack->stream]);
                acknowledged_[ack->stream] = ack->through;
            }
        }
    }
    void compare_body(const Record& record) const {
        if (record.kind != RecordKind::batch) {
            return;
        }
        const Stream& stream = desk_.journal->streams().at(record.stream);
        const auto channels = desk_.journal->channels(stream.origin, stream.epoch.journal);
        const auto batch = telemetry::decode(*record.body);
        HOLDFAST_CHECK(batch && batch->readings.size() == record.last_seq - record.first_seq + 1);
        for (const telemetry::Reading& reading : batch->readings) {
            HOLDFAST_CHECK(reading.channel >= 1 && reading.channel <= channels.size());
        }
    }

    Desk desk_;
    hub::Fleet fleet_;
    hub::LiveFeed live_;
    std::unique_ptr<hub::Line> line_;
    std::map<std::uint32_t, std::uint64_t> acknowledged_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Hub hub;
    while (!input.empty()) {
        const unsigned what = input.byte() % 16;
        if (what < 2) {
            hub.commit(what == 1);
        } else if (what < 4 ||
                   !hub.received(fuzz::message(
                       input, [&input](unsigned kind) { return built(input, kind); }))) {
            hub.connect(what % 2 == 1);
        }
    }
    hub.compare();
    return 0;
}
