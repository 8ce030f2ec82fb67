#include "firmware/uplink/uplink.h"

#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::line;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

TEST_GROUP(Backoff) {
    Random random{3};
};

TEST(Backoff, each_wait_lies_between_zero_and_a_bound_that_doubles) {
    for (int round = 0; round < 500; ++round) {
        Backoff backoff(500ms, 60s);
        Duration bound = 500ms;
        for (int n = 0; n < 40; ++n) {
            const Duration wait = backoff.next(random);
            CHECK(wait > 0us && wait <= bound);
            bound = std::min<Duration>(60s, bound * 2);
        }
    }
}

TEST(Backoff, the_jitter_uses_the_whole_range) {
    Duration least = 1h;
    Duration greatest{};
    for (int n = 0; n < 1000; ++n) {
        Backoff backoff(1s, 60s);
        const Duration wait = backoff.next(random);
        least = std::min(least, wait);
        greatest = std::max(greatest, wait);
    }
    CHECK(least < 50ms && greatest > 950ms);
}

TEST(Backoff, reset_begins_anew) {
    Backoff backoff(1s, 60s);
    for (int n = 0; n < 100; ++n) {
        (void)backoff.next(random);
    }
    backoff.reset();
    CHECK(backoff.next(random) <= 1s);
}

TEST_GROUP(Heartbeat) {
    Heartbeat heartbeat{25s, 10s};
    Instant start{1000s};
    void setup() override {
        heartbeat.opened(start);
    }
};

TEST(Heartbeat, a_silent_line_is_pinged_after_the_interval) {
    CHECK(heartbeat.deadline() == start + 25s);
    CHECK(!heartbeat.ping_due(start + 25s - 1us));
    CHECK(heartbeat.ping_due(start + 25s));
}

TEST(Heartbeat, an_unanswered_ping_is_the_end_after_the_timeout) {
    heartbeat.ping_sent(start + 25s);
    CHECK(!heartbeat.ping_due(start + 26s));
    CHECK(heartbeat.deadline() == start + 35s);
    CHECK(!heartbeat.dead(start + 35s - 1us));
    CHECK(heartbeat.dead(start + 35s));
}

TEST(Heartbeat, anything_heard_answers_a_ping) {
    heartbeat.ping_sent(start + 25s);
    heartbeat.heard(start + 30s, false);
    CHECK(!heartbeat.dead(start + 1h));
    CHECK(heartbeat.deadline() == start + 55s);
}

TEST(Heartbeat, an_overdue_answer_is_asked_for_before_the_interval_ends) {
    heartbeat.sent(start + 1s);
    heartbeat.sent(start + 9s);
    CHECK(heartbeat.deadline() == start + 11s);
    heartbeat.heard(start + 2s, true);
    CHECK(heartbeat.deadline() == start + 12s);
    heartbeat.settled();
    CHECK(heartbeat.deadline() == start + 27s);
}

TEST(Heartbeat, what_we_send_proves_nothing) {
    for (auto second = 1s; second < 25s; ++second) {
        heartbeat.sent(start + second);
    }
    CHECK(heartbeat.ping_due(start + 11s));
}

namespace {

template <class T>
std::optional<T> as(const std::optional<Outgoing>& message) {
    if (!message) {
        return std::nullopt;
    }
    Bytes whole = message->head;
    if (message->body) {
        append(whole, *message->body);
    }
    auto parsed = from_wire(whole);
    CHECK(parsed.has_value());
    if (!std::holds_alternative<T>(*parsed)) {
        return std::nullopt;
    }
    return std::get<T>(*parsed);
}

}  // namespace

TEST_GROUP(Uplink) {
    Desk desk;
    UplinkOptions options;
    std::optional<Uplink> uplink;

    void setup() override {
        options.device = "dev";
        desk.warm_up();
        make();
    }
    void make() {
        uplink.emplace(*desk.journal, options, desk.random);
    }
    bool hear(const Bytes& message) {
        uplink->heard(desk.now);
        return uplink->received(message, desk.now).has_value();
    }
    std::uint32_t stream() {
        return desk.journal->own().id;
    }
    void greet() {
        while (!uplink->connect_due(desk.now)) {
            desk.now = uplink->deadline();
        }
        uplink->connected(desk.now);
        CHECK(as<HelloMessage>(uplink->next_message(desk.now)).has_value());
    }
    void live(std::uint64_t through, std::uint64_t window = 0) {
        greet();
        CHECK(hear(to_wire(WelcomeMessage{{{stream(), through}}, 5, 1 << 20, window, 0})));
    }
    /// What was durable is a backlog now, of which the hub says that it has nothing.
    void live_after_crash() {
        desk.crash();
        make();
        greet();
        CHECK(hear(to_wire(WelcomeMessage{})));
    }
    std::optional<Record> sent() {
        return as<Record>(uplink->next_message(desk.now));
    }
    /// The newest readings are closed into a record that may be sent.
    void close() {
        desk.now += desk.options.linger;
        (void)desk.write();
    }
    bool acknowledge(std::uint64_t through) {
        return hear(to_wire(AckMessage{stream(), through}));
    }
    void read() {
        if (const auto read = uplink->take_read(desk.now)) {
            uplink->fetched(desk.store.read(read->position, read->max_bytes), desk.now);
        }
    }
};

TEST(Uplink, connects_at_once_says_hello_and_is_live_after_welcome) {
    CHECK(uplink->state() == Uplink::State::waiting);
    CHECK(uplink->connect_due(desk.now));
    CHECK(!uplink->connect_due(desk.now));
    CHECK(uplink->state() == Uplink::State::connecting);
    CHECK(uplink->deadline() == kNever);
    uplink->connected(desk.now);
    CHECK(uplink->state() == Uplink::State::greeting);
    const auto hello = as<HelloMessage>(uplink->next_message(desk.now));
    STRCMP_EQUAL("dev", hello->device.c_str());
    CHECK(hello->open.at(0).epoch == desk.journal->own().epoch);
    LONGS_EQUAL(1, hello->open.at(0).channels.size());
    CHECK(!uplink->next_message(desk.now));
    CHECK(hear(to_wire(WelcomeMessage{{{stream(), 1}}, 123, 1, 0, 0})));
    CHECK(uplink->state() == Uplink::State::live);
    LONGS_EQUAL(123, *uplink->take_server_time());
    CHECK(!uplink->take_server_time());
}

TEST(Uplink, no_welcome_in_time_ends_the_line) {
    greet();
    CHECK(!uplink->give_up(desk.now + options.welcome_timeout - 1us));
    CHECK(uplink->deadline() == desk.now + options.welcome_timeout);
    CHECK(uplink->give_up(desk.now + options.welcome_timeout)->code == ErrorCode::timeout);
}

TEST(Uplink, sending_starts_behind_what_the_hub_has) {
    desk.push(9);  // numbers 2 to 10
    desk.write();
    live(10);
    desk.sample(2);
    close();
    const auto record = sent();
    LONGS_EQUAL(11, record->first_seq);
    CHECK(!sent());
    LONGS_EQUAL(desk.journal->next_position() - 2, desk.journal->first_position());
}

TEST(Uplink, an_acknowledgement_gives_back_memory_and_rows) {
    live(1);
    desk.sample(3);
    close();
    LONGS_EQUAL(2, sent()->first_seq);
    CHECK(uplink->in_flight_bytes() > 0);
    desk.now += 30ms;
    CHECK(acknowledge(3));
    CHECK(uplink->in_flight_bytes() > 0);
    CHECK(acknowledge(4));
    LONGS_EQUAL(0, uplink->in_flight_bytes());
    CHECK(uplink->round_trip() == 30ms);
    LONGS_EQUAL(0, desk.journal->memory_used_bytes());
    LONGS_EQUAL(desk.journal->next_position(), desk.journal->first_position());
}

TEST(Uplink, no_more_than_the_window_is_in_flight) {
    live(1, 100);
    for (int i = 0; i < 10; ++i) {
        desk.sample(1);
        close();
    }
    int count = 0;
    while (sent()) {
        ++count;
    }
    CHECK(count >= 2 && count < 10);
    CHECK(uplink->in_flight_bytes() >= 100);
    CHECK(acknowledge(1 + static_cast<std::uint64_t>(count)));
    LONGS_EQUAL(count + 2, sent()->first_seq);
}

TEST(Uplink, a_backlog_is_read_from_the_store_in_order) {
    for (int i = 0; i < 200; ++i) {
        desk.push(1);
        desk.write();
    }
    desk.crash();
    make();
    options.read_bytes = 64;
    greet();
    CHECK(hear(to_wire(WelcomeMessage{})));
    desk.sample(1);
    close();
    std::uint64_t expected = 2;  // number 1 was acknowledged
    std::uint32_t old_run = 0;
    for (int turns = 0; turns < 1000; ++turns) {
        read();
        while (const auto message = uplink->next_message(desk.now)) {
            const auto record = as<Record>(message);
            if (!record) {
                continue;
            }
            if (record->kind == RecordKind::gap) {
                LONGS_EQUAL(1, record->first_seq);
                LONGS_EQUAL(1, record->last_seq);
                continue;
            }
            if (record->stream == stream()) {
                LONGS_EQUAL(202, expected);
                LONGS_EQUAL(1, record->first_seq);
                return;
            }
            old_run = record->stream;
            LONGS_EQUAL(expected, record->first_seq);
            expected += telemetry::decode(*record->body)->readings.size();
        }
    }
    FAIL("the backlog did not end");
    (void)old_run;
}

TEST(Uplink, an_error_of_the_store_is_told_and_the_read_tried_again) {
    desk.push(5);
    desk.write();
    live_after_crash();
    CHECK(uplink->take_read(desk.now).has_value());
    CHECK(!uplink->take_read(desk.now));
    uplink->fetched(fail(ErrorCode::io, "bad sector"), desk.now);
    LONGS_EQUAL(1, uplink->take_notices().size());
    CHECK(!uplink->take_read(desk.now));
    CHECK(uplink->deadline() == desk.now + 1s);
    desk.now += 1s;
    read();
    CHECK(uplink->next_message(desk.now).has_value());
}

TEST(Uplink, a_read_of_a_former_line_is_thrown_away) {
    desk.push(5);
    desk.write();
    live_after_crash();
    const auto late = uplink->take_read(desk.now);
    uplink->disconnected({ErrorCode::closed, "cut"}, desk.now);
    greet();
    CHECK(hear(to_wire(WelcomeMessage{})));
    CHECK(!uplink->take_read(desk.now));
    uplink->fetched(desk.store.read(late->position, 1), desk.now);
    CHECK(!sent());
    CHECK(uplink->take_read(desk.now).has_value());
}

TEST(Uplink, numbers_that_are_here_no_more_are_told_as_a_gap) {
    live(0);
    desk.sample(1);
    close();
    const auto gap = sent();
    CHECK(gap->kind == RecordKind::gap);
    LONGS_EQUAL(1, gap->first_seq);
    LONGS_EQUAL(1, gap->last_seq);
    CHECK(*decode_gap(*gap->body) == GapReason::unknown_past);
    LONGS_EQUAL(2, sent()->first_seq);
}

TEST(Uplink, a_hole_between_two_stored_records_is_told_as_damage) {
    desk.push(1);
    desk.journal->append(ClockFix{}, desk.now);
    desk.push(1);
    desk.write();
    live_after_crash();
    const auto wanted = uplink->take_read(desk.now);
    auto records = desk.store.read(wanted->position, 1u << 20).value();
    const std::uint64_t first = records.front().first_seq;
    LONGS_EQUAL(3, records.size());
    records.erase(records.begin() + 1);
    uplink->fetched(std::move(records), desk.now);
    std::vector<Record> seen;
    while (seen.size() < 4) {
        if (const auto record = as<Record>(uplink->next_message(desk.now))) {
            seen.push_back(*record);
        }
    }
    CHECK(*decode_gap(*seen[0].body) == GapReason::unknown_past);
    LONGS_EQUAL(first, seen[1].first_seq);
    CHECK(seen[2].kind == RecordKind::gap);
    LONGS_EQUAL(first + 1, seen[2].first_seq);
    LONGS_EQUAL(first + 1, seen[2].last_seq);
    CHECK(*decode_gap(*seen[2].body) == GapReason::corrupt);
    LONGS_EQUAL(first + 2, seen[3].first_seq);
}

TEST(Uplink, a_refused_record_is_a_gap_on_the_next_line_and_ends_this_one) {
    live(1);
    desk.sample(2);
    close();
    LONGS_EQUAL(2, sent()->first_seq);
    CHECK(hear(to_wire(RefusalMessage{stream(), 2, "nonsense"})));
    CHECK(uplink->give_up(desk.now).has_value());
    LONGS_EQUAL(1, uplink->take_notices().size());
    CHECK(!uplink->next_message(desk.now));
    uplink->disconnected(*uplink->give_up(desk.now), desk.now);
    live(1);
    const auto gap = sent();
    CHECK(gap->kind == RecordKind::gap);
    LONGS_EQUAL(2, gap->first_seq);
    LONGS_EQUAL(3, gap->last_seq);
    CHECK(*decode_gap(*gap->body) == GapReason::corrupt);
    CHECK(acknowledge(3));
    LONGS_EQUAL(desk.journal->next_position(), desk.journal->first_position());
}

TEST(Uplink, a_refused_record_stays_refused_where_it_was_merged_with_its_neighbours) {
    live(1);
    desk.sample(2);
    close();
    (void)sent();
    CHECK(hear(to_wire(RefusalMessage{stream(), 2, "nonsense"})));
    uplink->disconnected(*uplink->give_up(desk.now), desk.now);
    desk.sample(1);
    desk.now += desk.options.commit_interval;
    desk.write();
    // Memory forgets what is written, and the store has one row of both.
    greet();
    CHECK(hear(to_wire(WelcomeMessage{{{stream(), 1}}, 0, 0, 0, 0})));
    Record merged;
    std::optional<Record> gap = sent();
    CHECK(gap->kind == RecordKind::gap);
    CHECK(gap->last_seq >= 3);
}

TEST(Uplink, goodbye_is_obeyed) {
    live(1);
    CHECK(hear(to_wire(GoodbyeMessage{"maintenance", 7000})));
    const auto error = uplink->give_up(desk.now);
    CHECK(error.has_value() && error->message.find("maintenance") != std::string::npos);
    uplink->disconnected(*error, desk.now);
    CHECK(!uplink->connect_due(desk.now + 7s));
    CHECK(uplink->connect_due(desk.now + 7s + options.retry_min));
}

TEST(Uplink, goodbye_for_longer_than_an_hour_is_an_hour) {
    live(1);
    CHECK(hear(to_wire(GoodbyeMessage{"", ~0u})));
    uplink->disconnected(*uplink->give_up(desk.now), desk.now);
    CHECK(uplink->deadline() <= desk.now + 1h + options.retry_min);
}

TEST(Uplink, a_line_without_pong_is_dead) {
    live(1);
    desk.now += options.heartbeat;
    CHECK(uplink->ping_due(desk.now));
    uplink->ping_sent(desk.now);
    CHECK(!uplink->ping_due(desk.now));
    CHECK(!uplink->give_up(desk.now + options.pong_timeout - 1us));
    CHECK(uplink->give_up(desk.now + options.pong_timeout)->code == ErrorCode::timeout);
    STRCMP_EQUAL("the line is dead: no answer to a ping within 10 s",
                 uplink->give_up(desk.now + options.pong_timeout)->message.c_str());
    uplink->heard(desk.now + 1s);
    CHECK(!uplink->give_up(desk.now + options.pong_timeout));
    CHECK(uplink->round_trip() == 1s);
}

TEST(Uplink, an_acknowledged_line_is_pinged_after_the_whole_interval) {
    live(1);
    desk.sample(1);
    close();
    (void)sent();
    CHECK(uplink->deadline() == desk.now + options.pong_timeout);
    CHECK(acknowledge(2));
    CHECK(uplink->deadline() == desk.now + options.heartbeat);
}

TEST(Uplink, waits_grow_until_a_line_was_stable) {
    for (int i = 0; i < 12; ++i) {
        greet();
        uplink->disconnected({ErrorCode::refused, "no"}, desk.now);
    }
    Duration longest{};
    for (int i = 0; i < 20; ++i) {
        live(1);
        desk.now += options.stable_after - 1us;
        uplink->disconnected({ErrorCode::closed, "cut"}, desk.now);
        longest = std::max(longest, uplink->deadline() - desk.now);
    }
    CHECK(longest > 10s);
    live(1);
    desk.now += options.stable_after;
    uplink->disconnected({ErrorCode::closed, "cut"}, desk.now);
    CHECK(uplink->deadline() - desk.now <= options.retry_min);
    LONGS_EQUAL(21, uplink->reconnects());
    STRCMP_EQUAL("cut", uplink->last_error().c_str());
}

TEST(Uplink, what_breaks_the_contract_is_an_error) {
    greet();
    CHECK(!acknowledge(1));
    CHECK(hear(to_wire(WelcomeMessage{{{stream(), 1}, {99, 7}}, 0, 0, 0, 0})));
    CHECK(!hear(to_wire(WelcomeMessage{})));
    CHECK(!hear(to_wire(AckMessage{99, 1})));
    CHECK(!hear(Bytes(3, std::byte{0xFF})));
}

TEST(Uplink, welcome_before_hello_was_sent_is_an_error) {
    CHECK(uplink->connect_due(desk.now));
    uplink->connected(desk.now);
    CHECK(!hear(to_wire(WelcomeMessage{})));
}

TEST(Uplink, unknown_messages_are_answered_within_a_limit_and_on_their_own_line_only) {
    live(1);
    CHECK(hear({}));
    const auto answer = as<ResultMessage>(uplink->next_message(desk.now));
    CHECK(answer && !answer->ok && answer->id == 0);
    for (int i = 0; i < 64; ++i) {
        CHECK(hear({}));
    }
    CHECK(!hear({}));
    uplink->disconnected({ErrorCode::closed, "cut"}, desk.now);
    live(1);
    CHECK(!uplink->next_message(desk.now));
}

TEST(Uplink, a_new_channel_is_declared_before_its_first_reading) {
    live(1);
    desk.add(1, Promise::by_deadline, nullptr, "later");
    close();
    const auto open = as<OpenMessage>(uplink->next_message(desk.now));
    LONGS_EQUAL(1, open->channels.size());
    LONGS_EQUAL(2, open->channels[0].id);
    STRCMP_EQUAL("later", open->channels[0].channel.name.c_str());
    LONGS_EQUAL(2, sent()->first_seq);
}

TEST(Uplink, what_was_in_flight_at_a_cut_is_sent_again) {
    live(1);
    desk.sample(2);
    close();
    LONGS_EQUAL(2, sent()->first_seq);
    uplink->disconnected({ErrorCode::closed, "cut"}, desk.now);
    LONGS_EQUAL(0, uplink->in_flight_bytes());
    live(2);
    LONGS_EQUAL(2, sent()->first_seq);
}
