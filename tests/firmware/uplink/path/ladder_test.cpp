#include "firmware/uplink/path/ladder.h"

#include <algorithm>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

constexpr Path kProxy{true, Transport::websocket};
constexpr Path kProxyStreaming{true, Transport::xhr_streaming};
constexpr Path kProxyXhr{true, Transport::xhr};
constexpr Path kDirect{false, Transport::websocket};
constexpr Path kDirectStreaming{false, Transport::xhr_streaming};
constexpr Path kDirectXhr{false, Transport::xhr};

LadderOptions with_proxy() {
    LadderOptions options;
    options.proxy = true;
    return options;
}

/// The names of what is tried from `path()` on, if every try fails like this, until the round ends.
std::string round_of(Ladder& ladder, Trouble trouble) {
    std::string tried = name(ladder.path());
    while (ladder.failed(trouble)) {
        tried += " " + name(ladder.path());
    }
    return tried;
}

/// Fails until `path` is tried.
void climb_to(Ladder& ladder, Path path) {
    while (ladder.path() != path) {
        CHECK_TRUE(ladder.failed(Trouble::transport));
    }
}

}  // namespace

TEST_GROUP(Ladder) {
    Instant now{1000s};

    /// What `trial_due` gives, each of which fails, until nothing is due at once.
    std::string failed_trials(Ladder & ladder) {
        std::string names;
        while (const std::optional<Path> trial = ladder.trial_due(now)) {
            names += (names.empty() ? "" : " ") + name(*trial);
            ladder.trial_ended(false, now);
        }
        return names;
    }
};

// ---- The order of a round

TEST(Ladder, paths_are_tried_best_first_each_once) {
    Ladder ladder{LadderOptions{}};
    STRCMP_EQUAL("direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
    CHECK_TRUE(ladder.path() == kDirect);
}

TEST(Ladder, through_a_proxy_comes_before_the_direct_way) {
    Ladder ladder{with_proxy()};
    STRCMP_EQUAL("proxy proxy+xhr_streaming proxy+xhr direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
    CHECK_TRUE(ladder.path() == kProxy);
}

TEST(Ladder, without_a_route_the_other_transports_of_it_are_not_tried) {
    Ladder alone{LadderOptions{}};
    STRCMP_EQUAL("direct", round_of(alone, Trouble::route).c_str());
    Ladder ladder{with_proxy()};
    STRCMP_EQUAL("proxy direct", round_of(ladder, Trouble::route).c_str());
    STRCMP_EQUAL("proxy direct", round_of(ladder, Trouble::route).c_str());
}

TEST(Ladder, a_route_that_fails_late_rules_out_only_what_is_left_of_it) {
    Ladder ladder{with_proxy()};
    CHECK_TRUE(ladder.failed(Trouble::transport));
    CHECK_TRUE(ladder.path() == kProxyStreaming);
    CHECK_TRUE(ladder.failed(Trouble::route));
    STRCMP_EQUAL("direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
}

TEST(Ladder, what_worked_is_tried_first_then_the_others_best_first) {
    Ladder ladder{with_proxy()};
    climb_to(ladder, kDirectStreaming);
    CHECK_TRUE(ladder.worked(now));
    ladder.line_ended();
    for (int round = 0; round < 2; ++round) {
        STRCMP_EQUAL("direct+xhr_streaming proxy proxy+xhr_streaming proxy+xhr direct direct+xhr",
                     round_of(ladder, Trouble::transport).c_str());
    }
    // Its route is down: the proxy's is what is left.
    STRCMP_EQUAL("direct+xhr_streaming proxy", round_of(ladder, Trouble::route).c_str());
}

TEST(Ladder, a_hub_that_says_no_is_asked_again_the_same_way_and_the_round_begins_anew) {
    Ladder ladder{LadderOptions{}};
    climb_to(ladder, kDirectStreaming);
    for (int i = 0; i < 5; ++i) {
        CHECK_TRUE(!ladder.failed(Trouble::hub));
        CHECK_TRUE(ladder.path() == kDirectStreaming);
    }
    CHECK_TRUE(ladder.patience() == LadderOptions{}.patience_min);
    STRCMP_EQUAL("direct+xhr_streaming direct direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
    CHECK_TRUE(ladder.path() == kDirect);
}

// ---- The next path beside the present one

TEST(Ladder, beside_a_try_is_where_its_failure_leads) {
    Ladder ladder{with_proxy()};
    while (const std::optional<Path> beside = ladder.beside()) {
        CHECK_TRUE(ladder.failed(Trouble::transport));
        CHECK_TRUE(ladder.path() == *beside);
    }
    CHECK_TRUE(ladder.path() == kDirectXhr);
    ladder.beside_failed(Trouble::transport);
    CHECK_TRUE(!ladder.failed(Trouble::transport));
}

TEST(Ladder, what_failed_beside_a_try_is_not_tried_again_in_this_round) {
    Ladder ladder{LadderOptions{}};
    ladder.beside_failed(Trouble::transport);
    CHECK_TRUE(ladder.path() == kDirect && *ladder.beside() == kDirectXhr);
    STRCMP_EQUAL("direct direct+xhr", round_of(ladder, Trouble::transport).c_str());
    STRCMP_EQUAL("direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
}

TEST(Ladder, a_route_that_fails_beside_a_try_leaves_that_try_alone) {
    Ladder ladder{with_proxy()};
    ladder.beside_failed(Trouble::route);
    CHECK_TRUE(ladder.path() == kProxy);
    STRCMP_EQUAL("proxy direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::transport).c_str());
}

TEST(Ladder, what_worked_here_is_tried_alone_and_the_others_are_not) {
    Ladder ladder{LadderOptions{}};
    ladder.on_network(kDirectStreaming);
    CHECK_TRUE(!ladder.beside());
    CHECK_TRUE(ladder.failed(Trouble::transport));
    CHECK_TRUE(ladder.path() == kDirect && *ladder.beside() == kDirectXhr);
    (void)ladder.worked(now);
    ladder.line_ended();
    CHECK_TRUE(!ladder.beside());
}

TEST(Ladder, the_head_start_grows_with_patience) {
    const LadderOptions options;
    Ladder ladder{options};
    CHECK_TRUE(ladder.head_start() == options.patience_min / 5);
    (void)round_of(ladder, Trouble::transport);
    CHECK_TRUE(ladder.head_start() == options.patience_min / 5 * 2);
}

TEST(Ladder, the_last_that_is_tried_beside_is_waited_for_longest) {
    const LadderOptions options;
    Ladder ladder{options};
    CHECK_TRUE(ladder.patience_beside() == options.patience_min);
    ladder.beside_failed(Trouble::transport);
    CHECK_TRUE(ladder.patience() == options.patience_min);
    CHECK_TRUE(ladder.patience_beside() == options.patience_max);
}

// ---- What worked

TEST(Ladder, what_worked_is_news_once) {
    Ladder ladder{LadderOptions{}};
    CHECK_TRUE(ladder.worked(now));
    ladder.line_ended();
    CHECK_TRUE(!ladder.worked(now));
    ladder.line_ended();
    CHECK_TRUE(ladder.failed(Trouble::transport));
    CHECK_TRUE(ladder.worked(now));
    CHECK_TRUE(!ladder.worked(now));
    ladder.line_ended();
    climb_to(ladder, kDirect);
    CHECK_TRUE(ladder.worked(now));
}

TEST(Ladder, a_line_ends_the_round_wherever_it_was) {
    Ladder ladder{LadderOptions{}};
    climb_to(ladder, kDirectXhr);
    (void)ladder.worked(now);
    ladder.line_ended();
    STRCMP_EQUAL("direct+xhr direct direct+xhr_streaming",
                 round_of(ladder, Trouble::transport).c_str());
}

TEST(Ladder, another_network_begins_at_what_worked_there) {
    Ladder ladder{with_proxy()};
    ladder.on_network(kDirectXhr);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    CHECK_TRUE(ladder.failed(Trouble::transport));
    CHECK_TRUE(ladder.path() == kProxy);
    ladder.on_network(kDirectXhr);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    CHECK_TRUE(!ladder.worked(now));
    ladder.on_network(std::nullopt);
    CHECK_TRUE(ladder.path() == kProxy);
    CHECK_TRUE(ladder.deadline() == kNever);
    CHECK_TRUE(ladder.worked(now));
}

TEST(Ladder, a_proxy_that_worked_and_is_gone_from_the_configuration_is_forgotten) {
    Ladder ladder{LadderOptions{}};
    ladder.on_network(kProxyXhr);
    CHECK_TRUE(ladder.path() == kDirect);
    CHECK_TRUE(ladder.worked(now));
}

// ---- Patience

TEST(Ladder, patience_doubles_with_each_round_up_to_its_limit) {
    const LadderOptions options;
    Ladder ladder{options};
    for (const Duration expected : {Duration(1200ms), Duration(2400ms), Duration(4800ms),
                                    Duration(9600ms), Duration(10s), Duration(10s)}) {
        CHECK_TRUE(ladder.patience() == expected);
        CHECK_TRUE(ladder.failed(Trouble::transport));
        CHECK_TRUE(ladder.patience() == expected);
        CHECK_TRUE(ladder.failed(Trouble::transport));
        CHECK_TRUE(ladder.patience() == options.patience_max);
        CHECK_TRUE(!ladder.failed(Trouble::transport));
    }
    (void)ladder.worked(now);
    ladder.line_ended();
    CHECK_TRUE(ladder.patience() == options.patience_min);
}

TEST(Ladder, patience_is_its_greatest_where_such_a_failure_leaves_nothing_to_try) {
    const LadderOptions options = with_proxy();
    Ladder alone{LadderOptions{}};
    CHECK_TRUE(alone.patience(Trouble::transport) == options.patience_min);
    CHECK_TRUE(alone.patience(Trouble::route) == options.patience_max);
    CHECK_TRUE(alone.patience(Trouble::hub) == options.patience_max);
    Ladder ladder{options};
    CHECK_TRUE(ladder.patience(Trouble::route) == options.patience_min);
    CHECK_TRUE(ladder.failed(Trouble::route));
    CHECK_TRUE(ladder.patience(Trouble::route) == options.patience_max);
    CHECK_TRUE(ladder.patience(Trouble::transport) == options.patience_min);
    climb_to(ladder, kDirectXhr);
    CHECK_TRUE(ladder.patience(Trouble::transport) == options.patience_max);
}

TEST(Ladder, a_hub_that_says_no_does_not_lengthen_patience) {
    Ladder ladder{LadderOptions{}};
    for (int i = 0; i < 3; ++i) {
        CHECK_TRUE(!ladder.failed(Trouble::hub));
    }
    CHECK_TRUE(ladder.patience() == LadderOptions{}.patience_min);
}

// ---- Better paths

TEST(Ladder, on_the_best_path_nothing_is_tried_beside_it) {
    Ladder ladder{with_proxy()};
    CHECK_TRUE(ladder.deadline() == kNever);
    (void)ladder.worked(now);
    CHECK_TRUE(ladder.deadline() == kNever);
    now += 24h * 365;
    CHECK_TRUE(!ladder.trial_due(now));
}

TEST(Ladder, better_paths_are_tried_in_turn_when_it_is_time) {
    const LadderOptions options;
    Ladder ladder{options};
    climb_to(ladder, kDirectXhr);
    CHECK_TRUE(!ladder.trial_due(now));
    (void)ladder.worked(now);
    CHECK_TRUE(ladder.deadline() == now + options.trial_min);
    now += options.trial_min - 1us;
    CHECK_TRUE(!ladder.trial_due(now));
    now += 1us;
    CHECK_TRUE(ladder.trial_due(now) == kDirect);
    // It is out: nothing else is due until it ended.
    CHECK_TRUE(!ladder.trial_due(now + 1h));
    CHECK_TRUE(ladder.deadline() == kNever);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    ladder.trial_ended(false, now);
    CHECK_TRUE(ladder.deadline() == now);
    CHECK_TRUE(ladder.trial_due(now) == kDirectStreaming);
    ladder.trial_ended(false, now);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    CHECK_TRUE(ladder.deadline() == now + 2 * options.trial_min);
}

TEST(Ladder, a_direct_line_tries_the_proxy_again_too) {
    Ladder ladder{with_proxy()};
    climb_to(ladder, kDirect);
    (void)ladder.worked(now);
    now = ladder.deadline();
    STRCMP_EQUAL("proxy proxy+xhr_streaming proxy+xhr", failed_trials(ladder).c_str());
}

TEST(Ladder, trials_become_rarer_down_to_their_limit) {
    const LadderOptions options;
    Ladder ladder{options};
    climb_to(ladder, kDirectStreaming);
    (void)ladder.worked(now);
    Duration wait = options.trial_min;
    for (int i = 0; i < 20; ++i) {
        CHECK_TRUE(ladder.deadline() == now + wait);
        now += wait;
        STRCMP_EQUAL("direct", failed_trials(ladder).c_str());
        wait = std::min(wait * 2, options.trial_max);
    }
    CHECK_TRUE(wait == options.trial_max);
}

TEST(Ladder, the_line_moves_to_the_trial_that_passed) {
    Ladder ladder{LadderOptions{}};
    climb_to(ladder, kDirectXhr);
    (void)ladder.worked(now);
    now = ladder.deadline();
    (void)ladder.trial_due(now);
    ladder.trial_ended(false, now);
    CHECK_TRUE(ladder.trial_due(now) == kDirectStreaming);
    ladder.trial_ended(true, now);
    CHECK_TRUE(ladder.path() == kDirectStreaming);
    CHECK_TRUE(ladder.deadline() == kNever);
    CHECK_TRUE(ladder.worked(now));
    // Still not the best one.
    CHECK_TRUE(ladder.deadline() == now + LadderOptions{}.trial_min);
    now = ladder.deadline();
    CHECK_TRUE(ladder.trial_due(now) == kDirect);
    ladder.trial_ended(true, now);
    CHECK_TRUE(ladder.worked(now));
    CHECK_TRUE(ladder.path() == kDirect);
    CHECK_TRUE(ladder.deadline() == kNever);
    ladder.line_ended();
    CHECK_TRUE(ladder.path() == kDirect);
}

TEST(Ladder, a_trial_that_outlives_the_line_is_of_no_effect) {
    Ladder ladder{LadderOptions{}};
    climb_to(ladder, kDirectXhr);
    (void)ladder.worked(now);
    now = ladder.deadline();
    (void)ladder.trial_due(now);
    ladder.line_ended();
    CHECK_TRUE(ladder.deadline() == kNever);
    CHECK_TRUE(!ladder.trial_due(now + 1h));
    ladder.trial_ended(true, now);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    CHECK_TRUE(!ladder.worked(now));
    CHECK_TRUE(ladder.deadline() == now + 2 * LadderOptions{}.trial_min);
    now = ladder.deadline();
    CHECK_TRUE(ladder.trial_due(now) == kDirect);
}

TEST(Ladder, lines_that_last_just_as_long_as_the_wait_do_not_end_each_trial) {
    // A box that lets a line be idle for 10 s, and an access line that is renewed once a day.
    for (const Duration life : {Duration(10s), Duration(20s), Duration(24h)}) {
        Ladder ladder{LadderOptions{}};
        climb_to(ladder, kDirectStreaming);
        int ended_in_a_row = 0;
        for (const Instant end = now + 30 * 24h; now < end;) {
            (void)ladder.worked(now);
            const Instant cut = now + life;
            while (ladder.deadline() <= cut) {
                now = std::max(now, ladder.deadline());
                CHECK_TRUE(ladder.trial_due(now) == kDirect);
                now += 2s;
                if (now > cut) {
                    CHECK_TRUE(++ended_in_a_row <= 2);
                    break;
                }
                ladder.trial_ended(false, now);
                ended_in_a_row = 0;
            }
            ladder.line_ended();
            now = cut + 3s;
        }
    }
}

TEST(Ladder, lines_that_are_cut_young_neither_put_trials_off_nor_make_them_many) {
    Ladder ladder{LadderOptions{}};
    climb_to(ladder, kDirectStreaming);
    int trials = 0;
    for (const Instant end = now + 24h; now < end;) {
        (void)ladder.worked(now);
        for (int i = 0; i < 30; ++i) {
            now += 1s;
            if (ladder.trial_due(now)) {
                ++trials;
                ladder.trial_ended(false, now);
            }
        }
        ladder.line_ended();
        CHECK_TRUE(ladder.deadline() == kNever);
        now += 3s;
    }
    // After 10, 30, 70 … seconds.
    LONGS_EQUAL(13, trials);
}

TEST(Ladder, another_path_or_network_begins_with_the_shortest_wait) {
    const LadderOptions options;
    Ladder ladder{options};
    climb_to(ladder, kDirectStreaming);
    (void)ladder.worked(now);
    for (int i = 0; i < 5; ++i) {
        now = ladder.deadline();
        (void)failed_trials(ladder);
    }
    ladder.line_ended();
    climb_to(ladder, kDirectXhr);
    (void)ladder.worked(now);
    CHECK_TRUE(ladder.deadline() == now + options.trial_min);
    now = ladder.deadline();
    (void)failed_trials(ladder);
    ladder.line_ended();
    ladder.on_network(kDirectXhr);
    (void)ladder.worked(now);
    CHECK_TRUE(ladder.deadline() == now + options.trial_min);
}
