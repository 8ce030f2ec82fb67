#include "firmware/hub/line.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

TEST_GROUP(Line) {
    Desk desk{hub_options()};
    hub::Fleet fleet;
    hub::LiveFeed live;
    hub::LineOptions options;
    std::unique_ptr<hub::Line> line;

    static JournalOptions hub_options() {
        JournalOptions given;
        given.owes_upstream = false;
        return given;
    }
    void setup() override {
        connect("a");
    }
    void teardown() override {
        line.reset();
    }
    void connect(const std::string& device, bool relay = false) {
        line = std::make_unique<hub::Line>(hub::Shared{*desk.journal, fleet, live},
                                           hub::Admission{device, relay, "addr"}, options);
    }
    Now now() {
        return {desk.now, WallTime(1'000'000s)};
    }
    /// "" or what was wrong.
    std::string tell(const Bytes& message) {
        const auto result = line->received(message, now());
        return result ? "" : result.error().message;
    }
    static OpenMessage opened(std::uint32_t stream, const std::string& origin, Epoch epoch = {9, 1},
                              std::uint32_t channels = 1) {
        OpenMessage open{stream, origin, epoch, {}};
        for (std::uint32_t id = 1; id <= channels; ++id) {
            open.channels.push_back({id, {"c" + std::to_string(id), "m"}});
        }
        return open;
    }
    static HelloMessage hello(const std::string& device, std::vector<OpenMessage> open) {
        return {device, 1, "test", 3, std::move(open)};
    }
    static Bytes batch(std::uint32_t stream, std::uint64_t first, std::size_t count,
                       telemetry::ChannelId channel = 1) {
        telemetry::Batch readings;
        for (std::size_t i = 0; i < count; ++i) {
            readings.readings.push_back({channel, 5, static_cast<std::int64_t>(first + i)});
        }
        Record record;
        record.first_seq = first;
        record.body = std::make_shared<const Bytes>(telemetry::encode(readings));
        Bytes message = wire_head(record, stream);
        append(message, *record.body);
        return message;
    }
    static Bytes gap(std::uint32_t stream, std::uint64_t first, std::uint64_t last) {
        Record record;
        record.kind = RecordKind::gap;
        record.first_seq = first;
        record.last_seq = last;
        record.body = std::make_shared<const Bytes>(encode(GapReason::evicted));
        return wire_head(record, stream);
    }
    void commit() {
        while (desk.write() >= 0) {
        }
        line->durable();
    }
    template <class T>
    std::optional<T> answer() {
        const auto message = line->next_message();
        if (!message) {
            return std::nullopt;
        }
        auto parsed = from_wire(*message);
        return std::holds_alternative<T>(*parsed) ? std::optional(std::get<T>(*parsed))
                                                  : std::nullopt;
    }
    std::uint64_t acknowledged() {
        const auto ack = answer<AckMessage>();
        return ack ? ack->through : 0;
    }
    void welcome() {
        STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(1, "a")}))).c_str());
        commit();
        CHECK(answer<WelcomeMessage>().has_value());
    }
    /// Values of origin "a" as stored: each is its own number, a gap is 0.
    std::vector<std::int64_t> stored() {
        std::vector<std::int64_t> out;
        const auto records = desk.store.read(1, 1u << 30);
        for (const Record& record : *records) {
            if (record.kind != RecordKind::batch) {
                out.push_back(0);
                continue;
            }
            const auto batch_of = telemetry::decode(*record.body);
            for (const telemetry::Reading& reading : batch_of->readings) {
                out.push_back(std::get<std::int64_t>(reading.value));
            }
        }
        return out;
    }
};

TEST(Line, welcome_tells_what_is_there_and_the_limits) {
    options.window_bytes = 77;
    connect("a");
    STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(5, "a")}))).c_str());
    commit();
    const auto told = answer<WelcomeMessage>();
    LONGS_EQUAL(5, told->acknowledged.at(0).stream);
    LONGS_EQUAL(0, told->acknowledged.at(0).through);
    LONGS_EQUAL(77, told->window_bytes);
    CHECK(told->server_time_us == 1'000'000'000'000);
    CHECK(fleet["a"].online);
    LONGS_EQUAL(3, *fleet["a"].backlog);
}

TEST(Line, welcome_waits_until_what_was_accepted_is_durable) {
    welcome();
    STRCMP_EQUAL("", tell(batch(1, 1, 3)).c_str());
    connect("a");
    STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(1, "a")}))).c_str());
    line->durable();
    CHECK(!line->next_message());
    commit();
    LONGS_EQUAL(3, answer<WelcomeMessage>()->acknowledged.at(0).through);
}

TEST(Line, welcome_tells_nothing_that_another_line_has_added_meanwhile) {
    welcome();
    STRCMP_EQUAL("", tell(batch(1, 1, 3)).c_str());
    hub::Line other({*desk.journal, fleet, live}, {"a", false, ""}, options);
    CHECK(other.received(to_wire(hello("a", {opened(1, "a")})), now()).has_value());
    const auto write = desk.journal->take_write(desk.now);
    STRCMP_EQUAL("", tell(batch(1, 4, 3)).c_str());
    desk.journal->written(desk.store.write(*write), desk.now);
    other.durable();
    const auto told = from_wire(*other.next_message());
    LONGS_EQUAL(3, std::get<WelcomeMessage>(*told).acknowledged.at(0).through);
    other.superseded();
}

TEST(Line, an_acknowledgement_comes_after_the_commit_and_covers_all_of_it) {
    welcome();
    STRCMP_EQUAL("", tell(batch(1, 1, 3)).c_str());
    STRCMP_EQUAL("", tell(batch(1, 4, 2)).c_str());
    line->durable();
    CHECK(!line->next_message());
    commit();
    LONGS_EQUAL(5, acknowledged());
    CHECK(!line->next_message());
    CHECK((stored() == std::vector<std::int64_t>{1, 2, 3, 4, 5}));
    LONGS_EQUAL(5, fleet["a"].readings);
}

TEST(Line, duplicates_are_acknowledged_and_ignored) {
    welcome();
    (void)tell(batch(1, 1, 3));
    STRCMP_EQUAL("", tell(batch(1, 1, 3)).c_str());
    STRCMP_EQUAL("", tell(gap(1, 2, 2)).c_str());
    commit();
    LONGS_EQUAL(3, acknowledged());
    STRCMP_EQUAL("", tell(batch(1, 2, 1)).c_str());
    LONGS_EQUAL(3, acknowledged());
    CHECK((stored() == std::vector<std::int64_t>{1, 2, 3}));
}

TEST(Line, of_an_overlap_the_new_part_is_taken) {
    welcome();
    (void)tell(batch(1, 1, 3));
    STRCMP_EQUAL("", tell(batch(1, 2, 4)).c_str());
    STRCMP_EQUAL("", tell(gap(1, 4, 9)).c_str());
    STRCMP_EQUAL("", tell(batch(1, 10, 1)).c_str());
    commit();
    LONGS_EQUAL(10, acknowledged());
    CHECK((stored() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 0, 10}));
}

TEST(Line, a_hole_is_an_error_and_a_gap_is_none) {
    welcome();
    STRCMP_CONTAINS("number 1 of a was expected, 2 came", tell(batch(1, 2, 1)).c_str());
    STRCMP_EQUAL("", tell(gap(1, 1, 1)).c_str());
    STRCMP_EQUAL("", tell(batch(1, 2, 1)).c_str());
    LONGS_EQUAL(1, fleet["a"].gaps);
}

TEST(Line, impossible_numbers_are_errors) {
    welcome();
    CHECK(!tell(batch(1, 0, 1)).empty());
    CHECK(!tell(batch(1, ~0ull, 1)).empty());
    CHECK(!tell(gap(1, 5, 4)).empty());
    CHECK(!tell(gap(1, 1, ~0ull)).empty());
}

TEST(Line, a_malformed_batch_is_refused_and_what_follows_is_passed_over) {
    welcome();
    Record record;
    record.first_seq = 1;
    record.body = std::make_shared<const Bytes>(Bytes(7, std::byte{0xEE}));
    Bytes message = wire_head(record, 1);
    append(message, *record.body);
    STRCMP_EQUAL("", tell(message).c_str());
    LONGS_EQUAL(1, answer<RefusalMessage>()->first_seq);
    STRCMP_EQUAL("", tell(batch(1, 5, 2)).c_str());
    commit();
    CHECK(!line->next_message());
    STRCMP_EQUAL("", tell(gap(1, 1, 4)).c_str());
    STRCMP_EQUAL("", tell(batch(1, 5, 2)).c_str());
    commit();
    LONGS_EQUAL(6, acknowledged());
}

TEST(Line, a_channel_that_was_not_declared_is_refused) {
    welcome();
    STRCMP_EQUAL("", tell(batch(1, 1, 1, 2)).c_str());
    STRCMP_CONTAINS("was not declared", answer<RefusalMessage>()->reason.c_str());
    connect("a");
    STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(1, "a", {9, 1}, 2)}))).c_str());
    STRCMP_EQUAL("", tell(batch(1, 1, 1, 2)).c_str());
    commit();
    CHECK((stored() == std::vector<std::int64_t>{1}));
}

TEST(Line, a_batch_over_the_limit_is_refused) {
    options.max_batch_bytes = 4;
    connect("a");
    welcome();
    STRCMP_EQUAL("", tell(batch(1, 1, 100)).c_str());
    CHECK(answer<RefusalMessage>().has_value());
}

TEST(Line, hello_comes_first_once_and_from_the_admitted_device) {
    STRCMP_CONTAINS("must be Hello", tell(batch(1, 1, 1)).c_str());
    STRCMP_CONTAINS("token is of device \"a\"", tell(to_wire(hello("b", {}))).c_str());
    STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(1, "a")}))).c_str());
    STRCMP_EQUAL("", tell(batch(1, 1, 1)).c_str());
    STRCMP_CONTAINS("second Hello", tell(to_wire(hello("a", {opened(1, "a")}))).c_str());
}

TEST(Line, hello_that_is_repeated_at_once_is_passed_over_and_answered_once) {
    const Bytes first = to_wire(hello("a", {opened(1, "a")}));
    STRCMP_EQUAL("", tell(first).c_str());
    STRCMP_EQUAL("", tell(first).c_str());
    commit();
    CHECK(answer<WelcomeMessage>().has_value());
    CHECK(!line->next_message());
    LONGS_EQUAL(1, fleet["a"].connects);
    STRCMP_EQUAL("", tell(batch(1, 1, 1)).c_str());
    STRCMP_CONTAINS("second Hello", tell(first).c_str());
    connect("a");
    STRCMP_EQUAL("", tell(first).c_str());
    STRCMP_EQUAL("", tell(first).c_str());
    STRCMP_CONTAINS("second Hello", tell(first).c_str());
    connect("a");
    HelloMessage of_another_start = hello("a", {});
    of_another_start.boot += 1;
    STRCMP_EQUAL("", tell(first).c_str());
    STRCMP_CONTAINS("second Hello", tell(to_wire(of_another_start)).c_str());
}

TEST(Line, only_a_relay_may_speak_for_others) {
    STRCMP_CONTAINS("may not speak for \"b\"", tell(to_wire(hello("a", {opened(1, "b")}))).c_str());
    connect("site", true);
    STRCMP_EQUAL("", tell(to_wire(hello("site", {opened(1, "site"), opened(2, "b")}))).c_str());
    STRCMP_EQUAL("", tell(batch(2, 1, 1)).c_str());
    STRCMP_EQUAL("site", fleet["b"].via.c_str());
}

TEST(Line, streams_that_make_no_sense_are_errors) {
    options.max_streams = 2;
    connect("a");
    welcome();
    CHECK(!tell(batch(7, 1, 1)).empty());
    STRCMP_CONTAINS("opened twice", tell(to_wire(opened(1, "a", {9, 2}))).c_str());
    CHECK(!tell(to_wire(opened(2, ""))).empty());
    CHECK(!tell(to_wire(opened(2, std::string(65, 'a')))).empty());
    STRCMP_EQUAL("", tell(to_wire(opened(2, "a", {9, 2}))).c_str());
    STRCMP_CONTAINS("more than 2 streams", tell(to_wire(opened(3, "a", {9, 3}))).c_str());
    STRCMP_EQUAL("", tell(to_wire(opened(2, "a", {9, 2}, 2))).c_str());
}

TEST(Line, a_device_with_the_name_of_the_hub_is_told) {
    connect("dev");  // the desk's own origin
    STRCMP_CONTAINS("id of its own", tell(to_wire(hello("dev", {opened(1, "dev")}))).c_str());
}

TEST(Line, an_open_is_answered_with_what_is_there_of_it) {
    welcome();
    STRCMP_EQUAL("", tell(to_wire(opened(2, "a", {9, 2}))).c_str());
    commit();
    const auto ack = answer<AckMessage>();
    LONGS_EQUAL(2, ack->stream);
    LONGS_EQUAL(0, ack->through);
}

TEST(Line, an_older_run_is_all_there) {
    welcome();
    (void)tell(batch(1, 1, 1));
    (void)tell(to_wire(opened(2, "a", {9, 2})));
    (void)tell(batch(2, 1, 1));
    STRCMP_EQUAL("", tell(batch(1, 2, 1)).c_str());
    commit();
    CHECK((stored() == std::vector<std::int64_t>{1, 1}));
}

TEST(Line, while_storage_fails_devices_are_sent_away) {
    welcome();
    (void)tell(batch(1, 1, 1));
    desk.store.fail_next();
    (void)desk.write();
    STRCMP_EQUAL("", tell(batch(1, 2, 1)).c_str());
    const auto bye = answer<GoodbyeMessage>();
    LONGS_EQUAL(10'000, bye->retry_after_ms);
    CHECK(line->said_goodbye());
    LONGS_EQUAL(1, desk.journal->accepted_through(2));
    connect("b");
    STRCMP_EQUAL("", tell(to_wire(hello("b", {opened(1, "b")}))).c_str());
    CHECK(answer<GoodbyeMessage>().has_value());
}

TEST(Line, a_device_that_waits_for_its_welcome_while_the_write_fails_is_sent_away) {
    desk.store.fail_next();
    STRCMP_EQUAL("", tell(to_wire(hello("a", {opened(1, "a")}))).c_str());
    (void)desk.journal->append_received([&] {
        Record record;
        record.stream = desk.journal->open_stream("a", {9, 1}).id;
        record.kind = RecordKind::gap;
        record.first_seq = record.last_seq = 1;
        record.body = std::make_shared<const Bytes>(encode(GapReason::evicted));
        return record;
    }());
    (void)desk.write();
    connect("b");
    (void)tell(to_wire(hello("b", {})));
    CHECK(answer<GoodbyeMessage>().has_value());
}

TEST(Line, unknown_messages_are_answered_and_noise_is_an_error) {
    welcome();
    STRCMP_EQUAL("", tell({}).c_str());
    const auto result = answer<ResultMessage>();
    CHECK(result && !result->ok && result->id == 0);
    CHECK(!tell(Bytes(3, std::byte{0xFF})).empty());
}

TEST(Line, a_line_without_hello_is_answered_and_touches_nothing) {
    STRCMP_EQUAL("", tell({}).c_str());
    const auto result = answer<ResultMessage>();
    CHECK(result && !result->ok);
    CHECK(!line->greeted());
    LONGS_EQUAL(0, line->boot());
    CHECK(fleet.empty());
    line.reset();
    CHECK(fleet.empty());
}

TEST(Line, one_device_is_told_from_two_with_one_id) {
    const auto greeted = [this](std::uint64_t boot, std::vector<OpenMessage> open) {
        connect("a", true);
        HelloMessage message = hello("a", std::move(open));
        message.boot = boot;
        STRCMP_EQUAL("", tell(to_wire(message)).c_str());
        return std::move(line);
    };
    const auto first = greeted(7, {opened(1, "a", {9, 1}), opened(2, "b", {5, 1})});
    LONGS_EQUAL(7, first->boot());
    CHECK(greeted(7, {opened(1, "a", {9, 2})})->is_of_the_same_device(*first));
    CHECK(greeted(7, {})->is_of_the_same_device(*first));
    CHECK(!greeted(8, {opened(1, "a", {9, 1})})->is_of_the_same_device(*first));
    // Two containers of one machine, behind which the same device is.
    CHECK(!greeted(7, {opened(1, "a", {10, 1}), opened(2, "b", {5, 1})})
               ->is_of_the_same_device(*first));
    const auto nameless = greeted(0, {});
    CHECK(!greeted(0, {})->is_of_the_same_device(*nameless));
    connect("a");
    CHECK(!line->is_of_the_same_device(*first));
}

TEST(Line, the_end_of_a_line_is_seen_unless_a_newer_one_took_its_place) {
    welcome();
    line.reset();
    CHECK(!fleet["a"].online);
    connect("a");
    welcome();
    line->superseded();
    STRCMP_EQUAL("", tell(batch(1, 1, 1)).c_str());
    line.reset();
    CHECK(fleet["a"].online);
    LONGS_EQUAL(0, desk.journal->accepted_through(2));
}
