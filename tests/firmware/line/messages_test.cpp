#include "firmware/line/messages.h"

#include <random>

#include <CppUTest/TestHarness.h>

#include "firmware/telemetry/batch_codec.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;

namespace {

HelloMessage some_hello() {
    return {"dev",
            0x1234567890ABCDEFu,
            "holdfast 0.1.0",
            12,
            {{3, "dev", {~0ull, 7}, {{1, {"t1", "°C"}}, {2, {"", ""}}}}}};
}

Record batch() {
    Record record;
    record.first_seq = 300;
    record.last_seq = 301;
    record.body = std::make_shared<const Bytes>(
        telemetry::encode({0, {{1, 5, 1.5}, {2, 6, std::string("on")}}}));
    return record;
}

Bytes whole(const Record& record, std::uint32_t stream) {
    Bytes out = wire_head(record, stream);
    if (record.kind == RecordKind::batch) {
        append(out, *record.body);
    }
    return out;
}

std::vector<Bytes> one_of_each() {
    Record gap;
    gap.kind = RecordKind::gap;
    gap.first_seq = 4;
    gap.last_seq = 1'000'000'000'000;
    gap.body = std::make_shared<const Bytes>(encode(GapReason::refused));
    Record fix;
    fix.kind = RecordKind::clock_fix;
    fix.first_seq = fix.last_seq = 9;
    fix.body = std::make_shared<const Bytes>(encode(ClockFix{7, -8, 9}));
    return {to_wire(some_hello()),
            to_wire(WelcomeMessage{{{1, 2}, {3, ~0ull}}, -5, 6, 7, 8}),
            to_wire(some_hello().open[0]),
            to_wire(AckMessage{1, 77}),
            to_wire(RefusalMessage{1, 5, "why"}),
            to_wire(GoodbyeMessage{"bye", 9}),
            to_wire(ResultMessage{4, true, "text"}),
            whole(batch(), 12345),
            whole(gap, 2),
            whole(fix, 3)};
}

template <class T>
T parsed(const Bytes& bytes) {
    auto message = from_wire(bytes);
    CHECK(message.has_value());
    CHECK(std::holds_alternative<T>(*message));
    return std::get<T>(*message);
}

}  // namespace

TEST_GROUP(Wire){};

TEST(Wire, hello_comes_back) {
    const auto hello = parsed<HelloMessage>(to_wire(some_hello()));
    STRCMP_EQUAL("dev", hello.device.c_str());
    CHECK(hello.boot == some_hello().boot);
    LONGS_EQUAL(12, hello.backlog_readings);
    const OpenMessage& open = hello.open.at(0);
    CHECK(open.stream == 3 && open.origin == "dev" && open.epoch == (Epoch{~0ull, 7}));
    LONGS_EQUAL(2, open.channels.size());
    CHECK(open.channels[0].channel == (telemetry::Channel{"t1", "°C"}));
}

TEST(Wire, answers_come_back) {
    const auto welcome = parsed<WelcomeMessage>(one_of_each()[1]);
    CHECK(welcome.acknowledged.at(1).through == ~0ull && welcome.server_time_us == -5);
    CHECK(welcome.max_batch_bytes == 6 && welcome.window_bytes == 7);
    LONGS_EQUAL(8, welcome.heartbeat_advice_ms);
    CHECK(parsed<AckMessage>(one_of_each()[3]).through == 77);
    CHECK(parsed<RefusalMessage>(one_of_each()[4]).reason == "why");
    CHECK(parsed<GoodbyeMessage>(one_of_each()[5]).retry_after_ms == 9);
    CHECK(parsed<ResultMessage>(one_of_each()[6]).ok);
}

TEST(Wire, records_come_back) {
    const auto readings = parsed<Record>(one_of_each()[7]);
    CHECK(readings.stream == 12345 && readings.first_seq == 300);
    CHECK(*readings.body == *batch().body);
    const auto gap = parsed<Record>(one_of_each()[8]);
    CHECK(gap.kind == RecordKind::gap && gap.last_seq == 1'000'000'000'000);
    CHECK(*decode_gap(*gap.body) == GapReason::refused);
    const auto fix = parsed<Record>(one_of_each()[9]);
    CHECK(*decode_clock_fix(*fix.body) == (ClockFix{7, -8, 9}));
}

TEST(Wire, a_cut_message_is_an_error_or_another_message_but_never_worse) {
    for (const Bytes& message : one_of_each()) {
        for (std::size_t size = 0; size < message.size(); ++size) {
            // A copy of its own size, so that the sanitizers see a read past the end.
            const Bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
            const auto result = from_wire(cut);
            CHECK(size == 0 || !result.has_value());
        }
    }
}

TEST(Wire, flipped_bits_do_no_harm) {
    for (const Bytes& message : one_of_each()) {
        for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
            Bytes flipped = message;
            flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            if (const auto result = from_wire(flipped)) {
                if (const auto* record = std::get_if<Record>(&*result)) {
                    (void)wire_head(*record, 1);
                }
            }
        }
    }
}

TEST(Wire, noise_does_no_harm) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 20'000; ++i) {
        Bytes noise(static_cast<std::size_t>(random() % 40));
        for (std::byte& byte : noise) {
            byte = static_cast<std::byte>(random());
        }
        (void)from_wire(noise);
    }
}

TEST(Wire, unknown_fields_are_ignored) {
    Bytes message = to_wire(AckMessage{1, 77});
    append(message, Bytes{std::byte{0xF8}, std::byte{0x06}, std::byte{1}});  // field 111, varint 1
    LONGS_EQUAL(77, parsed<AckMessage>(message).through);
}

TEST(Wire, an_envelope_with_an_unknown_body_is_known_as_such) {
    parsed<UnknownMessage>({});
    parsed<UnknownMessage>({std::byte{0xFA}, std::byte{0x06}, std::byte{1}, std::byte{0}});
}
