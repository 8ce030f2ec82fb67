#include "firmware/uplink/ladder.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/stride.h"

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
        CHECK_TRUE(ladder.failed(Trouble::passage));
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

TEST(Ladder, rungs_are_tried_best_first_each_once) {
    Ladder ladder{LadderOptions{}};
    STRCMP_EQUAL("direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::passage).c_str());
    CHECK_TRUE(ladder.path() == kDirect);
}

TEST(Ladder, through_a_proxy_comes_before_the_direct_way) {
    Ladder ladder{with_proxy()};
    STRCMP_EQUAL("proxy proxy+xhr_streaming proxy+xhr direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::passage).c_str());
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
    CHECK_TRUE(ladder.failed(Trouble::passage));
    CHECK_TRUE(ladder.path() == kProxyStreaming);
    CHECK_TRUE(ladder.failed(Trouble::route));
    STRCMP_EQUAL("direct direct+xhr_streaming direct+xhr",
                 round_of(ladder, Trouble::passage).c_str());
}

TEST(Ladder, what_worked_is_tried_first_then_the_others_best_first) {
    Ladder ladder{with_proxy()};
    climb_to(ladder, kDirectStreaming);
    CHECK_TRUE(ladder.worked(now));
    ladder.line_ended();
    for (int round = 0; round < 2; ++round) {
        STRCMP_EQUAL("direct+xhr_streaming proxy proxy+xhr_streaming proxy+xhr direct direct+xhr",
                     round_of(ladder, Trouble::passage).c_str());
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
                 round_of(ladder, Trouble::passage).c_str());
    CHECK_TRUE(ladder.path() == kDirect);
}

// ---- What worked

TEST(Ladder, what_worked_is_news_once) {
    Ladder ladder{LadderOptions{}};
    CHECK_TRUE(ladder.worked(now));
    ladder.line_ended();
    CHECK_TRUE(!ladder.worked(now));
    ladder.line_ended();
    CHECK_TRUE(ladder.failed(Trouble::passage));
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
                 round_of(ladder, Trouble::passage).c_str());
}

TEST(Ladder, another_network_begins_at_what_worked_there) {
    Ladder ladder{with_proxy()};
    ladder.on_network(kDirectXhr);
    CHECK_TRUE(ladder.path() == kDirectXhr);
    CHECK_TRUE(ladder.failed(Trouble::passage));
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
        CHECK_TRUE(ladder.failed(Trouble::passage));
        CHECK_TRUE(ladder.patience() == expected);
        CHECK_TRUE(ladder.failed(Trouble::passage));
        CHECK_TRUE(ladder.patience() == options.patience_max);
        CHECK_TRUE(!ladder.failed(Trouble::passage));
    }
    (void)ladder.worked(now);
    ladder.line_ended();
    CHECK_TRUE(ladder.patience() == options.patience_min);
}

TEST(Ladder, patience_is_its_greatest_where_such_a_failure_leaves_nothing_to_try) {
    const LadderOptions options = with_proxy();
    Ladder alone{LadderOptions{}};
    CHECK_TRUE(alone.patience(Trouble::passage) == options.patience_min);
    CHECK_TRUE(alone.patience(Trouble::route) == options.patience_max);
    CHECK_TRUE(alone.patience(Trouble::hub) == options.patience_max);
    Ladder ladder{options};
    CHECK_TRUE(ladder.patience(Trouble::route) == options.patience_min);
    CHECK_TRUE(ladder.failed(Trouble::route));
    CHECK_TRUE(ladder.patience(Trouble::route) == options.patience_max);
    CHECK_TRUE(ladder.patience(Trouble::passage) == options.patience_min);
    climb_to(ladder, kDirectXhr);
    CHECK_TRUE(ladder.patience(Trouble::passage) == options.patience_max);
}

TEST(Ladder, a_hub_that_says_no_does_not_lengthen_patience) {
    Ladder ladder{LadderOptions{}};
    for (int i = 0; i < 3; ++i) {
        CHECK_TRUE(!ladder.failed(Trouble::hub));
    }
    CHECK_TRUE(ladder.patience() == LadderOptions{}.patience_min);
}

// ---- Better rungs

TEST(Ladder, on_the_best_rung_nothing_is_tried_beside_it) {
    Ladder ladder{with_proxy()};
    CHECK_TRUE(ladder.deadline() == kNever);
    (void)ladder.worked(now);
    CHECK_TRUE(ladder.deadline() == kNever);
    now += 24h * 365;
    CHECK_TRUE(!ladder.trial_due(now));
}

TEST(Ladder, better_rungs_are_tried_in_turn_when_it_is_time) {
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
    CHECK_TRUE(ladder.deadline() == now + LadderOptions{}.trial_min);
    now = ladder.deadline();
    CHECK_TRUE(ladder.trial_due(now) == kDirect);
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
    // After 1, 3, 7 … minutes.
    LONGS_EQUAL(10, trials);
}

TEST(Ladder, another_rung_or_network_begins_with_the_shortest_wait) {
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

// ---- Whatever the networks do

namespace {

std::uint64_t from_environment(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A ladder among networks on which some rungs work, some do not, and that changes.
class Wanderer {
public:
    explicit Wanderer(std::uint64_t seed) : random_(seed) {
        options_.proxy = chance(50);
        for (const bool proxied : {true, false}) {
            for (const Transport transport :
                 {Transport::websocket, Transport::xhr_streaming, Transport::xhr}) {
                if (options_.proxy || !proxied) {
                    rungs_.push_back({proxied, transport});
                }
            }
        }
        ladder_ = Ladder(options_);
        home_ = rungs_.front();
        change();
    }

    /// "" or what went wrong.
    std::string live() {
        for (int step = 0; step < 300 && wrong_.empty(); ++step) {
            if (chance(5)) {
                const Path worked = rungs_[below(rungs_.size())];
                const bool known = chance(50);
                ladder_.on_network(known ? std::optional(worked) : std::nullopt);
                home_ = known ? worked : rungs_.front();
                require(ladder_.path() == home_, "another network begins elsewhere");
                begin_round();
                patience_ = options_.patience_min;
            }
            if (chance(10)) {
                change();
            }
            if (works(ladder_.path())) {
                be_up();
            } else {
                fail_once();
            }
        }
        return wrong_;
    }

private:
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
    bool chance(unsigned percent) { return random_() % 100 < percent; }
    void require(bool holds, const std::string& otherwise) {
        if (!holds && wrong_.empty()) {
            wrong_ = otherwise + ", at " + name(ladder_.path());
        }
    }
    std::size_t place(Path path) const {
        return static_cast<std::size_t>(std::ranges::find(rungs_, path) - rungs_.begin());
    }

    void change() {
        route_down_ = {chance(30), chance(30)};
        blocked_.clear();
        for (const Path& rung : rungs_) {
            blocked_[place(rung)] = chance(50);
        }
        hub_refuses_ = chance(10);
        // What was tried before may work now: a round tells about one state of the world only.
        complete_ = false;
    }
    bool route_up(Path path) const { return !route_down_[path.proxied ? 1 : 0]; }
    bool works(Path path) { return route_up(path) && !blocked_[place(path)] && !hub_refuses_; }

    void begin_round() {
        tried_.clear();
        ruled_out_.clear();
        complete_ = true;
    }

    void fail_once() {
        const Path path = ladder_.path();
        const std::size_t at = place(path);
        const Trouble trouble = !route_up(path) ? Trouble::route
                                : blocked_[at]  ? Trouble::passage
                                                : Trouble::hub;
        require(!tried_.contains(at), "tried twice in a round");
        require(!ruled_out_.contains(at), "tried without a route");
        tried_[at] = true;
        if (trouble == Trouble::route) {
            for (std::size_t rung = 0; rung < rungs_.size(); ++rung) {
                if (rungs_[rung].proxied == path.proxied) {
                    ruled_out_[rung] = true;
                }
            }
        }
        const bool last = round_is_over();
        const Duration patience = ladder_.patience(trouble);
        require(patience >= options_.patience_min && patience <= options_.patience_max,
                "patience out of bounds");
        require(patience == (last || trouble == Trouble::hub ? options_.patience_max : patience_),
                "wrong patience");
        const bool more = ladder_.failed(trouble);
        if (trouble == Trouble::hub) {
            require(!more && ladder_.path() == path, "left a path that the hub answered on");
            begin_round();
            return;
        }
        require(more != last, more ? "a round without end" : "a round that ended early");
        if (more) {
            const std::size_t next = place(ladder_.path());
            for (std::size_t better = 0; better < next; ++better) {
                require(tried_.contains(better) || ruled_out_.contains(better),
                        "passed over a better rung");
            }
            return;
        }
        if (complete_) {
            for (const Path& rung : rungs_) {
                require(!works(rung), "a round ended without what works: " + name(rung));
            }
        }
        require(ladder_.path() == home_, "a round does not begin at home");
        patience_ = std::min(patience_ * 2, options_.patience_max);
        begin_round();
    }

    bool round_is_over() const {
        for (std::size_t rung = 0; rung < rungs_.size(); ++rung) {
            if (!tried_.contains(rung) && !ruled_out_.contains(rung)) {
                return false;
            }
        }
        return true;
    }

    /// A line lives for a while, its better rungs are tried, and the line moves.
    void be_up() {
        arrive();
        for (std::size_t n = below(8); n > 0; --n) {
            const bool best = ladder_.path() == rungs_.front();
            require((ladder_.deadline() == kNever) == best, "trials on the best rung, or none");
            if (best) {
                break;
            }
            require(ladder_.deadline() <= now_ + options_.trial_max, "a trial that is too late");
            now_ = std::max(now_, ladder_.deadline());
            const std::optional<bool> moved = try_better();
            if (!moved) {
                break;
            }
            if (*moved) {
                arrive();
            }
        }
        ladder_.line_ended();
        require(ladder_.deadline() == kNever, "a trial without a line");
        begin_round();
    }

    void arrive() {
        home_ = ladder_.path();
        (void)ladder_.worked(now_);
        patience_ = options_.patience_min;
        require(!ladder_.worked(now_), "news twice");
    }

    /// All better rungs, best first, until one works; true: the line moves there. nullopt: it ends
    /// in the middle of a trial.
    std::optional<bool> try_better() {
        const std::size_t at = place(ladder_.path());
        for (std::size_t better = 0; better < at; ++better) {
            const std::optional<Path> trial = ladder_.trial_due(now_);
            require(trial == rungs_[better], "not the next better rung");
            require(!ladder_.trial_due(now_), "two trials at a time");
            if (!wrong_.empty()) {
                return false;
            }
            if (chance(5)) {
                return std::nullopt;
            }
            const bool passed = works(*trial);
            ladder_.trial_ended(passed, now_);
            require(ladder_.path() == rungs_[passed ? better : at], "not where the line is");
            if (passed) {
                return true;
            }
        }
        require(ladder_.deadline() > now_, "trials without a pause");
        return false;
    }

    std::mt19937_64 random_;
    LadderOptions options_;
    std::vector<Path> rungs_;
    Ladder ladder_{LadderOptions{}};
    Instant now_{1000s};
    std::string wrong_;

    std::array<bool, 2> route_down_{};
    std::map<std::size_t, bool> blocked_;
    bool hub_refuses_ = false;

    Path home_{};
    Duration patience_ = LadderOptions{}.patience_min;
    std::map<std::size_t, bool> tried_;
    std::map<std::size_t, bool> ruled_out_;
    bool complete_ = false;  ///< the world has not changed in this round
};

}  // namespace

TEST(Ladder, each_path_is_tried_once_a_round_whatever_happens) {
    const std::uint64_t first = from_environment("HOLDFAST_FIRST_SEED", 1);
    const std::uint64_t seeds = from_environment("HOLDFAST_SEEDS", 2000);
    for (std::uint64_t seed = first; seed < first + seeds; seed += kStride) {
        const std::string wrong = Wanderer(seed).live();
        if (!wrong.empty()) {
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
            FAIL("a round went wrong");
        }
    }
}
