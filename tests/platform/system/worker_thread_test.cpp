#include "platform/system/worker_thread.h"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <CppUTest/TestHarness.h>

using holdfast::ports::Worker;
using holdfast::system::WorkerThread;

namespace {

/// A network thread that runs what was posted when the test says so.
struct Posted {
    std::mutex mutex;
    std::vector<Worker::Task> tasks;
    std::atomic<std::size_t> count = 0;

    std::function<void(Worker::Task)> post() {
        return [this](Worker::Task task) {
            const std::lock_guard lock(mutex);
            tasks.push_back(std::move(task));
            ++count;
        };
    }
    void wait_for(std::size_t wanted) {
        while (count < wanted) {
            std::this_thread::yield();
        }
    }
    void run() {
        std::vector<Worker::Task> all;
        {
            const std::lock_guard lock(mutex);
            all.swap(tasks);
        }
        for (Worker::Task& task : all) {
            task();
        }
    }
};

}  // namespace

TEST_GROUP(WorkerThread){};

TEST(WorkerThread, tasks_run_in_their_order_on_another_thread_and_then_done_on_this_one) {
    Posted posted;
    WorkerThread worker(posted.post());
    std::vector<int> worked;
    std::vector<int> done;
    std::vector<std::thread::id> where(100);
    for (int i = 0; i < 100; ++i) {
        worker.run(
            [&, i] {
                worked.push_back(i);
                where[static_cast<std::size_t>(i)] = std::this_thread::get_id();
            },
            [&, i] { done.push_back(i); });
    }
    posted.wait_for(100);
    CHECK(done.empty());
    posted.run();
    for (int i = 0; i < 100; ++i) {
        LONGS_EQUAL(i, worked[static_cast<std::size_t>(i)]);
        LONGS_EQUAL(i, done[static_cast<std::size_t>(i)]);
        CHECK(where[static_cast<std::size_t>(i)] != std::this_thread::get_id());
    }
}

TEST(WorkerThread, its_end_waits_for_the_task_under_way_and_drops_the_rest) {
    Posted posted;
    std::promise<void> begun;
    std::promise<void> may_end;
    bool finished = false;
    bool second = false;
    bool told = false;
    std::thread releaser;
    {
        WorkerThread worker(posted.post());
        worker.run(
            [&] {
                begun.set_value();
                may_end.get_future().wait();
                finished = true;
            },
            [&] { told = true; });
        worker.run([&] { second = true; }, [&] { told = true; });
        begun.get_future().wait();
        releaser = std::thread([&] { may_end.set_value(); });
    }
    releaser.join();
    CHECK(finished);
    CHECK_FALSE(second);
    posted.run();
    CHECK_FALSE(told);
}
