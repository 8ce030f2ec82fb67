#include "firmware/node/node.h"

#include "tests/firmware/node/client.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace holdfast::node;
using namespace std::chrono_literals;

TEST_GROUP(Node) {
    World world;
    NodeDesk hub{world, "hub"};

    void setup() override {
        static_cast<void>(hub.listens());
        hub.drivers["thermal"] = [](std::vector<ports::Sample>& out) -> Result<void> {
            out.push_back({{"thermal/cpu/temperature", "°C"}, 41.5});
            return {};
        };
    }
    void give_sensor() {
        hub.config.sensors.push_back({.driver = "thermal", .path = ""});
    }
    std::uint64_t next_position() {
        return hub.node().journal().next_position();
    }
    std::string ask(const std::string& target) {
        Client client(world);
        client.connect();
        client.ask("GET", target);
        return client.response().body;
    }
};

// ---- The start

TEST(Node, a_node_that_starts_reads_its_sensors_and_answers) {
    give_sensor();
    hub.start();
    LONGS_EQUAL(1, hub.logged("listen: on hub:80"));
    LONGS_EQUAL(1, hub.logged("run 1"));
    world.pass(3s + 500ms);
    CHECK_TRUE(hub.durable_readings() >= 4);
    STRCMP_EQUAL("ready\n", ask("/readyz").c_str());
}

TEST(Node, readings_survive_a_crash_but_those_of_the_last_commit_interval) {
    give_sensor();
    hub.start();
    world.pass(10s + 500ms);
    const std::uint64_t durable = hub.durable_readings();
    hub.kill();
    hub.config.sensors.clear();
    hub.start();
    LONGS_EQUAL(1, hub.logged("run 2"));
    CHECK_TRUE(durable >= 10);
    LONGS_EQUAL(durable + 1, next_position());
}

TEST(Node, a_listener_that_cannot_be_opened_keeps_the_node_from_starting) {
    hub.listen_error = Error{ErrorCode::refused, "the port is taken"};
    const Result<void> started = hub.try_start();
    CHECK_TRUE(!started && started.error().code == ErrorCode::refused);
    STRCMP_EQUAL("listen: the port is taken", started.error().message.c_str());
    hub.listen_error.reset();
    hub.start();  // nothing is left of the first try
}

TEST(Node, a_journal_of_another_program_keeps_the_node_from_starting) {
    ports::DatabaseOptions options;
    options.vfs = hub.disk.name();
    const Result<ports::Database> other = ports::Database::open("/journal.db", options);
    CHECK_TRUE(other.has_value());
    const Result<void> started = hub.try_start();
    CHECK_TRUE(!started && started.error().code == ErrorCode::refused);
}

TEST(Node, a_journal_that_is_no_database_is_moved_aside_and_named) {
    hub.disk.put("/journal.db", Bytes(5000, std::byte{7}));
    hub.start();
    LONGS_EQUAL(1,
                hub.logged(ports::Log::Level::error, "it was moved to /journal.db.unreadable-1"));
    CHECK_TRUE(hub.disk.exists("/journal.db.unreadable-1"));
}

// ---- The stop

TEST(Node, an_orderly_stop_writes_what_is_in_memory) {
    hub.config.journal.commit_interval = 1h;
    give_sensor();
    hub.start();
    world.pass(10s + 500ms);
    CHECK_TRUE(hub.durable_readings() <= 1);  // with which the new channel was written
    const std::uint64_t next = next_position();
    CHECK_TRUE(next > 10);
    CHECK_TRUE(hub.stop() < 1s);
    hub.config.sensors.clear();
    hub.start();
    LONGS_EQUAL(next, next_position());
}

TEST(Node, a_stop_without_anything_to_do_takes_no_time) {
    hub.start();
    CHECK_TRUE(hub.stop() <= 100ms);
}

TEST(Node, a_stop_does_not_wait_for_a_disk_that_hangs) {
    hub.config.journal.commit_interval = 1h;
    give_sensor();
    hub.start();
    world.pass(5s);
    hub.storage_takes = 1min;
    const Duration took = hub.stop();
    CHECK_TRUE(took >= 4s && took < 4100ms);
    LONGS_EQUAL(1, hub.logged("not all of memory could be written"));
}

TEST(Node, a_stop_does_not_wait_for_peers_that_do_not_answer) {
    LineClient device(world);
    hub.start();
    device.open_line(hub.give_token("dev"));
    device.greet("dev");
    world.network.power_off("laptop");
    const Duration took = hub.stop();
    CHECK_TRUE(took <= 1600ms);
}

// ---- The watchdog

TEST(Node, the_watchdog_is_fed_while_the_storage_answers) {
    hub.watchdog = 10s;
    hub.start();
    world.pass(60s);
    CHECK_FALSE(hub.supervisor().would_have_ended_it());
    CHECK_TRUE(hub.supervisor().signs() >= 12);
    CHECK_TRUE(hub.supervisor().signs() <= 14);
}

TEST(Node, the_watchdog_is_not_fed_while_the_storage_hangs) {
    hub.watchdog = 10s;
    hub.start();
    world.pass(20s);
    hub.storage_takes = 1h;
    world.pass(6s);
    const std::uint64_t signs = hub.supervisor().signs();
    world.pass(30s);
    LONGS_EQUAL(signs, hub.supervisor().signs());
    CHECK_TRUE(hub.supervisor().would_have_ended_it());
    STRCMP_EQUAL("ok\n", ask("/healthz").c_str());
}

TEST(Node, a_node_that_is_not_watched_says_nothing) {
    hub.start();
    world.pass(60s);
    LONGS_EQUAL(0, hub.supervisor().signs());
}

// ---- Time

TEST(Node, readings_of_an_unknown_clock_get_their_time_when_it_is_set) {
    hub.machine.boot(8, false);
    give_sensor();
    hub.start();
    world.pass(3s);
    STRCMP_CONTAINS(R"("time":null)", ask("/api/devices/hub/readings").c_str());
    hub.machine.set();
    world.pass(2s);
    LONGS_EQUAL(1, hub.logged("the time is known now"));
    const std::string readings = ask("/api/devices/hub/readings");
    CHECK_TRUE(readings.find("null") == std::string::npos);
    STRCMP_CONTAINS(R"("time":"2027-03-01T)", readings.c_str());
}

TEST(Node, a_fix_that_is_owed_is_given_by_the_next_run_of_the_same_boot) {
    hub.machine.boot(8, false);
    give_sensor();
    hub.start();
    world.pass(3s);
    hub.kill();
    hub.config.sensors.clear();
    hub.start();
    hub.machine.set();
    static_cast<void>(ask("/healthz"));
    LONGS_EQUAL(1, hub.logged("the time is known now"));
    world.pass(1s);
    CHECK_TRUE(ask("/api/devices/hub/readings").find("null") == std::string::npos);
    hub.kill();
    hub.forget_log();
    hub.start();
    world.pass(1s);
    LONGS_EQUAL(0, hub.logged("the time is known now"));
}

TEST(Node, a_fix_of_an_earlier_boot_is_owed_no_more) {
    hub.machine.boot(8, false);
    give_sensor();
    hub.start();
    world.pass(3s);
    hub.kill();
    hub.config.sensors.clear();
    hub.machine.boot(9, true);
    hub.start();
    world.pass(1s);
    LONGS_EQUAL(0, hub.logged("the time is known now"));
}

// ---- A disk that fails

TEST(Node, a_disk_that_fails_is_logged_once_shown_and_recovers) {
    give_sensor();
    hub.start();
    world.pass(2s);
    hub.disk.fail_write({.nth = 1, .fault = simulated::Disk::Fault::full, .lasting = true});
    world.pass(10s);
    LONGS_EQUAL(1, hub.logged(ports::Log::Level::error, "journal: writing failed"));
    STRCMP_CONTAINS("the journal cannot be written", ask("/readyz").c_str());
    CHECK_TRUE(hub.node().view().not_ready.has_value());
    hub.disk.heal();
    world.pass(3s);
    LONGS_EQUAL(1, hub.logged("journal: writing works again"));
    STRCMP_EQUAL("ready\n", ask("/readyz").c_str());
    LONGS_EQUAL(0, hub.corruptions);
}

TEST(Node, a_journal_that_is_found_damaged_is_told_once_to_the_owner) {
    hub.start();
    hub.node().journal_is_corrupt();
    LONGS_EQUAL(0, hub.corruptions);  // in an event of its own
    world.settle();
    LONGS_EQUAL(1, hub.corruptions);
    hub.node().journal_is_corrupt();
    world.settle();
    LONGS_EQUAL(1, hub.corruptions);
}

TEST(Node, the_owner_of_a_damaged_journal_moves_it_aside_and_begins_anew) {
    give_sensor();
    hub.start();
    world.pass(3s);
    const std::filesystem::path moved = hub.move_journal_aside();
    STRCMP_EQUAL("/journal.db.unreadable-1", moved.c_str());
    hub.start();
    LONGS_EQUAL(2, hub.logged("run 1"));
}

TEST(Node, a_node_that_ends_before_its_event_tells_nobody_of_the_damage) {
    hub.start();
    hub.node().journal_is_corrupt();
    hub.kill();
    world.settle();
    LONGS_EQUAL(0, hub.corruptions);
}

// ---- What it tells of itself

TEST(Node, the_view_shows_its_parts) {
    give_sensor();
    hub.start();
    world.pass(2s);
    Client client(world);
    client.connect();
    const api::NodeView view = hub.node().view();
    STRCMP_EQUAL("hub", std::string(view.id).c_str());
    LONGS_EQUAL(1, view.sensors.size());
    LONGS_EQUAL(1, view.sensors[0].channels);
    CHECK_TRUE(view.listener.has_value());
    LONGS_EQUAL(1, view.listener->connections);
    CHECK_FALSE(view.uplink.has_value());
    CHECK_FALSE(view.not_ready.has_value());
    CHECK_TRUE(view.now.monotonic - view.started >= 2s);
}

TEST(Node, a_question_to_the_store_is_answered_behind_the_work_before_it) {
    hub.start();
    hub.storage_takes = 1s;
    std::string order;
    hub.node().read([&](journal::Store&) { order += "work 1, "; }, [&] { order += "done 1, "; });
    hub.node().read([&](journal::Store&) { order += "work 2, "; }, [&] { order += "done 2, "; });
    world.pass(3s);
    STRCMP_EQUAL("work 1, done 1, work 2, done 2, ", order.c_str());
    hub.node().read([&](journal::Store&) {}, [&] { order += "never"; });
    hub.kill();
    world.pass(3s);
    STRCMP_EQUAL("work 1, done 1, work 2, done 2, ", order.c_str());
}
