#include "firmware/ingest/append.h"

#include "tests/firmware/ingest/input_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ingest;

namespace {

journal::JournalOptions two_channels() {
    journal::JournalOptions options;
    options.channels_per_origin = 2;
    return options;
}

constexpr Stamp kBooted{7, 5'000'000};
constexpr Stamp kKnown{0, 1'800'000'000'000'000};

}  // namespace

TEST_GROUP(Append) {
    InputDesk desk{two_channels()};
    hub::Shared shared = desk.shared();

    std::expected<std::uint64_t, telemetry::JsonError> give(
        std::string_view json, Stamp stamp, const journal::SourcePosition* source = nullptr) {
        auto readings = telemetry::parse_readings(json);
        CHECK_TRUE(readings.has_value());
        return append_readings(shared, *readings, stamp, journal::Promise::now, source,
                               desk.desk.now);
    }
    static constexpr const char* kMixed =
        R"([{"channel":"t","value":1},
            {"channel":"t","value":2,"time":"2027-01-01T00:00:00Z"},
            {"channel":"u","value":3,"time":"2027-01-01T00:00:01Z"},
            {"channel":"u","value":4}])";
};

TEST(Append, while_the_clock_is_not_known_timed_and_untimed_readings_are_batches_of_their_own) {
    const auto end = give(kMixed, kBooted);
    CHECK_TRUE(end.has_value());
    desk.commit();
    LONGS_EQUAL(*end, desk.desk.journal->durable_before());
    const auto batches = desk.batches();
    LONGS_EQUAL(3, batches.size());
    LONGS_EQUAL(7, batches[0].boot);
    LONGS_EQUAL(0, batches[1].boot);
    LONGS_EQUAL(7, batches[2].boot);
    LONGS_EQUAL(1, batches[0].readings.size());
    LONGS_EQUAL(2, batches[1].readings.size());
    LONGS_EQUAL(1, batches[2].readings.size());
    LONGS_EQUAL(5'000'000, batches[0].readings[0].time_us);
    LONGS_EQUAL(1'000'000, batches[1].readings[1].time_us - batches[1].readings[0].time_us);
    LONGS_EQUAL(5'000'000, batches[2].readings[0].time_us);
    STRCMP_EQUAL("u", desk.channel(batches[2].readings[0].channel).c_str());
}

TEST(Append, while_the_clock_is_known_all_are_one_batch_and_keep_their_own_times) {
    CHECK_TRUE(give(kMixed, kKnown).has_value());
    desk.commit();
    const auto batches = desk.batches();
    LONGS_EQUAL(1, batches.size());
    LONGS_EQUAL(0, batches[0].boot);
    LONGS_EQUAL(4, batches[0].readings.size());
    CHECK_TRUE(batches[0].readings[0].time_us == kKnown.time_us);
    CHECK_TRUE(batches[0].readings[1].time_us < kKnown.time_us);
    CHECK_TRUE(batches[0].readings[3].time_us == kKnown.time_us);
}

TEST(Append, all_parts_carry_the_source_so_that_none_is_sent_before_all_are_durable) {
    desk.desk.warm_up();
    const journal::SourcePosition source{"s", 100, 3};
    const std::uint64_t first = desk.desk.journal->next_position();
    CHECK_TRUE(give(kMixed, kBooted, &source).has_value());
    desk.pass(desk.desk.options.linger);
    CHECK_FALSE(desk.desk.journal->next(first).record.has_value());
    LONGS_EQUAL(0, desk.desk.journal->durable_source("s"));
    const auto write = desk.desk.journal->take_write(desk.desk.now);
    LONGS_EQUAL(3, write->records.size());
    LONGS_EQUAL(1, write->sources.size());
    desk.desk.journal->written(desk.desk.store.write(*write), desk.desk.now);
    LONGS_EQUAL(100, desk.desk.journal->durable_source("s"));
    CHECK_TRUE(desk.desk.journal->next(first).record.has_value());
}

TEST(Append, a_position_without_readings_is_committed_too) {
    const journal::SourcePosition source{"s", 100, 3};
    CHECK_TRUE(give("[]", kKnown, &source).has_value());
    desk.commit();
    LONGS_EQUAL(100, desk.desk.journal->durable_source("s"));
    LONGS_EQUAL(0, desk.readings().size());
}

TEST(Append, a_channel_that_cannot_be_added_takes_nothing_and_is_named_by_its_place) {
    const journal::SourcePosition source{"s", 100, 3};
    const auto end = give(R"([{"channel":"t","value":1},{"channel":"u","value":2},
                              {"channel":"v","value":3}])",
                          kKnown, &source);
    CHECK_FALSE(end.has_value());
    LONGS_EQUAL(2, end.error().at);
    LONGS_EQUAL(1, desk.desk.journal->own_next_seq());
    desk.commit();
    LONGS_EQUAL(0, desk.readings().size());
    LONGS_EQUAL(0, desk.desk.journal->durable_source("s"));
}

TEST(Append, the_fleet_knows_the_last_value_of_each_channel) {
    CHECK_TRUE(give(kMixed, kKnown).has_value());
    LONGS_EQUAL(2, desk.fleet["dev"].channels.size());
    LONGS_EQUAL(4, desk.fleet["dev"].readings);
    LONGS_EQUAL(4, (desk.fleet["dev"].channels[{"u", ""}].seq));
}
