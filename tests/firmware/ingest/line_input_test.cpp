#include "firmware/ingest/line_input.h"

#include "platform/simulated/line_source.h"
#include "tests/firmware/ingest/input_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::ingest;
using namespace std::chrono_literals;

namespace {

journal::JournalOptions little_memory() {
    journal::JournalOptions options;
    options.memory_bytes = 16u << 10;
    options.channels_per_origin = 2;
    return options;
}

/// A pipe cannot be read again.
class Pipe final : public ports::LineSource {
public:
    explicit Pipe(Handler given) : handler(std::move(given)) {}
    [[nodiscard]] bool remembers() const override { return false; }
    void pause() override {}
    void resume() override {}
    Handler handler;
};

}  // namespace

TEST_GROUP(LineInput) {
    InputDesk desk{little_memory()};
    simulated::LineFile file;
    std::unique_ptr<InputContext> context;
    std::unique_ptr<LineInput> input;
    ports::LineSource::Handler handler;

    void setup() override {
        open();
    }
    void teardown() override {
        input.reset();
    }
    void open() {
        input.reset();
        context = std::make_unique<InputContext>(desk.context());
        input =
            std::make_unique<LineInput>(*context, SensorOptions{.driver = "lines", .path = "/log"},
                                        [this](const std::string& path, ports::LinePosition start,
                                               ports::LineSource::Handler given) {
                                            STRCMP_EQUAL("/log", path.c_str());
                                            handler = given;
                                            return std::make_unique<simulated::LineSource>(
                                                desk.clock, file, start, std::move(given));
                                        });
    }
    /// The program is killed, and starts again.
    void crash() {
        input.reset();
        desk.desk.crash();
        open();
    }
    void append_numbers(int first, int last) {
        for (int n = first; n <= last; ++n) {
            file.append(R"({"channel":"t","value":)" + std::to_string(n) + "}");
        }
    }
    std::vector<std::int64_t> values() {
        std::vector<std::int64_t> out;
        for (const telemetry::Reading& reading : desk.readings()) {
            out.push_back(std::get<std::int64_t>(reading.value));
        }
        return out;
    }
    void pass(Duration time = 1ms) {
        desk.pass(time);
    }
    void commit() {
        desk.commit();
        input->journal_moved();
    }
};

// ---- The position

TEST(LineInput, lines_become_readings_with_the_position_behind_them) {
    append_numbers(1, 3);
    pass();
    const auto write = desk.desk.journal->take_write(desk.desk.now);
    CHECK_TRUE(write.has_value());
    LONGS_EQUAL(1, write->sources.size());
    STRCMP_EQUAL("lines:/log", write->sources[0].name.c_str());
    LONGS_EQUAL(file.inode(), write->sources[0].tag);
    LONGS_EQUAL(3, file.lines_before(write->sources[0].position));
    std::uint64_t readings = 0;
    for (const journal::Record& record : write->records) {
        readings += record.last_seq - record.first_seq + 1;
    }
    LONGS_EQUAL(3, readings);
    LONGS_EQUAL(1, desk.appended);
    CHECK_TRUE(input->state().last_time.has_value());
    STRCMP_EQUAL("lines /log", input->state().driver.c_str());
}

TEST(LineInput, after_a_restart_no_line_is_lost_and_none_is_doubled) {
    append_numbers(1, 3);
    pass();
    commit();
    append_numbers(4, 6);
    pass();
    crash();  // the last three were not durable
    append_numbers(7, 7);
    pass();
    commit();
    CHECK_TRUE((values() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7}));
}

TEST(LineInput, of_an_empty_line_only_the_position_is_kept) {
    file.append("");
    file.append(" \t");
    pass();
    commit();
    LONGS_EQUAL(0, desk.readings().size());
    LONGS_EQUAL(2, file.lines_before(desk.desk.journal->durable_source("lines:/log")));
    LONGS_EQUAL(0, desk.log.size());
}

TEST(LineInput, a_line_may_hold_several_readings) {
    file.append(R"([{"channel":"t","value":1},{"channel":"t","value":2}])");
    pass();
    commit();
    LONGS_EQUAL(2, desk.readings().size());
}

TEST(LineInput, what_cannot_be_read_again_has_no_position_and_waits_for_the_commit_interval) {
    desk.desk.warm_up();
    pass(1min);
    Pipe* pipe = nullptr;
    InputContext of_the_pipe = desk.context();
    const LineInput of_a_pipe(
        of_the_pipe, SensorOptions{.driver = "lines", .path = "-"},
        [&](const std::string&, ports::LinePosition, ports::LineSource::Handler given) {
            auto made = std::make_unique<Pipe>(std::move(given));
            pipe = made.get();
            return made;
        });
    const std::vector<std::string_view> lines{R"({"channel":"t","value":1})"};
    pipe->handler.on_lines(lines, {});
    CHECK_TRUE(desk.desk.journal->deadline() > desk.desk.now);
    LONGS_EQUAL(0, desk.desk.journal->source("lines:-").position);
    desk.commit();
    LONGS_EQUAL(1, desk.readings().size());
    pipe->handler.on_end();
    LONGS_EQUAL(1, desk.logged("sensors: lines -: the input has ended"));
}

// ---- Bad lines

TEST(LineInput, a_bad_line_costs_itself_and_is_named) {
    append_numbers(1, 1);
    file.append("nonsense");
    append_numbers(2, 2);
    pass();
    commit();
    CHECK_TRUE((values() == std::vector<std::int64_t>{1, 2}));
    LONGS_EQUAL(1, desk.logged("passed over 1 line(s)"));
    LONGS_EQUAL(1, desk.logged(": nonsense"));
    CHECK_FALSE(input->state().last_error.empty());
}

TEST(LineInput, of_bad_lines_one_in_ten_seconds_is_logged_with_the_count_of_all) {
    for (int i = 0; i < 50; ++i) {
        file.append("nonsense " + std::to_string(i));
        pass(100ms);
    }
    LONGS_EQUAL(1, desk.log.size());
    pass(10s);
    file.append("the last");
    pass();
    LONGS_EQUAL(2, desk.log.size());
    LONGS_EQUAL(1, desk.logged("passed over 50 line(s)"));
    LONGS_EQUAL(1, desk.logged(": the last"));
}

TEST(LineInput, a_bad_line_is_quoted_in_part) {
    file.append(std::string(1000, 'x'));
    pass();
    LONGS_EQUAL(1, desk.log.size());
    CHECK_TRUE(desk.log[0].second.size() < 300);
}

TEST(LineInput, a_line_whose_channel_is_refused_costs_itself_only) {
    append_numbers(1, 1);
    file.append(R"({"channel":"u","value":2})");
    file.append(R"({"channel":"one too many","value":3})");
    append_numbers(4, 4);
    pass();
    commit();
    CHECK_TRUE((values() == std::vector<std::int64_t>{1, 2, 4}));
    LONGS_EQUAL(1, desk.logged("one too many"));
    LONGS_EQUAL(4, file.lines_before(desk.desk.journal->durable_source("lines:/log")));
}

TEST(LineInput, an_error_is_cleared_by_the_next_good_lines) {
    file.append("nonsense");
    pass();
    CHECK_FALSE(input->state().last_error.empty());
    append_numbers(1, 1);
    pass();
    STRCMP_EQUAL("", input->state().last_error.c_str());
    handler.on_error({ErrorCode::io, "cannot be read"});
    handler.on_error({ErrorCode::io, "cannot be read"});
    STRCMP_EQUAL("cannot be read", input->state().last_error.c_str());
    LONGS_EQUAL(1, desk.logged("sensors: lines /log: cannot be read"));
    append_numbers(2, 2);
    pass();
    STRCMP_EQUAL("", input->state().last_error.c_str());
}

// ---- No room

TEST(LineInput, it_pauses_while_the_journal_has_no_room_and_goes_on_when_it_has) {
    constexpr int kLines = 4000;
    append_numbers(1, kLines);
    pass();
    const std::uint64_t taken = desk.desk.journal->own_next_seq() - 1;
    CHECK_TRUE(taken > 0);
    CHECK_TRUE(taken < kLines);
    LONGS_EQUAL(0, desk.desk.journal->room());
    pass(1h);
    LONGS_EQUAL(taken, desk.desk.journal->own_next_seq() - 1);
    for (int i = 0; i < 1000 && desk.desk.journal->own_next_seq() - 1 < kLines; ++i) {
        desk.desk.acknowledge();
        commit();
        pass();
    }
    LONGS_EQUAL(kLines, desk.desk.journal->own_next_seq() - 1);
}

TEST(LineInput, it_pauses_while_storage_fails) {
    append_numbers(1, 1);
    pass();
    desk.desk.store.fail_next();
    static_cast<void>(desk.desk.write());
    append_numbers(2, 2);  // it is told of the failure with these
    pass();
    append_numbers(3, 3);
    pass();
    LONGS_EQUAL(3, desk.desk.journal->own_next_seq());
    input->journal_moved();
    pass();
    LONGS_EQUAL(3, desk.desk.journal->own_next_seq());
    pass(desk.desk.options.retry_delay);
    commit();
    pass();
    LONGS_EQUAL(4, desk.desk.journal->own_next_seq());
}
