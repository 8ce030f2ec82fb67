#include "platform/sensors/lines.h"

#include <chrono>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>
#include <boost/asio/io_context.hpp>

#include "platform/sensors/line_splitter.h"
#include "tests/platform/sensors/temporary_directory.h"

using holdfast::ErrorCode;
using holdfast::ports::LinePosition;
using holdfast::ports::LineSource;
using holdfast::sensors::LineSplitter;
using holdfast::test::TemporaryDirectory;
using namespace std::chrono_literals;

TEST_GROUP(LineSplitter){
    static std::string split(const std::vector<std::string>& parts,
                             std::size_t limit = 1000){LineSplitter splitter(limit);
std::string out;
for (const std::string& part : parts) {
    const auto room = splitter.room();
    part.copy(room.data(), room.size());
    std::vector<std::string_view> lines;
    std::vector<std::uint64_t> too_long;
    splitter.take(part.size(), lines, too_long);
    for (const std::string_view line : lines) {
        out.append(line).append("|");
    }
    for (const std::uint64_t offset : too_long) {
        out.append("!" + std::to_string(offset) + "|");
    }
    splitter.compact();
}
return out + "@" + std::to_string(splitter.offset());
}
}
;

TEST(LineSplitter, lines_are_the_same_wherever_the_bytes_are_split) {
    const std::string text = "one\ntwo\r\n\n\xFF\xFE\n\rx\r\r\nlast";
    const std::string expected = "one|two||\xFF\xFE|\rx\r|@18";
    for (std::size_t i = 0; i <= text.size(); ++i) {
        for (std::size_t j = i; j <= text.size(); ++j) {
            STRCMP_EQUAL(expected.c_str(),
                         split({text.substr(0, i), text.substr(i, j - i), text.substr(j)}).c_str());
        }
    }
}

TEST(LineSplitter, a_line_at_the_limit_passes_and_one_past_it_is_skipped_wherever_it_is_split) {
    const std::string text = "12345\n123456\n12345\r\n123456\r\n1234567890\nend\n";
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const std::string got = split({text.substr(0, i), text.substr(i)}, 5);
        STRCMP_CONTAINS("!6|", got.c_str());
        STRCMP_CONTAINS("!20|", got.c_str());
        STRCMP_CONTAINS("!28|", got.c_str());
        std::string lines;
        for (std::size_t at = 0; at < got.size();) {
            const std::size_t end = std::min(got.find('|', at), got.size());
            if (got[at] != '!') {
                lines += got.substr(at, end - at) + "|";
            }
            at = end + 1;
        }
        STRCMP_EQUAL("12345|12345|end|@43|", lines.c_str());
    }
}

TEST(LineSplitter, an_endless_line_is_told_once_and_holds_no_memory) {
    LineSplitter splitter(100);
    std::vector<std::string_view> lines;
    std::vector<std::uint64_t> too_long;
    for (int i = 0; i < 1000; ++i) {
        const auto room = splitter.room();
        std::fill(room.begin(), room.end(), 'x');
        splitter.take(room.size(), lines, too_long);
        splitter.compact();
    }
    LONGS_EQUAL(0, lines.size());
    LONGS_EQUAL(1, too_long.size());
    LONGS_EQUAL(0, splitter.offset());
    LONGS_EQUAL(1000 * LineSplitter::kChunkSizeBytes, splitter.read_offset());
}

namespace {

/// A source on an io_context of its own, and all it said.
struct Reader {
    boost::asio::io_context io;
    std::vector<std::string> lines;
    std::vector<std::string> errors;
    LinePosition position;
    bool ended = false;
    bool keep_lines = true;
    std::size_t count = 0;
    std::size_t calls = 0;
    std::function<void(std::span<const std::string_view>)> also;
    std::unique_ptr<LineSource> source;

    void open(const std::string& path, LinePosition start = {}, std::size_t limit = 64u << 10u) {
        LineSource::Handler handler;
        handler.on_lines = [this](std::span<const std::string_view> some, LinePosition at) {
            ++calls;
            count += some.size();
            position = at;
            if (keep_lines) {
                lines.insert(lines.end(), some.begin(), some.end());
            }
            if (also) {
                also(some);
            }
        };
        handler.on_error = [this](const holdfast::Error& error) {
            errors.push_back(error.message);
        };
        handler.on_end = [this] { ended = true; };
        source = holdfast::sensors::open_lines(io, path, start, std::move(handler), limit);
    }
    /// Runs until `condition` holds; false: it did not within 20 s.
    bool until(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            io.run_one_for(100ms);
        }
        return condition();
    }
    bool until_count(std::size_t wanted) {
        return until([this, wanted] { return count >= wanted; });
    }
    /// Runs what is ready now, without waiting.
    void drain() {
        while (io.poll() != 0) {
        }
    }
    std::string joined() const {
        std::string out;
        for (const std::string& line : lines) {
            out += line + "|";
        }
        return out;
    }
};

}  // namespace

/// asio keeps blocks of memory for its handlers, and the io_context its threads' data: both outlive
/// a test.
TEST_GROUP(Lines) {
    std::unique_ptr<TemporaryDirectory> directory = std::make_unique<TemporaryDirectory>();
    std::unique_ptr<Reader> reader = std::make_unique<Reader>();

    void teardown() override {
        reader.reset();
        directory.reset();
    }
    void expect_lines(const char* lines) const {
        STRCMP_EQUAL(lines, reader->joined().c_str());
    }
    void restart_at(LinePosition position) {
        reader = std::make_unique<Reader>();
        reader->open(directory->file("f"), position);
    }
};

TEST(Lines, a_file_that_grows_is_followed_and_an_unfinished_line_waits) {
    directory->write("f", "one\ntw");
    reader->open(directory->file("f"));
    CHECK(reader->source->remembers());
    CHECK(reader->until_count(1));
    LONGS_EQUAL(4, reader->position.offset);
    const std::string rest = "o\r\nthree\n";
    for (const char c : rest) {
        directory->append("f", std::string(1, c));
        reader->drain();
    }
    CHECK(reader->until_count(3));
    expect_lines("one|two|three|");
    LONGS_EQUAL(15, reader->position.offset);
    LONGS_EQUAL(0, reader->errors.size());
}

TEST(Lines, nothing_is_called_before_the_loop_runs) {
    directory->write("f", "one\n");
    reader->open(directory->file("f"));
    LONGS_EQUAL(0, reader->count);
    CHECK(reader->until_count(1));
}

TEST(Lines, reading_resumes_behind_the_last_line_that_was_handed_on) {
    directory->write("f", "one\ntwo\nthr");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(2));
    const LinePosition position = reader->position;
    LONGS_EQUAL(8, position.offset);
    restart_at(position);
    directory->append("f", "ee\n");
    CHECK(reader->until_count(1));
    expect_lines("three|");
}

TEST(Lines, another_file_or_a_shorter_one_is_read_from_its_beginning) {
    directory->write("f", "one\ntwo\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(2));
    const LinePosition position = reader->position;
    restart_at({position.offset, position.inode + 1});
    CHECK(reader->until_count(2));
    expect_lines("one|two|");
    directory->write("f", "3\n");
    restart_at(position);
    CHECK(reader->until_count(1));
    expect_lines("3|");
    // A new file in place of the old, longer, perhaps with its inode.
    directory->remove("f");
    directory->write("f", "a new file\nthat is longer\n");
    restart_at(position);
    CHECK(reader->until_count(2));
    expect_lines("a new file|that is longer|");
}

TEST(Lines, a_file_that_was_renamed_while_nobody_looked_is_finished_first) {
    directory->write("f", "one\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(1));
    const LinePosition position = reader->position;
    reader.reset();
    directory->append("f", "two\n");
    directory->rename("f", "f.1");
    directory->write("f", "three\n");
    restart_at(position);
    CHECK(reader->until_count(2));
    expect_lines("two|three|");
}

TEST(Lines, a_file_may_come_late_and_its_absence_is_told_once) {
    reader->open(directory->file("f"));
    CHECK(reader->source->remembers());
    CHECK(reader->until([this] { return !reader->errors.empty(); }));
    directory->write("other", "x\n");
    reader->drain();
    directory->write("f", "one\n");
    CHECK(reader->until_count(1));
    LONGS_EQUAL(1, reader->errors.size());
    STRCMP_CONTAINS("/f: is not there yet; waiting for it", reader->errors[0].c_str());
}

TEST(Lines, rotation_by_renaming_finishes_the_old_file_though_its_writer_goes_on) {
    directory->write("f", "one\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(1));
    directory->append("f", "two\n");
    directory->rename("f", "f.1");
    directory->write("f", "five\n");
    CHECK(reader->until_count(2));
    // The writer has not noticed yet.
    directory->append("f.1", "three\nfour without its newline");
    CHECK(reader->until_count(5));
    expect_lines("one|two|three|four without its newline|five|");
    LONGS_EQUAL(5, reader->position.offset);
    LONGS_EQUAL(0, reader->errors.size());
}

TEST(Lines, a_truncated_file_starts_again_at_its_beginning) {
    directory->write("f", "one\ntwo\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(2));
    directory->write("f", "3\n");
    CHECK(reader->until_count(3));
    LONGS_EQUAL(2, reader->position.offset);
    directory->append("f", "unfinished");
    // inotify has told by now, so the unfinished line is read.
    reader->io.run_for(20ms);
    reader->drain();
    directory->write("f", "4\n");
    CHECK(reader->until_count(4));
    expect_lines("one|two|3|4|");
    LONGS_EQUAL(1, reader->errors.size());
    STRCMP_CONTAINS("was truncated within a line", reader->errors[0].c_str());
}

TEST(Lines, a_deleted_file_is_told_and_read_anew_when_it_returns) {
    directory->write("f", "one\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(1));
    directory->remove("f");
    CHECK(reader->until([this] { return !reader->errors.empty(); }));
    STRCMP_CONTAINS("/f: is not there any more; waiting for it to return",
                    reader->errors[0].c_str());
    directory->write("f", "two\n");
    CHECK(reader->until_count(2));
    expect_lines("one|two|");
    LONGS_EQUAL(1, reader->errors.size());
}

TEST(Lines, a_line_over_the_limit_is_skipped_and_told_with_its_offset) {
    directory->write("f", "one\n" + std::string(200'000, 'x') + "\ntwo\n");
    reader->open(directory->file("f"));
    CHECK(reader->until_count(2));
    expect_lines("one|two|");
    LONGS_EQUAL(1, reader->errors.size());
    STRCMP_CONTAINS("/f: the line at offset 4 is longer than 65536 bytes and is skipped",
                    reader->errors[0].c_str());
    LONGS_EQUAL(200'009, reader->position.offset);
}

TEST(Lines, a_million_lines_arrive_complete_in_order_and_in_few_calls) {
    constexpr std::size_t kLines = 1'000'000;
    std::string text;
    for (std::size_t i = 0; i < kLines; ++i) {
        text += std::to_string(i) + "\n";
    }
    directory->write("f", text);
    reader->keep_lines = false;
    std::size_t next = 0;
    bool exact = true;
    reader->also = [&](std::span<const std::string_view> some) {
        for (const std::string_view line : some) {
            exact = exact && line == std::to_string(next++);
        }
    };
    reader->open(directory->file("f"));
    CHECK(reader->until_count(kLines));
    CHECK(exact);
    LONGS_EQUAL(kLines, reader->count);
    CHECK(reader->calls < text.size() / 60'000);
    LONGS_EQUAL(text.size(), reader->position.offset);
}

TEST(Lines, a_long_file_lets_others_have_their_turn) {
    directory->write("f", std::string(4'000'000, '\n'));
    reader->open(directory->file("f"));
    CHECK(reader->until_count(1));
    CHECK(reader->count < 400'000);
}

TEST(Lines, a_paused_file_hands_on_nothing_until_it_is_resumed) {
    directory->write("f", std::string(100'000, '\n'));
    reader->also = [this](auto) { reader->source->pause(); };
    reader->open(directory->file("f"));
    CHECK(reader->until_count(1));
    directory->append("f", "more\n");
    reader->drain();
    LONGS_EQUAL(1, reader->calls);
    reader->also = nullptr;
    reader->source->resume();
    CHECK(reader->until_count(100'001));
}

TEST(Lines, a_directory_in_place_of_a_file_is_told) {
    reader->open(directory->path().native());
    CHECK(reader->until([this] { return !reader->errors.empty(); }));
    STRCMP_CONTAINS("is neither a file nor a FIFO", reader->errors[0].c_str());
}

TEST(Lines, ending_a_source_with_work_pending_is_safe) {
    directory->write("f", "one\n");
    for (int i = 0; i < 3; ++i) {
        reader->open(directory->file("f"));
        reader->io.run_one_for(10ms);
    }
    reader->source.reset();
    reader->drain();
}

TEST_GROUP(LinesFifo) {
    std::unique_ptr<TemporaryDirectory> directory = std::make_unique<TemporaryDirectory>();
    std::unique_ptr<Reader> reader = std::make_unique<Reader>();
    std::string fifo = directory->file("fifo");

    void setup() override {
        LONGS_EQUAL(0, mkfifo(fifo.c_str(), 0600));
    }
    void teardown() override {
        reader.reset();
        directory.reset();
        fifo = {};
    }
    int open_writer() const {
        return open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    }
    void write_as_somebody(const std::string& text) const {
        const int writer = open_writer();
        CHECK(writer >= 0);
        LONGS_EQUAL(text.size(), write(writer, text.data(), text.size()));
        close(writer);
    }
};

TEST(LinesFifo, writers_may_come_late_and_go_and_come) {
    reader->open(fifo);
    CHECK(!reader->source->remembers());
    reader->drain();
    reader->io.run_for(20ms);
    write_as_somebody("one\ntwo\n");
    CHECK(reader->until_count(2));
    write_as_somebody("thr");
    reader->drain();
    write_as_somebody("ee\r\nfour\n");
    CHECK(reader->until_count(4));
    STRCMP_EQUAL("one|two|three|four|", reader->joined().c_str());
    CHECK(!reader->ended);
    LONGS_EQUAL(0, reader->errors.size());
}

TEST(LinesFifo, a_paused_one_holds_its_writer_back_and_loses_nothing) {
    reader->open(fifo);
    reader->drain();
    reader->source->pause();
    const int writer = open_writer();
    const std::string line(99, 'x');
    std::size_t written = 0;
    while (write(writer, (line + "\n").data(), 100) == 100) {
        ++written;
        reader->drain();
        CHECK(written < 100'000);
    }
    LONGS_EQUAL(EAGAIN, errno);
    LONGS_EQUAL(0, reader->count);
    reader->source->resume();
    CHECK(reader->until_count(written));
    close(writer);
    for (const std::string& got : reader->lines) {
        CHECK(got == line);
    }
}

TEST(LinesFifo, a_million_lines_arrive_complete_and_in_order) {
    constexpr std::size_t kLines = 1'000'000;
    reader->keep_lines = false;
    std::size_t next = 0;
    bool exact = true;
    reader->also = [&](std::span<const std::string_view> some) {
        for (const std::string_view line : some) {
            exact = exact && line == std::to_string(next++);
        }
    };
    reader->open(fifo);
    reader->drain();
    const int writer = open_writer();
    std::string pending;
    std::size_t made = 0;
    while (made < kLines || !pending.empty()) {
        while (made < kLines && pending.size() < 65'536) {
            pending += std::to_string(made++) + "\n";
        }
        const ssize_t sent = write(writer, pending.data(), pending.size());
        pending.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        reader->io.poll();
    }
    close(writer);
    CHECK(reader->until_count(kLines));
    CHECK(exact);
    LONGS_EQUAL(kLines, reader->count);
}

TEST(LinesFifo, one_that_is_replaced_is_opened_again) {
    reader->open(fifo);
    reader->drain();
    directory->remove("fifo");
    LONGS_EQUAL(0, mkfifo(fifo.c_str(), 0600));
    int writer = -1;
    CHECK(reader->until([&] { return (writer = open_writer()) >= 0; }));
    LONGS_EQUAL(4, write(writer, "one\n", 4));
    CHECK(reader->until_count(1));
    close(writer);
}

TEST(LinesFifo, one_that_appears_where_a_file_was_expected_is_read) {
    directory->remove("fifo");
    reader->open(fifo);
    CHECK(reader->source->remembers());
    CHECK(reader->until([this] { return !reader->errors.empty(); }));
    LONGS_EQUAL(0, mkfifo(fifo.c_str(), 0600));
    CHECK(reader->until([this] { return !reader->source->remembers(); }));
    reader->drain();
    write_as_somebody("one\n");
    CHECK(reader->until_count(1));
}

/// Standard input is what a test makes it.
TEST_GROUP(LinesStandardInput) {
    std::unique_ptr<TemporaryDirectory> directory = std::make_unique<TemporaryDirectory>();
    std::unique_ptr<Reader> reader = std::make_unique<Reader>();
    int saved = dup(STDIN_FILENO);

    void teardown() override {
        reader.reset();
        directory.reset();
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
};

TEST(LinesStandardInput, a_pipe_is_read_to_its_end_with_its_last_line) {
    int ends[2];
    LONGS_EQUAL(0, pipe(ends));
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    reader->open("-");
    LONGS_EQUAL(8, write(ends[1], "one\ntwo\n", 8));
    CHECK(reader->until_count(2));
    LONGS_EQUAL(4, write(ends[1], "last", 4));
    close(ends[1]);
    CHECK(reader->until([this] { return reader->ended; }));
    STRCMP_EQUAL("one|two|last|", reader->joined().c_str());
    CHECK(!reader->source->remembers());
}

TEST(LinesStandardInput, a_file_is_read_to_its_end) {
    directory->write("f", std::string(500'000, '\n'));
    const int file = open(directory->file("f").c_str(), O_RDONLY | O_CLOEXEC);
    dup2(file, STDIN_FILENO);
    close(file);
    reader->open("-");
    CHECK(reader->until([this] { return reader->ended; }));
    LONGS_EQUAL(500'000, reader->count);
}
