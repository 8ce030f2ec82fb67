#include "platform/simulated/line_source.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulated;
using namespace std::chrono_literals;

TEST_GROUP(SimulatedLineSource) {
    Clock world;
    LineFile file{5};
    std::string heard;
    ports::LinePosition position;
    std::size_t calls = 0;
    std::unique_ptr<LineSource> source;

    void follow(ports::LinePosition start) {
        ports::LineSource::Handler handler;
        handler.on_lines = [this](std::span<const std::string_view> lines,
                                  ports::LinePosition after) {
            for (const std::string_view line : lines) {
                heard.append(line).append(" ");
            }
            position = after;
            ++calls;
        };
        source = std::make_unique<LineSource>(world, file, start, std::move(handler));
    }
    void pass() {
        world.run_until(world.now() + 1s);
    }
};

TEST(SimulatedLineSource, hands_on_what_is_there_and_what_comes_in_events_of_their_own) {
    file.append("one");
    follow({});
    STRCMP_EQUAL("", heard.c_str());
    pass();
    STRCMP_EQUAL("one ", heard.c_str());
    file.append("two");
    file.append("three");
    STRCMP_EQUAL("one ", heard.c_str());
    pass();
    STRCMP_EQUAL("one two three ", heard.c_str());
    CHECK_EQUAL(14u, position.offset);
    CHECK_EQUAL(5u, position.inode);
    CHECK(source->remembers());
}

TEST(SimulatedLineSource, goes_on_behind_the_position_of_the_same_file) {
    file.append("one");
    file.append("two");
    file.append("three");
    follow({4, 5});
    pass();
    STRCMP_EQUAL("two three ", heard.c_str());
    heard.clear();
    follow({4, 6});
    pass();
    STRCMP_EQUAL("one two three ", heard.c_str());
}

TEST(SimulatedLineSource, is_silent_while_paused) {
    follow({});
    source->pause();
    file.append("one");
    pass();
    STRCMP_EQUAL("", heard.c_str());
    source->resume();
    STRCMP_EQUAL("", heard.c_str());
    pass();
    STRCMP_EQUAL("one ", heard.c_str());
}

TEST(SimulatedLineSource, many_lines_come_in_several_events) {
    for (std::size_t i = 0; i < 2 * LineSource::kMostLines + 1; ++i) {
        file.append("x");
    }
    follow({});
    pass();
    CHECK_EQUAL(3u, calls);
    CHECK_EQUAL(2 * (2 * LineSource::kMostLines + 1), position.offset);
    CHECK_EQUAL(2 * LineSource::kMostLines + 1, file.lines_before(position.offset));
}

TEST(SimulatedLineSource, a_destroyed_one_hears_nothing_more) {
    follow({});
    file.append("one");
    source.reset();
    pass();
    file.append("two");
    pass();
    STRCMP_EQUAL("", heard.c_str());
}
