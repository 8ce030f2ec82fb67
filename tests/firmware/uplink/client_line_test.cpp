#include <algorithm>
#include <string>
#include <vector>

#include "tests/firmware/uplink/client_desk.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::simulation;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

/// The line that a client holds, the one it moves to, and the probe lines beside it.
TEST_GROUP(ClientLines) {
    ClientDesk net;

    void teardown() override {
        STRCMP_EQUAL("", net.broken.c_str());
    }
    void delivered() {
        STRCMP_EQUAL("", net.broken.c_str());
        CHECK(net.run_until_delivered());
        STRCMP_EQUAL("", net.compare().c_str());
    }
    /// A reading each 500 ms.
    void feed(Duration time) {
        for (const Instant end = net.desk.now + time; net.desk.now < end && net.broken.empty();) {
            net.desk.sample(1);
            net.run(500ms);
        }
    }
    std::string way() const {
        return name(net.client->path());
    }
    static std::string announced(const FarStream& stream) {
        std::string text;
        for (const Bytes& ping : stream.pings) {
            if (ping.size() == 4) {
                std::uint32_t ms = 0;
                for (const std::byte byte : ping) {
                    ms = ms << 8 | std::to_integer<std::uint32_t>(byte);
                }
                text += std::to_string(ms) + " ";
            } else {
                text += ping.empty() ? "- " : "? ";
            }
        }
        return text;
    }
};

// ---- What is remembered

TEST(ClientLines, what_worked_is_noted_and_tried_first_after_a_start) {
    net.far["direct"] = Far::page;
    net.desk.sample(1);
    net.start();
    delivered();
    LONGS_EQUAL(1, net.notes.size());
    STRCMP_EQUAL("ladder net hub.test", net.notes[0].first.c_str());
    STRCMP_EQUAL("direct+xhr_streaming", net.notes[0].second.c_str());

    ClientDesk next;
    next.far = net.far;
    next.client = std::make_unique<Client>(*next.desk.journal, next.options, next.random);
    next.client->remember(net.notes[0].first, net.notes[0].second);
    next.client->on_network("net", next.both());
    next.desk.sample(1);
    CHECK(next.run_until_delivered());
    STRCMP_EQUAL("", next.broken.c_str());
    STRCMP_EQUAL("direct+xhr_streaming", next.tries[0].c_str());
    LONGS_EQUAL(1, next.tries.size());
    CHECK(next.notes.empty());
}

TEST(ClientLines, what_worked_on_another_network_is_not_tried_first) {
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    net.client->remember("ladder elsewhere hub.test", "direct+xhr");
    net.client->remember("ladder net hub.test", "what is this");
    net.desk.sample(1);
    delivered();
    STRCMP_EQUAL("direct", net.tries[0].c_str());
}

TEST(ClientLines, another_network_begins_with_what_worked_there) {
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    net.client->remember("ladder elsewhere hub.test", "direct+xhr");
    net.desk.sample(1);
    delivered();
    net.network = "elsewhere";
    net.tries.clear();
    net.end(*net.main_stream(), {ErrorCode::io, "the peer reset the connection"});
    net.run(1s);
    net.desk.sample(1);
    delivered();
    STRCMP_EQUAL("direct+xhr", net.tries[0].c_str());
}

TEST(ClientLines, a_learned_cut_is_noted_and_used_from_the_first_line_after_a_start) {
    net.options.uplink.adaptive.emplace();
    net.idle_cut = 20s;
    net.start();
    CHECK(net.run_until_live());
    net.must_stay_up = true;
    net.run(10min);
    net.must_stay_up = false;
    CHECK(net.notes.size() >= 2 && net.notes.size() <= 3);
    STRCMP_EQUAL("heartbeat net direct hub.test", net.notes[1].first.c_str());
    CHECK(net.logged("this path lets a line be idle for"));

    ClientDesk next;
    next.options.uplink.adaptive.emplace();
    next.idle_cut = 20s;
    next.client = std::make_unique<Client>(*next.desk.journal, next.options, next.random);
    for (const auto& [name, text] : net.notes) {
        next.client->remember(name, text);
    }
    CHECK(next.run_until_live());
    next.must_stay_up = true;
    next.run(10min);
    STRCMP_EQUAL("", next.broken.c_str());
    LONGS_EQUAL(0, next.side_streams().size());
    // Told at once, not with the first beat: the hub must not ping before.
    CHECK(next.main_stream()->pings.size() >= 2);
    CHECK(announced(*next.main_stream()).ends_with("- "));
    const Duration interval = next.client->engine().adaptive()->interval();
    CHECK(interval > 15s);
    CHECK(next.main_stream()->pings.size() < 45);
    CHECK(next.main_stream()->pinged_at[1] - next.main_stream()->opened_at < 1s);
}

TEST(ClientLines, a_known_lifetime_is_kept_to_from_the_first_line_after_a_start) {
    net.options.uplink.adaptive.emplace();
    net.lifetime = 60s;
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    PathKnowledge known{235s, 240s, CutKind::silent, Counts::either_way, 60s, 0};
    net.client->remember("heartbeat net direct hub.test", to_text(known));
    CHECK(net.run_until_live());
    net.must_stay_up = true;
    feed(10min);
    net.must_stay_up = false;
    delivered();
    LONGS_EQUAL(0, net.client->engine().reconnects());
}

// ---- Better paths

TEST(ClientLines, a_better_way_that_works_again_takes_the_line_without_a_moment_between) {
    net.far["direct"] = Far::page;
    net.desk.sample(1);
    net.start();
    delivered();
    net.must_stay_up = true;
    feed(30s);
    STRCMP_EQUAL("direct+xhr_streaming", way().c_str());
    net.far.clear();
    feed(2min);
    STRCMP_EQUAL("direct", way().c_str());
    delivered();
    net.run(20s);
    LONGS_EQUAL(1, net.open_streams());
    LONGS_EQUAL(0, net.client->engine().reconnects());
    LONGS_EQUAL(1, net.moves);
    CHECK(net.logged("a better path works again: the line moves to direct"));
    STRCMP_EQUAL("direct", net.notes.back().second.c_str());
}

TEST(ClientLines, a_trial_that_fails_leaves_the_line_alone) {
    for (const Far far : {Far::page, Far::silence, Far::silent_101, Far::garbage_101, Far::reset,
                          Far::unauthorized}) {
        ClientDesk each;
        each.far["direct"] = far == Far::unauthorized ? Far::page : far;
        each.desk.sample(1);
        each.start();
        CHECK(each.run_until_delivered());
        const std::size_t hellos = each.hellos;
        each.far["direct"] = far;
        each.must_stay_up = true;
        for (int n = 0; n < 600; ++n) {
            each.desk.sample(1);
            each.run(500ms);
        }
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("", each.compare().c_str());
        STRCMP_EQUAL("direct+xhr_streaming", name(each.client->path()).c_str());
        LONGS_EQUAL(hellos, each.hellos);
        CHECK(std::ranges::count(each.tries, "direct") >= 3);
        CHECK(std::ranges::count(each.tries, "direct") <= 5);
        LONGS_EQUAL(2, each.open_streams());
    }
}

TEST(ClientLines, a_trial_in_progress_does_not_hold_a_renewal_up) {
    net.options.uplink.adaptive.emplace();
    net.options.proxy = "proxy.test:3128";
    net.far["proxy"] = net.far["proxy+xhr_streaming"] = net.far["proxy+xhr"] = Far::page;
    net.lifetime = 20s;
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    const PathKnowledge known{235s, 240s, CutKind::silent, Counts::either_way, 20s, 0};
    net.client->remember("heartbeat net direct hub.test", to_text(known));
    CHECK(net.run_until_live());
    net.far["proxy"] = net.far["proxy+xhr_streaming"] = net.far["proxy+xhr"] = Far::silence;
    net.must_stay_up = true;
    feed(10min);
    CHECK(std::ranges::count(net.tries, "proxy") > 2);
    net.must_stay_up = false;
    delivered();
}

// ---- Renewal

TEST(ClientLines, a_line_of_limited_life_is_renewed_before_it_ends) {
    net.options.uplink.adaptive.emplace();
    net.lifetime = 30s;
    net.start();
    CHECK(net.run_until_live());
    feed(2min);
    CHECK(net.client->engine().reconnects() <= 1);
    net.must_stay_up = true;
    const std::size_t hellos = net.hellos;
    const std::size_t moves = net.moves;
    feed(20min);
    net.must_stay_up = false;
    delivered();
    LONGS_EQUAL(net.hellos - hellos, net.moves - moves);
    CHECK(net.client->engine().reconnects() <= 1);
    CHECK(net.hellos > 40);
    const auto loud = std::ranges::count_if(net.logs, [](const Action& line) {
        return line.level != Action::Level::debug && line.text.starts_with("live at");
    });
    CHECK(loud <= 2);
}

TEST(ClientLines, a_line_that_ends_while_it_is_renewed_is_followed_by_the_new_one_at_once) {
    net.options.uplink.adaptive.emplace();
    net.client = std::make_unique<Client>(*net.desk.journal, net.options, net.random);
    const PathKnowledge known{235s, 240s, CutKind::silent, Counts::either_way, 60s, 0};
    net.client->remember("heartbeat net direct hub.test", to_text(known));
    CHECK(net.run_until_live());
    const std::size_t opens = net.opens;
    CHECK(net.run_until([&] { return net.opens > opens; }));
    net.end(*net.main_stream(), {ErrorCode::io, "the peer reset the connection"});
    net.desk.sample(3);
    delivered();
}

// ---- The heartbeat and its probe lines

TEST(ClientLines, the_ping_after_101_announces_its_silence_and_later_ones_only_what_is_new) {
    net.start();
    CHECK(net.run_until_live());
    net.run(130s);
    STRCMP_EQUAL("31250 - - - - - ", announced(*net.main_stream()).c_str());
}

TEST(ClientLines, a_fixed_heartbeat_opens_no_probe_line) {
    net.start();
    CHECK(net.run_until_live());
    net.run(1h);
    LONGS_EQUAL(1, net.opens);
}

TEST(ClientLines, probe_lines_say_once_that_they_will_be_silent_and_then_nothing_unasked) {
    net.options.uplink.adaptive.emplace();
    net.idle_cut = 60s;
    net.start();
    CHECK(net.run_until_live());
    net.must_stay_up = true;
    net.run(1h);
    const auto sides = net.side_streams();
    CHECK(sides.size() >= 4 && sides.size() < 20);
    for (const FarStream* side : sides) {
        STRCMP_EQUAL("2100000", announced(*side).substr(0, 7).c_str());
        CHECK(std::ranges::all_of(side->pings.begin() + 1, side->pings.end(),
                                  [](const Bytes& ping) { return ping.empty(); }));
    }
    const auto report = net.client->engine().adaptive()->report(net.desk.now);
    CHECK(report.learned);
    CHECK(report.cut > 57s && report.cut < 63s);
    LONGS_EQUAL(report.probes, sides.size());
    LONGS_EQUAL(0, net.client->engine().reconnects());
    LONGS_EQUAL(1, net.open_streams());
}

TEST(ClientLines, a_silent_cut_is_learned_and_probe_lines_never_disturb_the_main_line) {
    net.options.uplink.adaptive.emplace();
    net.idle_cut = 40s;
    net.cut_is_silent = true;
    net.start();
    CHECK(net.run_until_live());
    net.must_stay_up = true;
    net.run(1h);
    const auto report = net.client->engine().adaptive()->report(net.desk.now);
    CHECK(report.learned && report.kind == CutKind::silent);
    CHECK(report.cut > 37s && report.cut < 43s);
    LONGS_EQUAL(1, net.hellos);
}

TEST(ClientLines, a_slow_welcome_does_not_cost_the_probe_lines) {
    net.options.uplink.adaptive.emplace();
    net.idle_cut = 60s;
    net.latency = 700ms;
    net.start();
    CHECK(net.run_until_live());
    net.run(1min);
    CHECK(!net.client->engine().adaptive()->report(net.desk.now).blocked);
    CHECK(net.side_streams().size() >= 1);
    CHECK(net.side_streams()[0]->opened_at - net.main_stream()->opened_at < 4s);
}

TEST(ClientLines, probe_lines_that_are_refused_do_not_touch_the_main_line) {
    net.options.uplink.adaptive.emplace();
    net.start();
    CHECK(net.run_until_live());
    net.must_stay_up = true;
    net.far["direct"] = Far::page;
    net.run(1h);
    CHECK(net.client->engine().adaptive()->report(net.desk.now).blocked);
    net.far["direct"] = Far::silent_101;
    net.run(24h);
    LONGS_EQUAL(1, net.hellos);
    LONGS_EQUAL(1, net.open_streams());
}

TEST(ClientLines, the_end_of_the_main_line_takes_the_probe_lines_along) {
    net.options.uplink.adaptive.emplace();
    net.start();
    CHECK(net.run_until_live());
    net.run(5s);
    CHECK(net.open_streams() > 1);
    net.route[0] = false;
    net.end(*net.main_stream(), {ErrorCode::io, "the peer reset the connection"});
    net.run(10s);
    CHECK(net.open_streams() <= 1);
}

// ---- Streams that are gone

TEST(ClientLines, streams_that_were_dropped_are_never_heard_of_again) {
    net.late = true;
    net.options.uplink.adaptive.emplace();
    net.far["direct"] = Far::page;
    net.lifetime = 40s;
    net.desk.sample(1);
    net.start();
    delivered();
    net.far.clear();
    feed(10min);
    delivered();
    const auto old = net.streams.begin()->first;
    Bytes bytes(10);
    for (const StreamId id : {old, StreamId{0}, StreamId{1'000'000}}) {
        net.client->opened(id, "x", "y", net.both());
        net.client->received(id, bytes, net.both());
        net.client->congested(id);
        net.client->writable(id);
        net.client->failed(id, {ErrorCode::io, "late"}, net.both());
        net.client->ended(id, {ErrorCode::io, "late"}, net.both());
    }
    net.desk.sample(1);
    delivered();
}

TEST(ClientLines, a_stream_that_dies_at_any_moment_costs_nothing) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        for (Duration wait{}; wait < 700ms; wait += 10ms) {
            for (const ErrorCode how : {ErrorCode::closed, ErrorCode::io}) {
                for (const bool youngest : {false, true}) {
                    ClientDesk each;
                    if (*closed != '\0') {
                        each.far["direct"] = each.far[closed] = Far::page;
                    }
                    each.desk.sample(3);
                    each.start();
                    each.later(wait, [&] {
                        std::vector<FarStream*> open;
                        for (const auto& [id, stream] : each.streams) {
                            if (stream->connected && !stream->left && !stream->ended) {
                                open.push_back(stream.get());
                            }
                        }
                        if (!open.empty()) {
                            each.end(youngest ? *open.back() : *open.front(), {how, "it died"});
                        }
                    });
                    for (int n = 0; n < 20; ++n) {
                        each.desk.sample(1);
                        each.run(50ms);
                    }
                    CHECK(each.run_until_delivered(2min));
                    STRCMP_EQUAL("", each.broken.c_str());
                    STRCMP_EQUAL("", each.compare().c_str());
                    CHECK(each.open_streams() <= 2);
                }
            }
        }
    }
}

TEST(ClientLines, a_congested_stream_that_ends_does_not_hold_the_next_one_back) {
    net.far["direct"] = Far::page;
    net.desk.sample(1);
    net.start();
    delivered();
    for (const auto& [id, stream] : net.streams) {
        if (stream->connected && !stream->left && !stream->ended) {
            net.client->congested(id);
        }
    }
    for (const auto& [id, stream] : net.streams) {
        if (stream->connected && !stream->left && !stream->ended) {
            net.end(*stream, {ErrorCode::closed, "it ended"});
        }
    }
    net.desk.sample(5);
    delivered();
}

// ---- Back-pressure

TEST(ClientLines, a_congested_stream_is_sent_nothing_until_it_is_writable) {
    net.desk.sample(1);
    net.start();
    delivered();
    const StreamId id = net.main_stream()->id;
    net.client->congested(id);
    const std::size_t sends = net.sends;
    net.desk.sample(100);
    net.run(5s);
    LONGS_EQUAL(sends, net.sends);
    net.client->writable(id);
    delivered();
}

TEST(ClientLines, more_than_one_turn_gives_out_goes_out_in_order) {
    net.options.gathered_bytes = 2000;
    net.route[0] = false;
    net.start();
    for (int n = 0; n < 300; ++n) {
        net.desk.push(40);
        net.run(10ms);
    }
    net.route[0] = true;
    net.desk.sample(1);
    delivered();
    CHECK(net.sends > 5);
    CHECK(net.largest_send < 8000);
}

TEST(ClientLines, more_than_one_turn_gives_out_goes_out_in_order_by_sockjs) {
    for (const char* path_name : {"direct+xhr_streaming", "direct+xhr"}) {
        ClientDesk each;
        each.options.gathered_bytes = 2000;
        each.route[0] = false;
        each.far["direct"] = Far::page;
        if (std::string(path_name) == "direct+xhr") {
            each.far["direct+xhr_streaming"] = Far::page;
        }
        each.start();
        for (int n = 0; n < 300; ++n) {
            each.desk.push(40);
            each.run(10ms);
        }
        each.route[0] = true;
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("", each.compare().c_str());
        STRCMP_EQUAL(path_name, name(each.client->path()).c_str());
    }
}

TEST(ClientLines, a_record_that_is_larger_than_a_request_arrives) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        ClientDesk each;
        if (*closed != '\0') {
            each.far["direct"] = each.far[closed] = Far::page;
        }
        each.start();
        CHECK(each.run_until_live());
        for (int n = 0; n < 4; ++n) {
            std::string blob(400'000, ' ');
            for (char& c : blob) {
                c = static_cast<char>('a' + each.random.below(26));
            }
            const auto channel = each.desk.journal->channel({"blob", ""});
            std::vector<telemetry::Reading> readings{{*channel, 1, blob}};
            (void)each.desk.journal->append(
                {.readings = readings, .promise = journal::Promise::now}, each.desk.now);
            each.desk.sample(2);
            each.run(30ms);
        }
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("", each.compare().c_str());
        LONGS_EQUAL(0, each.client->engine().reconnects());
    }
}

// ---- Byte by byte

TEST(ClientLines, bytes_that_come_one_by_one_are_the_same) {
    for (const char* closed : {"", "direct", "direct+xhr_streaming"}) {
        ClientDesk each;
        each.one_by_one = true;
        each.options.uplink.adaptive.emplace();
        if (*closed != '\0') {
            each.far["direct"] = Far::page;
            each.far[closed] = Far::page;
        }
        each.start();
        each.desk.sample(10);
        CHECK(each.run_until_delivered());
        for (int n = 0; n < 100; ++n) {
            each.desk.sample(3);
            each.run(300ms);
        }
        CHECK(each.run_until_delivered());
        STRCMP_EQUAL("", each.broken.c_str());
        STRCMP_EQUAL("", each.compare().c_str());
        LONGS_EQUAL(0, each.client->engine().reconnects());
    }
}

TEST(ClientLines, compressed_lines_deliver_the_same) {
    net.options.deflate.enabled = true;
    net.options.deflate.context_takeover = true;
    net.one_by_one = true;
    net.start();
    feed(30s);
    delivered();
}

// ---- The end

TEST(ClientLines, stop_says_1001_on_all_lines_and_nothing_is_asked_for_after_it) {
    net.options.uplink.adaptive.emplace();
    net.start();
    CHECK(net.run_until_live());
    net.run(5s);
    std::vector<FarStream*> open;
    for (const auto& [id, each] : net.streams) {
        if (each->socket && !each->left && !each->ended) {
            open.push_back(each.get());
        }
    }
    CHECK(open.size() > 1);
    const std::size_t opens = net.opens;
    net.client->stop(net.both());
    net.run(1h);
    for (const FarStream* each : open) {
        CHECK(each->left);
        LONGS_EQUAL(1001, each->close_code.value_or(0));
    }
    LONGS_EQUAL(opens, net.opens);
    CHECK(net.client->deadline() == kNever);
    LONGS_EQUAL(0, net.open_streams());
}

TEST(ClientLines, stop_at_any_moment_leaves_nothing_open) {
    for (const char* closed : {"", "direct"}) {
        for (Duration wait{}; wait < 400ms; wait += 5ms) {
            ClientDesk each;
            each.desk.sample(3);
            if (*closed != '\0') {
                each.far[closed] = Far::page;
            }
            each.start();
            each.run(wait);
            each.client->stop(each.both());
            const std::size_t opens = each.opens;
            each.run(1min);
            STRCMP_EQUAL("", each.broken.c_str());
            LONGS_EQUAL(opens, each.opens);
            LONGS_EQUAL(0, each.open_streams());
        }
    }
}
