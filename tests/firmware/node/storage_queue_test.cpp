#include "firmware/node/storage_queue.h"

#include "platform/simulated/disk.h"
#include "platform/simulated/random.h"
#include "platform/simulated/worker.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

using namespace holdfast;
using namespace std::chrono_literals;

TEST_GROUP(StorageQueue) {
    simulated::Clock clock;
    simulated::Random random{1};
    simulated::Disk disk{"storage-queue-test"};
    std::unique_ptr<node::StorageQueue> queue;
    std::string happened;

    void setup() override {
        journal::StoreOptions options;
        options.origin = "dev";
        options.database.vfs = disk.name();
        journal::Opened opened;
        Result<journal::Store> store = journal::Store::open("/", options, random, opened);
        CHECK_TRUE(store.has_value());
        auto worker = std::make_unique<simulated::Worker>(
            clock, simulated::Worker::Times{.until_begin = [] { return Duration(1ms); },
                                            .work_took = [] { return Duration(10ms); }});
        queue = std::make_unique<node::StorageQueue>(std::move(worker), *std::move(store));
    }
    void teardown() override {
        queue.reset();
    }
    void run(const std::string& name) {
        queue->run(
            [this, name](journal::Store&) {
                happened += "work " + name + ", ";
                return name;
            },
            [this](const std::string& answer) { happened += "done " + answer + ", "; });
    }
    void pass(Duration time) {
        clock.run_until(clock.now() + time);
    }
};

TEST(StorageQueue, nothing_happens_within_the_call) {
    run("a");
    STRCMP_EQUAL("", happened.c_str());
}

TEST(StorageQueue, work_is_done_in_the_order_in_which_it_was_given_and_done_follows_its_work) {
    run("a");
    run("b");
    pass(1s);
    STRCMP_EQUAL("work a, done a, work b, done b, ", happened.c_str());
}

TEST(StorageQueue, done_may_give_more_work) {
    queue->run([](journal::Store&) { return 1; }, [this](int) { run("a"); });
    pass(1s);
    STRCMP_EQUAL("work a, done a, ", happened.c_str());
}

TEST(StorageQueue, after_its_end_no_done_is_called_and_no_work_begins) {
    run("a");
    run("b");
    pass(5ms);
    STRCMP_EQUAL("work a, ", happened.c_str());
    queue.reset();
    pass(1s);
    STRCMP_EQUAL("work a, ", happened.c_str());
}

TEST(StorageQueue, it_may_be_ended_by_a_done) {
    queue->run([](journal::Store&) { return 1; }, [this](int) { queue.reset(); });
    run("a");
    pass(1s);
    STRCMP_EQUAL("", happened.c_str());
}

TEST(StorageQueue, work_reads_the_store_it_was_made_with) {
    std::string answer;
    queue->run([](journal::Store& store) { return store.read(1, 1000); },
               [&](const Result<std::vector<journal::Record>>& records) {
                   answer = records && records->empty() ? "empty" : "wrong";
               });
    pass(1s);
    STRCMP_EQUAL("empty", answer.c_str());
}
