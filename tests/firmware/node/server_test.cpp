#include "firmware/node/server.h"

#include <algorithm>

#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

TEST_GROUP(Server) {
    World world;
    NodeDesk hub{world, "hub"};

    void setup() override {
        hub.listens();
        hub.start();
    }
    static std::string numbers(std::size_t count) {
        std::string out = "[";
        for (std::size_t i = 0; i < count; ++i) {
            out += std::string(i > 0 ? "," : "") + R"({"channel":"t","value":)" +
                   std::to_string(i * 1'000'003) + "}";
        }
        return out + "]";
    }
};

// ---- Tokens

TEST(Server, the_line_of_a_revoked_token_ends_within_two_seconds) {
    LineClient device(world);
    LONGS_EQUAL(101, device.open_line(hub.give_token("dev")));
    device.greet("dev");
    CHECK_TRUE(device.welcomed());
    world.pass(10s);
    CHECK_FALSE(device.ended_here);
    hub.revoke("dev");
    world.pass(2s);
    CHECK_TRUE(device.ended_here);
    const auto goodbyes = device.heard_of<line::GoodbyeMessage>();
    LONGS_EQUAL(1, goodbyes.size());
    STRCMP_CONTAINS("revoked", goodbyes[0].reason.c_str());
    LONGS_EQUAL(1, hub.logged("the token of device dev was revoked"));
}

TEST(Server, a_revoked_line_that_said_no_hello_ends_too) {
    LineClient device(world);
    LONGS_EQUAL(101, device.open_line(hub.give_token("dev")));
    hub.revoke("dev");
    world.pass(2s);
    CHECK_TRUE(device.ended_here);
}

TEST(Server, the_lines_of_other_devices_stay) {
    LineClient device(world);
    hub.give_token("other");
    LONGS_EQUAL(101, device.open_line(hub.give_token("dev")));
    device.greet("dev");
    hub.revoke("other");
    world.pass(5s);
    CHECK_FALSE(device.ended_here);
}

TEST(Server, while_the_token_file_cannot_be_read_the_known_tokens_stay_in_force) {
    const std::string token = hub.give_token("dev");
    LineClient device(world);
    LONGS_EQUAL(101, device.open_line(token));
    device.greet("dev");
    hub.files.write("/tokens", "no such line\n");
    world.pass(5s);
    CHECK_FALSE(device.ended_here);
    LONGS_EQUAL(1, hub.logged("the tokens known before stay in force"));
    LineClient again(world);
    LONGS_EQUAL(101, again.open_line(token));
    hub.write_tokens();
    const std::string other = hub.give_token("other");
    LineClient newer(world);
    LONGS_EQUAL(101, newer.open_line(other));
}

TEST(Server, a_token_file_that_fails_to_be_read_is_read_again_without_being_changed) {
    const std::string token = hub.give_token("dev");
    hub.files.fail_reads(true);
    for (int i = 0; i < 2; ++i) {
        LineClient device(world);
        LONGS_EQUAL(401, device.open_line(token));
    }
    LONGS_EQUAL(1, hub.logged("the tokens known before stay in force"));
    hub.files.fail_reads(false);
    world.pass(2s);
    LineClient device(world);
    LONGS_EQUAL(101, device.open_line(token));
}

TEST(Server, a_malformed_token_file_keeps_the_program_from_starting) {
    hub.kill();
    hub.files.write("/tokens", "no such line\n");
    const Result<void> started = hub.try_start();
    CHECK_FALSE(started.has_value());
    STRCMP_CONTAINS("/tokens", started.error().message.c_str());
}

// ---- Lines of one device

TEST(Server, of_two_lines_the_older_gets_a_goodbye_and_stays_away_for_thirty_seconds) {
    const std::string token = hub.give_token("dev");
    LineClient older(world), newer(world);
    older.open_line(token);
    older.greet("dev", 9);
    newer.open_line(token);
    world.pass(5s);
    CHECK_FALSE(older.ended_here);  // a line without Hello is a trial of the network
    newer.greet("dev", 8);
    world.settle();
    CHECK_TRUE(older.ended_here);
    CHECK_FALSE(newer.ended_here);
    CHECK_TRUE(newer.welcomed());
    const auto goodbyes = older.heard_of<line::GoodbyeMessage>();
    LONGS_EQUAL(1, goodbyes.size());
    LONGS_EQUAL(30'000, goodbyes[0].retry_after_ms);
    LONGS_EQUAL(1, hub.logged(ports::Log::Level::warning, "Do two devices share one id?"));
    LONGS_EQUAL(0, hub.logged("is gone"));
}

TEST(Server, a_device_that_moves_its_line_is_no_warning) {
    const std::string token = hub.give_token("dev");
    LineClient older(world), newer(world);
    older.open_line(token);
    older.greet("dev");
    newer.open_line(token);
    newer.greet("dev");
    CHECK_TRUE(older.ended_here);
    LONGS_EQUAL(1, hub.logged("moves its line"));
    LONGS_EQUAL(0, hub.logged("Do two devices"));
}

TEST(Server, what_comes_on_the_older_line_after_its_goodbye_is_not_taken) {
    const std::string token = hub.give_token("dev");
    LineClient older(world), newer(world);
    older.open_line(token);
    older.greet("dev");
    newer.open_line(token);
    newer.greet("dev");
    newer.send_batch(1, 3);
    older.send_batch(1, 5);
    world.settle();
    LONGS_EQUAL(3, newer.acknowledged());
    LONGS_EQUAL(0, older.acknowledged());
}

TEST(Server, of_more_than_eight_lines_without_hello_the_oldest_is_closed) {
    const std::string token = hub.give_token("dev");
    std::vector<std::unique_ptr<LineClient>> trials;
    for (int i = 0; i < 8; ++i) {
        trials.push_back(std::make_unique<LineClient>(world));
        LONGS_EQUAL(101, trials.back()->open_line(token));
    }
    world.pass(1s);
    CHECK_FALSE(trials[0]->ended_here);
    trials.push_back(std::make_unique<LineClient>(world));
    LONGS_EQUAL(101, trials.back()->open_line(token));
    CHECK_TRUE(trials[0]->ended_here);
    LONGS_EQUAL(1013, trials[0]->close_code.value_or(0));
    CHECK_FALSE(trials[1]->ended_here);
    // A line that says Hello is no trial any more.
    trials[1]->greet("dev");
    trials.push_back(std::make_unique<LineClient>(world));
    LONGS_EQUAL(101, trials.back()->open_line(token));
    for (std::size_t i = 1; i < trials.size(); ++i) {
        CHECK_FALSE(trials[i]->ended_here);
    }
}

TEST(Server, the_trials_of_one_device_are_not_those_of_another) {
    const std::string token = hub.give_token("dev");
    const std::string other = hub.give_token("other");
    std::vector<std::unique_ptr<LineClient>> trials;
    for (int i = 0; i < 16; ++i) {
        trials.push_back(std::make_unique<LineClient>(world));
        LONGS_EQUAL(101, trials.back()->open_line(i % 2 == 0 ? token : other));
    }
    world.pass(1s);
    for (const auto& trial : trials) {
        CHECK_FALSE(trial->ended_here);
    }
}

// ---- The log

TEST(Server, turned_away_peers_are_logged_once_a_second_with_the_count_of_the_others) {
    for (int i = 0; i < 4; ++i) {
        LineClient stranger(world);
        LONGS_EQUAL(401, stranger.open_line("wrong"));
    }
    LONGS_EQUAL(1, hub.logged("not known here"));
    world.pass(1s);
    LineClient stranger(world);
    LONGS_EQUAL(401, stranger.open_line("wrong"));
    LONGS_EQUAL(2, hub.logged("not known here"));
    LONGS_EQUAL(1, hub.logged("(and 3 more like it were not logged)"));
}

// ---- Waiting for the journal

TEST(Server, after_a_commit_those_that_wait_are_answered_in_the_order_in_which_they_asked) {
    hub.storage_takes = 2s;
    SocketClient first(world), second(world), third(world);
    std::vector<SocketClient*> all{&first, &second, &third};
    for (SocketClient* client : all) {
        LONGS_EQUAL(101, client->open("/v1/push"));
    }
    // The first message is being written while the others come, so those are of one commit.
    first.text(R"({"channel":"a","value":1})");
    third.text(R"({"channel":"a","value":2})");
    second.text(R"({"channel":"a","value":3})");
    first.text(R"({"channel":"a","value":4})");
    world.pass(2s);
    STRCMP_EQUAL(R"({"ack":1})", first.messages.back().c_str());
    LONGS_EQUAL(0, second.messages.size());
    LONGS_EQUAL(0, third.messages.size());
    std::vector<SocketClient*> answered;
    world.pass_until(
        [&] {
            for (SocketClient* client : all) {
                const bool done = client->messages.size() == (client == &first ? 2u : 1u);
                if (done && std::ranges::find(answered, client) == answered.end()) {
                    answered.push_back(client);
                }
            }
            return answered.size() == 3;
        },
        3s);
    LONGS_EQUAL(3, answered.size());
    STRCMP_EQUAL(R"({"ack":2})", first.messages.back().c_str());
    STRCMP_EQUAL(R"({"ack":1})", second.messages.back().c_str());
    STRCMP_EQUAL(R"({"ack":1})", third.messages.back().c_str());
}

TEST(Server, while_memory_is_full_who_brings_readings_waits_and_nobody_else) {
    hub.kill();
    hub.config.journal.memory_bytes = 64u << 10;
    hub.start();
    SocketClient one(world), other(world);
    LONGS_EQUAL(101, one.open("/v1/push"));
    LONGS_EQUAL(101, other.open("/v1/push"));
    hub.storage_takes = 30s;
    std::size_t sent = 0;
    while (hub.node().journal().room() > 0 && sent < 100) {
        one.text(numbers(1000));
        ++sent;
    }
    CHECK_TRUE(sent < 100);
    other.text(numbers(10));  // stays in the network
    const std::uint64_t taken = hub.node().journal().own_next_seq() - 1;
    LONGS_EQUAL(sent * 1000, taken);
    SocketClient late(world);
    LONGS_EQUAL(101, late.open("/v1/push"));
    Client reader(world);
    reader.connect();
    reader.ask("GET", "/healthz");
    LONGS_EQUAL(200, reader.status());
    world.pass(70s);
    hub.storage_takes = 1ms;
    world.pass(70s);
    STRCMP_EQUAL(R"({"ack":10})", other.messages.empty() ? "" : other.messages.back().c_str());
    STRCMP_EQUAL((R"({"ack":)" + std::to_string(taken) + "}").c_str(), one.messages.back().c_str());
    CHECK_FALSE(one.ended_here);
    CHECK_FALSE(other.ended_here);
}

// ---- The end

TEST(Server, a_stop_says_goodbye_to_all_and_takes_nobody_more) {
    const std::string token = hub.give_token("dev");
    LineClient device(world);
    SocketClient reader(world);
    Client idle(world);
    device.open_line(token);
    device.greet("dev");
    reader.open("/v1/live");
    idle.connect();
    CHECK_TRUE(hub.stop() < 2s);
    CHECK_TRUE(device.ended_here);
    LONGS_EQUAL(1, device.heard_of<line::GoodbyeMessage>().size());
    LONGS_EQUAL(1000, device.heard_of<line::GoodbyeMessage>()[0].retry_after_ms);
    LONGS_EQUAL(1001, reader.close_code.value_or(0));
    CHECK_TRUE(idle.ended_here);
}
