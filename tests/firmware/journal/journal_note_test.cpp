#include <CppUTest/TestHarness.h>

#include "tests/firmware/journal/journal_desk.h"

using namespace holdfast;
using namespace holdfast::journal;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

TEST_GROUP(JournalNotes) {
    Desk desk;
    void setup() override {
        desk.warm_up();
    }
    Journal& journal() {
        return *desk.journal;
    }
    void note(const std::string& name, const std::string& text) {
        CHECK(journal().note(name, text, desk.now).has_value());
    }
    /// What is left when power fails now.
    std::vector<Note> kept() {
        desk.crash();
        return desk.notes;
    }
};

TEST(JournalNotes, a_note_is_written_at_its_deadline_and_not_before) {
    note("a", "1");
    const Instant due = desk.now + desk.options.commit_interval;
    CHECK(!journal().clean());
    CHECK(journal().deadline() == due);
    desk.now = due - 1us;
    LONGS_EQUAL(-1, desk.write());
    note("b", "2");  // does not put it off
    desk.now = due;
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().clean());
    CHECK(journal().deadline() == kNever);
    LONGS_EQUAL(1, desk.writes);
    CHECK(kept() == (std::vector<Note>{{"a", "1"}, {"b", "2"}}));
}

TEST(JournalNotes, a_note_does_not_make_young_readings_be_written) {
    note("a", "1");
    desk.now += desk.options.commit_interval - 10ms;
    desk.sample();
    desk.now += 10ms;
    LONGS_EQUAL(0, desk.write());
    LONGS_EQUAL(0, desk.stored());
    desk.acknowledge();
    desk.now += 1h;
    LONGS_EQUAL(-1, desk.write());
    LONGS_EQUAL(1, desk.writes);
    CHECK(kept() == (std::vector<Note>{{"a", "1"}}));
}

TEST(JournalNotes, a_note_goes_with_the_next_write) {
    note("a", "1");
    desk.push();
    LONGS_EQUAL(1, desk.write());
    CHECK(journal().clean());
    journal().release(journal().next_position(), desk.now);
    desk.now += desk.options.release_delay - 1us;
    note("b", "2");
    desk.now += 1us;
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().clean());
    LONGS_EQUAL(2, desk.writes);
    CHECK(kept() == (std::vector<Note>{{"a", "1"}, {"b", "2"}}));
}

TEST(JournalNotes, of_one_name_only_the_latest_text_is_written) {
    note("a", "1");
    note("b", "2");
    note("a", "3");
    desk.now += desk.options.commit_interval;
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write && write->notes == (std::vector<Note>{{"b", "2"}, {"a", "3"}}));
}

TEST(JournalNotes, a_note_that_changes_while_it_is_written_is_written_again) {
    note("a", "1");
    note("b", "1");
    desk.now += desk.options.commit_interval;
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write.has_value());
    note("a", "2");
    note("b", "1");  // as it is being written
    const Instant due = desk.now + desk.options.commit_interval;
    journal().written(desk.store.write(*write), desk.now);
    CHECK(!journal().clean());
    CHECK(journal().deadline() == due);
    desk.now = due;
    const std::optional<Write> again = journal().take_write(desk.now);
    CHECK(again && again->notes == (std::vector<Note>{{"a", "2"}}));
    journal().written(desk.store.write(*again), desk.now);
    CHECK(kept() == (std::vector<Note>{{"b", "1"}, {"a", "2"}}));
}

TEST(JournalNotes, a_failed_write_keeps_them_for_the_next_try) {
    note("a", "1");
    note("b", "1");
    desk.now += desk.options.commit_interval;
    desk.store.fail_next();
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().storage_error() != nullptr);
    CHECK(!journal().clean());
    CHECK(journal().deadline() == desk.now + desk.options.retry_delay);
    note("a", "2");
    desk.now += desk.options.retry_delay;
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().storage_error() == nullptr);
    CHECK(journal().clean());
    CHECK(kept() == (std::vector<Note>{{"b", "1"}, {"a", "2"}}));
}

TEST(JournalNotes, on_a_full_disk_the_deletion_that_makes_room_goes_first) {
    desk.push();
    desk.write();
    note("a", "1");
    desk.push();
    desk.store.fail_next();
    LONGS_EQUAL(1, desk.write());
    journal().release(journal().next_position() - 1, desk.now);
    desk.now += desk.options.retry_delay;
    const std::optional<Write> deletion = journal().take_write(desk.now);
    CHECK(deletion && deletion->release_before > 0 && deletion->notes.empty());
    journal().written(desk.store.write(*deletion), desk.now);
    LONGS_EQUAL(1, desk.write());
    CHECK(journal().storage_error() == nullptr);
    CHECK(kept() == (std::vector<Note>{{"a", "1"}}));
}

TEST(JournalNotes, any_number_of_failures_loses_no_note_and_memory_stays_bounded) {
    for (std::size_t i = 0; i < 3 * kNotes; ++i) {
        note(std::to_string(i), "text");
        desk.store.fail_next();
        desk.now += desk.options.retry_delay;
        LONGS_EQUAL(0, desk.write());
    }
    desk.store.heal();
    desk.now += desk.options.retry_delay;
    const std::optional<Write> write = journal().take_write(desk.now);
    CHECK(write.has_value());
    LONGS_EQUAL(kNotes, write->notes.size());
    STRCMP_EQUAL(std::to_string(2 * kNotes).c_str(), write->notes.front().name.c_str());
    STRCMP_EQUAL(std::to_string(3 * kNotes - 1).c_str(), write->notes.back().name.c_str());
}

TEST(JournalNotes, flush_writes_them_at_once) {
    note("a", "1");
    LONGS_EQUAL(-1, desk.write());
    journal().flush();
    LONGS_EQUAL(0, desk.write());
    CHECK(journal().clean());
    CHECK(kept() == (std::vector<Note>{{"a", "1"}}));
}

TEST(JournalNotes, what_is_too_long_or_no_text_is_an_error_of_which_nothing_remains) {
    const std::string longest(kNoteBytes, 'x');
    CHECK(journal().note(longest + "x", "", desk.now).error().code == ErrorCode::too_large);
    CHECK(journal().note("", longest + "x", desk.now).error().code == ErrorCode::too_large);
    CHECK(journal().note("caf\xE9", "", desk.now).error().code == ErrorCode::invalid);
    CHECK(journal().note("", "caf\xE9", desk.now).error().code == ErrorCode::invalid);
    CHECK(journal().clean());
    CHECK(journal().deadline() == kNever);
    note(longest, longest);
    desk.now += desk.options.commit_interval;
    LONGS_EQUAL(0, desk.write());
    CHECK(kept() == (std::vector<Note>{{longest, longest}}));
}
