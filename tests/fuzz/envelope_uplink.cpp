// Messages of a hub, right and wrong, into the uplink of a node with readings of its own and of
// another origin. Whatever the hub says, what is sent parses and continues where the hub said it
// was, within the window.
#include "firmware/telemetry/batch_codec.h"
#include "firmware/uplink/uplink.h"
#include "tests/firmware/journal/journal_desk.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

namespace {

AckMessage built_ack(fuzz::Input& input) {
    const std::uint32_t stream = input.byte() % 4;
    const std::uint8_t code = input.byte();
    return {stream, code == 255 ? input.number(8) : code};
}

Bytes built(fuzz::Input& input, unsigned kind) {
    switch (kind % 8) {
        case 0: {
            WelcomeMessage welcome;
            for (unsigned left = input.byte() % 4; left > 0; --left) {
                welcome.acknowledged.push_back(built_ack(input));
            }
            welcome.server_time_us = static_cast<std::int64_t>(input.number(8));
            welcome.window_bytes = input.number(2);
            return to_wire(welcome);
        }
        case 1:
            return to_wire(RefusalMessage{input.byte() % 4u, input.byte(), "no"});
        case 2:
            return to_wire(GoodbyeMessage{"away", static_cast<std::uint32_t>(input.number(4))});
        case 3:
            return to_wire(ResultMessage{1, true, "what?"});
        default:
            return to_wire(built_ack(input));
    }
}

class Sender {
public:
    Sender() : uplink_(*desk_.journal, options(), desk_.random) {
        const auto id = desk_.journal->open_stream("other", {9, 1}).id;
        HOLDFAST_CHECK(desk_.journal->add_channel("other", 9, 1, {"c", ""}).has_value());
        Record record;
        record.stream = id;
        record.first_seq = 1;
        record.last_seq = 2;
        record.body = std::make_shared<const Bytes>(
            telemetry::encode({0, {{1, 5, std::int64_t{1}}, {1, 6, std::int64_t{2}}}}));
        desk_.journal->append_received(std::move(record));
        desk_.push(3);
    }

    void hear(const Bytes& message) {
        if (uplink_.state() == uplink::Uplink::State::waiting) {
            connect();
        }
        uplink_.heard(desk_.now);
        if (const auto parsed = from_wire(message)) {
            note(*parsed);
        }
        if (const auto result = uplink_.received(message, desk_.now); !result) {
            disconnect(result.error());
            return;
        }
        if (const auto error = uplink_.give_up(desk_.now)) {
            disconnect(*error);
            return;
        }
        drain();
    }
    void work(unsigned what) {
        desk_.now += Duration(what * 1000);
        if (what % 2 == 0) {
            desk_.sample(1 + what % 8);
        }
        if (what % 4 < 3) {
            (void)desk_.write();
        }
        if (const auto read = uplink_.take_read(desk_.now)) {
            uplink_.fetched(desk_.store.read(read->position, read->max_bytes), desk_.now);
        }
        drain();
        HOLDFAST_CHECK(desk_.journal->first_position() <= desk_.journal->next_position());
    }

private:
    static uplink::UplinkOptions options() {
        uplink::UplinkOptions options;
        options.device = "dev";
        return options;
    }
    void connect() {
        desk_.now = std::max(desk_.now, uplink_.deadline());
        HOLDFAST_CHECK(uplink_.connect_due(desk_.now));
        uplink_.connected(desk_.now);
        through_.clear();
        window_ = options().window_bytes;
        drain();
    }
    void disconnect(const Error& error) {
        HOLDFAST_CHECK(!error.message.empty());
        uplink_.disconnected(error, desk_.now);
        (void)uplink_.take_notices();
    }
    /// What the hub says that it has. A second Welcome is an error, and counts for nothing then.
    void note(const Message& message) {
        if (const auto* welcome = std::get_if<WelcomeMessage>(&message);
            welcome != nullptr && uplink_.state() == uplink::Uplink::State::greeting) {
            for (const AckMessage& ack : welcome->acknowledged) {
                through_[ack.stream] = ack.through;
            }
            window_ =
                welcome->window_bytes == 0 ? window_ : std::min(window_, welcome->window_bytes);
        } else if (const auto* ack = std::get_if<AckMessage>(&message)) {
            through_[ack->stream] = std::max(through_[ack->stream], ack->through);
        }
    }
    void drain() {
        while (const auto out = uplink_.next_message(desk_.now)) {
            Bytes whole = out->head;
            if (out->body) {
                append(whole, *out->body);
            }
            const auto parsed = from_wire(whole);
            HOLDFAST_CHECK(parsed && !std::holds_alternative<UnknownMessage>(*parsed));
            if (const auto* record = std::get_if<Record>(&*parsed)) {
                HOLDFAST_CHECK(uplink_.state() == uplink::Uplink::State::live);
                sent(*record);
            }
        }
        HOLDFAST_CHECK(uplink_.in_flight_bytes() < window_ + 4096);
    }
    void sent(const Record& record) {
        std::uint64_t last = record.last_seq;
        if (record.kind == RecordKind::batch) {
            const auto batch = telemetry::decode(*record.body);
            HOLDFAST_CHECK(batch.has_value());
            last = record.first_seq + batch->readings.size() - 1;
        }
        std::uint64_t& through = through_[record.stream];
        HOLDFAST_CHECK(record.first_seq <= through + 1 && last > through);
        through = last;
    }

    Desk desk_;
    uplink::Uplink uplink_;
    std::map<std::uint32_t, std::uint64_t> through_;
    std::uint64_t window_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Sender node;
    while (!input.empty()) {
        const unsigned what = input.byte();
        if (what % 2 == 0) {
            node.work(what / 2);
        } else {
            node.hear(fuzz::message(input, [&input](unsigned kind) { return built(input, kind); }));
        }
    }
    return 0;
}
