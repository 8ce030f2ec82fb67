#include <algorithm>
#include <chrono>

#include <CppUTest/TestHarness.h>

#include "firmware/uplink/heartbeat/adaptive_heartbeat.h"
#include "tests/firmware/uplink/heartbeat/path_model.h"

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

constexpr LineEnd kFin{EndKind::finished, 0};
constexpr LineEnd kReset{EndKind::reset, 0};
constexpr LineEnd kUnanswered{EndKind::unanswered, 0};

PathSpec cut_at(CutKind kind, Duration cut) {
    PathSpec spec;
    spec.cut_kind = kind;
    spec.cut = cut;
    return spec;
}

bool near(Duration a, Duration b) {
    return std::chrono::abs(a - b) <= b / 20;
}

}  // namespace

// ---- What is kept

TEST_GROUP(PathKnowledge) {
    PathKnowledge known{228s, 240s, CutKind::silent, Counts::either_way, 2h, 1'790'000'000};
};

TEST(PathKnowledge, text_and_back) {
    STRCMP_EQUAL("1 228000 240000 4 1 7200000 1790000000", to_text(known).c_str());
    CHECK(knowledge_from_text(to_text(known)) == known);
    CHECK(knowledge_from_text(to_text(PathKnowledge{})) == PathKnowledge{});
}

TEST(PathKnowledge, what_is_no_such_text_is_nothing) {
    for (const char* text :
         {"", "1", "1 228000 240000 4 1 7200000", "2 228000 240000 4 1 7200000 1790000000",
          "1 228000 240000 4 1 7200000 1790000000 ", "1 228000 240000 5 1 7200000 1790000000",
          "1 228000 240000 4 3 7200000 1790000000", "1 -1 240000 4 1 7200000 1790000000",
          "1 250000 240000 4 1 7200000 1790000000", "1 99999999999999999999 0 0 0 0 0",
          "1 99999999999999 0 0 0 0 0", "1  228000 240000 4 1 7200000 1790000000", "x"}) {
        CHECK(!knowledge_from_text(text));
    }
}

TEST(PathKnowledge, every_prefix_of_a_text_is_another_or_nothing) {
    const std::string text = to_text(known);
    for (std::size_t n = 0; n < text.size(); ++n) {
        CHECK(knowledge_from_text(text.substr(0, n)) != known);
    }
}

TEST(PathKnowledge, is_worth_a_write_when_it_tells_more) {
    CHECK(!worth_writing(known, known));
    PathKnowledge now = known;
    now.cut = 244s;
    now.checked_s += 5 * 86400;
    CHECK(!worth_writing(known, now));
    now.cut = 250s;
    CHECK(worth_writing(known, now));
    now = known;
    now.kind = CutKind::fin;
    CHECK(worth_writing(known, now));
    now = known;
    now.lifetime = {};
    CHECK(worth_writing(known, now));
    now = known;
    now.checked_s += 6 * 86400;
    CHECK(worth_writing(known, now));
}

// ---- The search, one rule at a time

TEST_GROUP(CutSearch) {
    CutSearch search{{}};
    Instant now{1000s};
    std::size_t opened = 0, closed = 0;

    void setup() override {
        search.set_round_trip(50ms);
        search.begin();
    }
    /// Carries out what is due: lines open at once.
    std::optional<std::size_t> drain() {
        std::optional<std::size_t> pinged;
        while (const auto action = search.next(now)) {
            if (action->kind == LineAction::Kind::open) {
                ++opened;
                search.opened(action->line, now);
            } else if (action->kind == LineAction::Kind::close) {
                ++closed;
            } else if (action->kind == LineAction::Kind::ping) {
                pinged = action->line;
            }
        }
        return pinged;
    }
    /// Goes on until a ping is due, and returns the line.
    std::size_t next_ping() {
        for (;;) {
            if (const auto line = drain()) {
                return *line;
            }
            CHECK(search.deadline() > now);
            CHECK(search.deadline() != kNever);
            now = search.deadline();
        }
    }
    void die(std::size_t line, const LineEnd& end) {
        search.ended(line, end, now);
        search.main_answered(now);
    }
};

TEST(CutSearch, three_lines_are_asked_at_rising_idle_times) {
    Duration last{};
    for (int n = 0; n < 8; ++n) {
        const std::size_t line = next_ping();
        search.answered(line, now);
        CHECK(search.safe() > last);
        last = search.safe();
    }
    LONGS_EQUAL(3, opened);
}

TEST(CutSearch, a_line_that_ends_of_itself_tells_the_cut_and_a_second_one_confirms_it) {
    search.answered(next_ping(), now);
    now = Instant(1007s);
    (void)drain();
    search.ended(1, kFin, now);
    CHECK(search.needs_main_answer());
    CHECK(!search.learned());
    search.main_answered(now);
    CHECK(!search.learned());
    search.ended(2, kFin, now + 100ms);
    search.main_answered(now + 100ms);
    CHECK(search.learned());
    CHECK(near(search.cut(), 7s));
    CHECK(search.safe() < 7s);
    CHECK(search.kind() == CutKind::fin);
}

TEST(CutSearch, a_line_that_ends_by_chance_is_refuted_by_the_next) {
    search.answered(next_ping(), now);
    (void)drain();
    now += 1s;
    const Duration whim = now - Instant(1000s);
    die(1, kReset);
    const std::size_t other = next_ping();
    CHECK(now - Instant(1000s) > whim);
    search.answered(other, now);
    CHECK(!search.learned());
    CHECK(search.safe() > whim);
    CHECK(search.cut() == 0s);
}

TEST(CutSearch, a_death_that_the_main_line_did_not_outlive_teaches_nothing) {
    (void)next_ping();
    (void)drain();
    search.ended(1, kFin, now);
    search.ended(2, kFin, now);
    search.main_lost();
    search.main_answered(now);
    CHECK(!search.learned());
    CHECK(search.cut() == 0s);
    closed = 0;
    (void)drain();
    LONGS_EQUAL(1, closed);
}

TEST(CutSearch, an_answer_that_was_asked_for_before_the_death_confirms_nothing) {
    (void)next_ping();
    search.ended(1, kFin, now);
    search.ended(2, kFin, now);
    search.main_answered(now - 1us);
    CHECK(search.needs_main_answer());
    CHECK(!search.learned());
}

TEST(CutSearch, a_ping_without_answer_is_a_death_when_patience_ends) {
    (void)next_ping();
    CHECK(!search.needs_main_answer());
    now += 3s;
    (void)drain();
    CHECK(search.needs_main_answer());
}

TEST(CutSearch, a_closing_hub_teaches_nothing_and_blocks_after_a_while) {
    for (int n = 0; n < 3; ++n) {
        CHECK(!search.blocked());
        (void)drain();
        search.ended(0, {EndKind::closed, 4000}, now);
        now += 1h;
    }
    CHECK(search.blocked());
    CHECK(search.cut() == 0s);
}

TEST(CutSearch, lines_that_cannot_be_opened_are_tried_ever_more_seldom) {
    std::size_t tries = 0;
    for (const Instant end = now + 24h; now < end;) {
        while (const auto action = search.next(now)) {
            CHECK(action->kind == LineAction::Kind::open);
            ++tries;
            search.failed(action->line, now);
        }
        CHECK(search.deadline() > now);
        now = search.deadline();
    }
    CHECK(search.blocked());
    CHECK(tries < 120);
}

TEST(CutSearch, events_of_lines_that_are_closed_are_passed_over) {
    for (std::size_t line = 0; line < kProbeLines; ++line) {
        search.opened(line, now);
        search.answered(line, now);
        search.ended(line, kFin, now);
    }
    CHECK(!search.needs_main_answer());
}

TEST(CutSearch, what_is_known_asks_for_no_line) {
    search.know({235s, 240s, CutKind::silent, Counts::either_way, {}, 0});
    CHECK(search.resting());
    (void)drain();
    LONGS_EQUAL(0, opened);
    CHECK(search.deadline() == kNever);
}

TEST(CutSearch, a_recheck_takes_one_line_and_one_ping) {
    search.know({235s, 240s, CutKind::silent, Counts::either_way, {}, 0});
    search.recheck();
    const Instant began = now;
    const std::size_t line = next_ping();
    LONGS_EQUAL(1, opened);
    CHECK(now - began > 240s && now - began < 290s);
    die(line, kReset);
    CHECK(search.resting());
    CHECK(search.safe() == 235s);
}

TEST(CutSearch, a_limit_that_has_grown_is_searched_above) {
    search.know({235s, 240s, CutKind::silent, Counts::either_way, {}, 0});
    search.recheck();
    search.answered(next_ping(), now);
    CHECK(!search.learned());
    CHECK(search.safe() > 240s);
    search.answered(next_ping(), now);
    CHECK(search.safe() > 300s);
}

TEST(CutSearch, in_doubt_nothing_is_safe_until_what_was_known_has_been_tried) {
    search.know({235s, 240s, CutKind::silent, Counts::either_way, {}, 0});
    search.doubt();
    CHECK(search.safe() == 0s);
    const Instant began = now;
    while (!search.learned()) {
        search.answered(next_ping(), now);
    }
    CHECK(search.safe() >= 235s);
    CHECK(search.resting());
    CHECK(near(search.cut(), 240s));
    CHECK(now - began < 240s);
}

TEST(CutSearch, no_idle_time_above_the_lifetime_of_lines_is_tried) {
    search.set_lifetime(30s);
    while (!search.learned()) {
        search.answered(next_ping(), now);
        CHECK(now < Instant(1000s) + 5min);
    }
    CHECK(search.kind() == CutKind::none);
    CHECK(search.safe() > 20s && search.safe() < 28s);
}

// ---- The age at which lines end

TEST_GROUP(LifetimeWatch) {
    LifetimeWatch watch;
    Instant now{1000s};

    /// A witness that lives until `age`.
    void hold(Duration age) {
        const Instant opened = now;
        LONGS_EQUAL(static_cast<int>(LineAction::Kind::open),
                    static_cast<int>(watch.next(now, true, 1min)->kind));
        watch.opened(now);
        while (watch.deadline() < opened + age || watch.deadline() == kNever) {
            const auto action = watch.next(now, true, 1min);
            if (action && action->kind == LineAction::Kind::close) {
                return;
            }
            if (action) {
                watch.answered(now);
            } else {
                now = std::min(watch.deadline(), opened + age);
                if (now == opened + age) {
                    break;
                }
            }
        }
        now = opened + age;
    }
};

TEST(LifetimeWatch, one_unexplained_end_is_a_suspicion_by_which_lines_are_renewed) {
    watch.suspect({2h, 2h});
    CHECK(watch.lifetime() == 2h);
    CHECK(watch.known() == 0s);
    CHECK(watch.needs_a_line());
}

TEST(LifetimeWatch, a_witness_that_dies_at_that_age_confirms_it) {
    watch.suspect({2h, 2h});
    hold(2h);
    watch.ended(kFin, now);
    CHECK(watch.known() == 0s && watch.needs_main_answer());
    watch.main_answered(now);
    CHECK(watch.known() == 2h);
    CHECK(!watch.needs_a_line());
    CHECK(watch.explains({2h, 2h}));
    CHECK(!watch.explains({1h, 1h}));
}

TEST(LifetimeWatch, a_witness_that_died_with_the_main_line_tells_nothing) {
    watch.suspect({2h, 2h});
    hold(2h);
    watch.ended(kFin, now);
    watch.main_lost();
    watch.main_answered(now);
    CHECK(watch.known() == 0s && watch.lifetime() == 2h);
}

TEST(LifetimeWatch, a_witness_that_outlives_it_refutes_it) {
    watch.suspect({2h, 2h});
    hold(3h);
    CHECK(watch.lifetime() == 0s);
    CHECK(!watch.needs_a_line());
}

TEST(LifetimeWatch, one_witness_tells_of_several_suspicions) {
    watch.suspect({2h, 2h});
    watch.suspect({1h, 1h});
    CHECK(watch.lifetime() == 1h);
    hold(2h);
    CHECK(watch.lifetime() == 2h);
    watch.ended(kReset, now);
    watch.main_answered(now);
    CHECK(watch.known() == 2h);
}

TEST(LifetimeWatch, the_same_age_twice_needs_no_witness) {
    watch.suspect({100min, 120min});
    watch.suspect({115min, 130min});
    CHECK(watch.known() == 115min);
}

TEST(LifetimeWatch, very_young_and_very_old_lines_are_no_matter) {
    watch.suspect({3s, 3s});
    watch.suspect({48h, 48h});
    CHECK(watch.lifetime() == 0s);
}

TEST(LifetimeWatch, without_a_witness_the_suspicion_stays) {
    watch.suspect({2h, 2h});
    for (int n = 0; n < 5; ++n) {
        CHECK(watch.next(now, true, 1min).has_value());
        watch.failed(now);
        now += 1min;
    }
    CHECK(!watch.next(now, true, 1min));
    CHECK(watch.lifetime() == 2h);
}

// ---- The heartbeat

TEST_GROUP(AdaptiveHeartbeat) {
    struct Fixed final : ports::Entropy {
        void fill(std::span<std::byte> bytes) override {
            for (std::byte& byte : bytes) {
                byte = static_cast<std::byte>(number_ * 37);
                ++number_;
            }
        }
        unsigned number_ = 1;
    } random;
    AdaptiveHeartbeat heartbeat{{}, random};
    Instant start{1000s};
    Now clock{start, WallTime(std::chrono::seconds(1'790'000'000))};
    PathKnowledge known{228s, 240s, CutKind::silent, Counts::either_way, {}, 1'790'000'000 - 86400};

    void open_known() {
        heartbeat.on_path(known, clock);
        heartbeat.opened(start);
        while (heartbeat.next(start)) {
        }
    }
};

TEST(AdaptiveHeartbeat, while_nothing_is_known_it_beats_below_the_shortest_cut) {
    heartbeat.opened(start);
    CHECK(heartbeat.ping_due(start + 4s));
    CHECK(!heartbeat.ping_due(start + 3900ms));
}

TEST(AdaptiveHeartbeat, it_works_at_80_to_95_percent_of_what_is_safe_and_never_twice_the_same) {
    open_known();
    Duration least = 1h;
    Duration greatest{};
    Instant now = start;
    for (int n = 0; n < 100; ++n) {
        const Instant beat = now;
        while (!heartbeat.ping_due(now)) {
            now = heartbeat.deadline();
            while (heartbeat.next(now)) {
            }
        }
        least = std::min(least, now - beat);
        greatest = std::max(greatest, now - beat);
        heartbeat.ping_sent(now);
        heartbeat.heard(now, false);
    }
    CHECK(least >= 182'400ms);
    CHECK(greatest <= 216'600ms);
    CHECK(greatest - least > 5s);
}

TEST(AdaptiveHeartbeat, a_busy_line_sends_none) {
    open_known();
    for (Instant now = start; now < start + 24h; now += 100s) {
        CHECK(!heartbeat.ping_due(now));
        heartbeat.sent(now);
        heartbeat.heard(now + 50ms, false);
    }
    LONGS_EQUAL(0, heartbeat.report(start + 24h).beats);
}

TEST(AdaptiveHeartbeat, what_the_hub_sends_unasked_is_no_beat) {
    open_known();
    for (Instant now = start; now < start + 200s; now += 1s) {
        heartbeat.heard(now, false);
    }
    CHECK(heartbeat.ping_due(start + 217s));
}

TEST(AdaptiveHeartbeat, an_overdue_answer_is_asked_for_and_a_silent_line_is_dead) {
    open_known();
    heartbeat.sent(start + 1s);
    CHECK(heartbeat.ping_due(start + 11s));
    heartbeat.ping_sent(start + 11s);
    CHECK(!heartbeat.ping_due(start + 12s));
    CHECK(!heartbeat.dead(start + 21s - 1us));
    CHECK(heartbeat.dead(start + 21s));
}

TEST(AdaptiveHeartbeat, bounds_and_advice_hold) {
    AdaptiveHeartbeat bounded({.min = 30s, .max = 60s}, random);
    bounded.opened(start);
    CHECK(bounded.interval() == 30s);
    bounded.on_path(known, clock);
    CHECK(bounded.interval() == 60s);
    CHECK(bounded.advised(1h) == 60s);
    CHECK(bounded.advised(1ms) == 30s);
    CHECK(bounded.interval() == 30s);
    CHECK(bounded.advised(45s) == 45s);
    CHECK(bounded.interval() == 45s);
}

TEST(AdaptiveHeartbeat, causes_are_told_apart) {
    const auto cause = [&](const LineEnd& end, Duration age) {
        AdaptiveHeartbeat fresh({}, random);
        fresh.on_path(known, clock);
        fresh.opened(start);
        fresh.ping_sent(start + 100s);
        fresh.heard(start + 100s, false);
        return fresh.ended(end, start + age);
    };
    CHECK(cause({EndKind::goodbye, 0}, 110s) == EndCause::hub_leaving);
    CHECK(cause({EndKind::closed, 1001}, 110s) == EndCause::hub_leaving);
    CHECK(cause({EndKind::closed, 1012}, 110s) == EndCause::hub_leaving);
    CHECK(cause({EndKind::closed, 1008}, 110s) == EndCause::hub_choice);
    CHECK(cause({EndKind::ours, 0}, 110s) == EndCause::ours);
    CHECK(cause(kFin, 110s) == EndCause::unexplained);
    CHECK(cause(kFin, 340s) == EndCause::idle_cut);
    known.lifetime = 2h;
    CHECK(cause(kReset, 2h) == EndCause::lifetime);
}

TEST(AdaptiveHeartbeat, only_ends_that_the_path_may_have_made_bring_it_to_the_floor) {
    for (const LineEnd end : {LineEnd{EndKind::goodbye, 0}, LineEnd{EndKind::closed, 1008},
                              LineEnd{EndKind::ours, 0}}) {
        open_known();
        heartbeat.ended(end, start + 1min);
        heartbeat.opened(start + 2min);
        CHECK(heartbeat.interval() > 200s);
    }
    open_known();
    heartbeat.ended(kUnanswered, start + 1min);
    heartbeat.opened(start + 2min);
    CHECK(heartbeat.interval() == 4s);
}

TEST(AdaptiveHeartbeat, a_link_that_was_gone_teaches_nothing) {
    open_known();
    heartbeat.ended(kUnanswered, start + 1min);
    heartbeat.connect_failed();
    heartbeat.opened(start + 2min);
    CHECK(heartbeat.interval() > 200s);
    CHECK(heartbeat.report(start + 2min).last_end == EndCause::link_loss);
}

TEST(AdaptiveHeartbeat, what_is_known_outlives_a_restart_and_is_checked_when_its_week_is_over) {
    open_known();
    const auto kept = heartbeat.knowledge(clock);
    CHECK(kept == known);
    CHECK(!worth_writing(known, *kept));
    CHECK(heartbeat.deadline() < start + 6 * 24h);
    Instant now = start;
    std::optional<Instant> checked;
    while (now < start + 8 * 24h && !checked) {
        now = heartbeat.deadline();
        if (heartbeat.ping_due(now)) {
            heartbeat.ping_sent(now);
            heartbeat.heard(now, false);
        }
        while (const auto action = heartbeat.next(now)) {
            CHECK(action->kind == LineAction::Kind::open);
            checked = now;
        }
    }
    CHECK(checked && *checked >= start + 6 * 24h && *checked < start + 6 * 24h + 5min);
}

TEST(AdaptiveHeartbeat, a_line_is_renewed_before_its_lifetime_ends) {
    known.lifetime = 2h;
    open_known();
    Instant now = start;
    std::optional<LineAction> action;
    while (!action) {
        now = heartbeat.deadline();
        if (heartbeat.ping_due(now)) {
            heartbeat.ping_sent(now);
            heartbeat.heard(now, false);
        }
        action = heartbeat.next(now);
    }
    CHECK(action->kind == LineAction::Kind::renew);
    CHECK(now > start + 100min && now < start + 2h - 10min);
    CHECK(!heartbeat.next(now));
    CHECK(heartbeat.next(now + 3min)->kind == LineAction::Kind::renew);
    heartbeat.opened(now + 3min);
    CHECK(!heartbeat.next(now + 6min));
}

// ---- On whole paths

TEST_GROUP(HeartbeatOnOnePath){};

TEST(HeartbeatOnOnePath, nginx_is_told_from_a_box_that_counts_either_way) {
    PathSpec nginx = cut_at(CutKind::fin, 60s);
    nginx.counts = Direction::from_hub;
    for (const CutKind kind : {CutKind::fin, CutKind::silent}) {
        nginx.cut_kind = kind;
        PathWorld one_way(nginx, {}, 1);
        one_way.run(10min);
        CHECK(one_way.report().counts == Counts::from_hub_only);
        PathWorld two_way(cut_at(kind, 60s), {}, 1);
        two_way.run(10min);
        CHECK(two_way.report().counts == Counts::either_way);
    }
}

TEST(HeartbeatOnOnePath, a_cut_that_got_shorter_costs_one_drop) {
    PathWorld world(cut_at(CutKind::silent, 240s), {}, 1);
    world.run(1h);
    CHECK(near(world.report().cut, 240s));
    world.change(cut_at(CutKind::silent, 100s));
    world.run(3h);
    CHECK(near(world.report().cut, 100s));
    LONGS_EQUAL(1, world.drops().size());
}

TEST(HeartbeatOnOnePath, a_cut_that_got_longer_is_found_at_the_weekly_check) {
    PathWorld world(cut_at(CutKind::silent, 60s), {}, 1);
    world.run(1h);
    world.change(cut_at(CutKind::silent, 600s));
    world.run(8 * 24h);
    CHECK(near(world.report().cut, 600s));
    LONGS_EQUAL(0, world.drops().size());
}

TEST(HeartbeatOnOnePath, without_side_lines_it_lives_with_a_fixed_interval) {
    PathSpec spec = cut_at(CutKind::silent, 60s);
    spec.side_lines_refused = true;
    PathWorld world(spec, {}, 1);
    world.run(24h);
    CHECK(world.report().blocked);
    CHECK(world.report().interval == 25s);
    LONGS_EQUAL(0, world.drops().size());

    spec.cut = 20s;
    PathWorld tight(spec, {}, 1);
    tight.run(24h);
    CHECK(tight.report().interval < 20s);
    LONGS_EQUAL(1, tight.drops().size());
}

TEST(HeartbeatOnOnePath, without_side_lines_an_idle_cut_is_not_taken_for_a_lifetime) {
    for (const CutKind kind : {CutKind::fin, CutKind::reset, CutKind::silent}) {
        for (Duration cut = 5s; cut <= 24s; cut += 1s) {
            PathSpec spec = cut_at(kind, cut);
            spec.side_lines_refused = true;
            PathWorld world(spec, {}, 1);
            world.run(24h);
            const std::string text = spec.text() + ": " + std::to_string(world.drops().size()) +
                                     " drops, " + std::to_string(world.renewals()) + " renewals";
            CHECK_TEXT(world.drops().size() <= (kind == CutKind::silent ? 3u : 1u), text.c_str());
            CHECK_TEXT(world.renewals() == 0, text.c_str());
            CHECK_TEXT(world.report().lifetime == Duration{}, text.c_str());
            CHECK_TEXT(world.report().interval < cut, text.c_str());
        }
    }
}

TEST(HeartbeatOnOnePath, without_side_lines_a_lifetime_costs_few_drops_and_leaves_the_beat_alone) {
    for (const Duration lifetime : {70s, 300s, 7200s}) {
        PathSpec spec;
        spec.lifetime = lifetime;
        spec.side_lines_refused = true;
        PathWorld world(spec, {}, 1);
        world.run(48h);
        const std::string text = spec.text() + ": " + std::to_string(world.drops().size());
        CHECK_TEXT(world.drops().size() <= 2, text.c_str());
        CHECK_TEXT(world.renewals() > 0, text.c_str());
        CHECK_TEXT(world.report().interval == 25s, text.c_str());
    }
}

TEST(HeartbeatOnOnePath, a_fleet_that_starts_at_one_moment_does_not_beat_at_one_moment) {
    std::vector<Duration> intervals;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        PathWorld world(cut_at(CutKind::fin, 100s), {}, seed);
        world.run(1h);
        intervals.push_back(world.heartbeat().deadline().time_since_epoch());
    }
    std::ranges::sort(intervals);
    CHECK(intervals.back() - intervals.front() > 30s);
}

TEST(HeartbeatOnOnePath, the_same_seed_gives_the_same_history) {
    PathSpec spec = cut_at(CutKind::silent, 90s);
    spec.loss_per_mille = 20;
    PathWorld one(spec, {}, 7);
    PathWorld two(spec, {}, 7);
    one.run(24h);
    two.run(24h);
    CHECK(one.beats() == two.beats() && one.side_lines() == two.side_lines());
    CHECK(one.report().safe == two.report().safe);
}
