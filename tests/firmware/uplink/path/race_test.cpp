#include "firmware/uplink/path/race.h"

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

TEST_GROUP(Race) {
    Ladder ladder{LadderOptions{}};
    Attempt main{.began_at = Instant(100s), .opened_at = Instant(100s) + 50ms};
    Attempt candidate{.began_at = Instant(101s)};
    Duration lead = LadderOptions{}.patience_min / 5 + 50ms;
};

TEST(Race, the_candidate_begins_a_head_start_and_the_connect_after_the_main_line_opened) {
    CHECK(race_at(main, nullptr, ladder) == main.opened_at + lead);
    main.opened_at = kNever;
    CHECK(race_at(main, nullptr, ladder) == kNever);
}

TEST(Race, there_is_none_once_bytes_pass_on_the_main_line) {
    main.up_at = main.opened_at + 10ms;
    main.passes = true;
    CHECK(race_at(main, nullptr, ladder) == kNever);
    candidate.passes = true;
    CHECK(race_at(main, &candidate, ladder) == kNever);
}

TEST(Race, a_candidate_wins_when_bytes_pass_on_it_and_the_lead_is_over) {
    CHECK(race_at(main, &candidate, ladder) == kNever);
    candidate.passes = true;
    CHECK(race_at(main, &candidate, ladder) == main.opened_at + lead);
}

TEST(Race, an_answer_to_the_handshake_is_worth_another_lead) {
    candidate.passes = true;
    main.up_at = main.opened_at + 200ms;
    CHECK(race_at(main, &candidate, ladder) == main.up_at + lead);
}

TEST(Race, what_worked_on_this_network_is_tried_alone) {
    ladder.on_network(Path{});
    CHECK(race_at(main, nullptr, ladder) == kNever);
}
