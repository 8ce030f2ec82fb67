#include "firmware/line/device_end.h"

#include <memory>
#include <optional>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::line;
using namespace std::chrono_literals;
using journal::Record;
using journal::RecordKind;

TEST_GROUP(DeviceEnd) {
    simulation::Desk desk;
    DeviceEndOptions options;
    std::unique_ptr<DeviceEnd> end;
    std::optional<DeviceEnd::Event> event;  ///< of the last message

    void setup() override {
        options.device = "dev";
        desk.warm_up();
        end = std::make_unique<DeviceEnd>(*desk.journal, options);
    }
    std::uint32_t stream() {
        return desk.journal->own().id;
    }
    template <class T>
    std::optional<T> next() {
        const std::optional<Outgoing> out = end->next_message(desk.now);
        if (!out) {
            return std::nullopt;
        }
        Bytes whole = out->head;
        if (out->body) {
            append(whole, *out->body);
        }
        auto parsed = from_wire(whole);
        CHECK(parsed.has_value());
        CHECK(out->is_record == std::holds_alternative<Record>(*parsed));
        return std::holds_alternative<T>(*parsed) ? std::optional(std::get<T>(*parsed))
                                                  : std::nullopt;
    }
    /// "" or what was wrong.
    std::string hear(const Bytes& message) {
        auto result = end->received(message, desk.now);
        if (!result) {
            return result.error().message;
        }
        event = *std::move(result);
        return "";
    }
    template <class T>
    const T* happened() {
        return event ? std::get_if<T>(&*event) : nullptr;
    }
    void greet() {
        end->begin();
        CHECK(next<HelloMessage>().has_value());
    }
    void live(std::uint64_t through) {
        greet();
        STRCMP_EQUAL("", hear(to_wire(WelcomeMessage{{{stream(), through}}, 7, 1, 0, 9})).c_str());
    }
    /// The newest readings are closed into a record that may be sent.
    void sample(std::size_t count) {
        desk.sample(count);
        desk.now += desk.options.linger;
        (void)desk.write();
    }
};

TEST(DeviceEnd, hello_comes_first_and_nothing_else_before_welcome) {
    sample(1);
    CHECK(!end->next_message(desk.now));
    end->begin();
    const auto hello = next<HelloMessage>();
    STRCMP_EQUAL("dev", hello->device.c_str());
    LONGS_EQUAL(1, hello->open.size());
    CHECK(!end->next_message(desk.now));
    CHECK(!end->take_read(desk.now));
}

TEST(DeviceEnd, hello_that_went_ahead_is_not_said_again) {
    const auto ahead = from_wire(end->hello_ahead());
    CHECK(std::holds_alternative<HelloMessage>(*ahead));
    end->begin();
    CHECK(!end->next_message(desk.now));
    STRCMP_EQUAL("", hear(to_wire(WelcomeMessage{})).c_str());
    end->end();
    end->begin();
    CHECK(next<HelloMessage>().has_value());
}

TEST(DeviceEnd, welcome_tells_its_advice_and_the_time_and_sending_starts_behind_it) {
    sample(3);
    live(2);
    const auto* welcomed = happened<DeviceEnd::Welcomed>();
    CHECK(welcomed != nullptr && welcomed->heartbeat_advice == 9ms);
    LONGS_EQUAL(7, *welcomed->server_time_us);
    const auto record = next<Record>();
    CHECK(record.has_value());
    CHECK(end->awaits_acknowledgement());
    CHECK(end->is_fruitless());
}

TEST(DeviceEnd, a_welcome_that_was_not_asked_for_is_an_error) {
    STRCMP_CONTAINS("unasked", hear(to_wire(WelcomeMessage{})).c_str());
    end->begin();
    STRCMP_CONTAINS("unasked", hear(to_wire(WelcomeMessage{})).c_str());  // Hello was not sent
    CHECK(next<HelloMessage>().has_value());
    STRCMP_EQUAL("", hear(to_wire(WelcomeMessage{})).c_str());
    STRCMP_CONTAINS("unasked", hear(to_wire(WelcomeMessage{})).c_str());
}

TEST(DeviceEnd, an_acknowledgement_tells_how_long_the_record_took) {
    live(1);
    sample(2);
    CHECK(next<Record>().has_value());
    desk.now += 30ms;
    STRCMP_EQUAL("", hear(to_wire(AckMessage{stream(), 2})).c_str());
    CHECK(!happened<DeviceEnd::Acknowledged>()->round_trip);
    STRCMP_EQUAL("", hear(to_wire(AckMessage{stream(), 3})).c_str());
    CHECK(happened<DeviceEnd::Acknowledged>()->round_trip == 30ms);
    CHECK(end->has_acknowledged() && !end->awaits_acknowledgement());
    LONGS_EQUAL(3, end->own_acknowledged_through());
    LONGS_EQUAL(0, end->in_flight_bytes());
}

TEST(DeviceEnd, an_acknowledgement_out_of_place_is_an_error) {
    greet();
    CHECK(!hear(to_wire(AckMessage{stream(), 1})).empty());
    STRCMP_EQUAL("", hear(to_wire(WelcomeMessage{})).c_str());
    STRCMP_CONTAINS("stream 77", hear(to_wire(AckMessage{77, 1})).c_str());
}

TEST(DeviceEnd, a_refused_record_ends_the_sending_and_is_a_gap_on_the_next_line) {
    live(1);
    sample(2);
    const std::uint64_t first = next<Record>()->first_seq;
    STRCMP_EQUAL("", hear(to_wire(RefusalMessage{stream(), first, "no"})).c_str());
    LONGS_EQUAL(first, happened<DeviceEnd::Refused>()->first_seq);
    sample(1);
    CHECK(!end->next_message(desk.now));
    end->end();
    live(1);
    const auto gap = next<Record>();
    CHECK(gap && gap->kind == RecordKind::gap);
    LONGS_EQUAL(first, gap->first_seq);
    CHECK(next<Record>()->kind == RecordKind::batch);
}

TEST(DeviceEnd, goodbye_tells_how_long_to_stay_away_and_ends_the_sending) {
    live(1);
    sample(1);
    STRCMP_EQUAL("", hear(to_wire(GoodbyeMessage{"full", 5000})).c_str());
    const auto* away = happened<DeviceEnd::SentAway>();
    CHECK(away != nullptr && away->retry_after == 5s);
    STRCMP_EQUAL("full", away->reason.c_str());
    CHECK(!end->next_message(desk.now));
}

TEST(DeviceEnd, what_was_not_acknowledged_is_sent_again_on_the_next_line) {
    live(1);
    sample(2);
    LONGS_EQUAL(2, next<Record>()->first_seq);
    end->end();
    CHECK(!end->is_fruitless());
    LONGS_EQUAL(0, end->in_flight_bytes());
    live(1);
    LONGS_EQUAL(2, next<Record>()->first_seq);
}

TEST(DeviceEnd, commands_and_unknown_messages_are_answered_up_to_a_limit) {
    live(1);
    STRCMP_EQUAL("", hear({}).c_str());
    CHECK(!event);
    const auto result = next<ResultMessage>();
    CHECK(result && !result->ok && result->id == 0);
    for (int n = 0; n < 64; ++n) {
        STRCMP_EQUAL("", hear({}).c_str());
    }
    STRCMP_CONTAINS("faster", hear({}).c_str());
}
