#include "platform/system/worker_thread.h"

#include <utility>

namespace holdfast::system {

WorkerThread::WorkerThread(net::NetworkThread& thread)
    : network_(thread), thread_([this] { loop(); }) {}

WorkerThread::~WorkerThread() {
    *alive_ = false;
    std::deque<Pair> dropped;
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
        dropped.swap(tasks_);
    }
    wake_.notify_one();
    thread_.join();
}

void WorkerThread::run(Task work, Task done) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back({std::move(work), std::move(done)});
    }
    wake_.notify_one();
}

void WorkerThread::loop() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return ends_ || !tasks_.empty(); });
        if (tasks_.empty()) {
            return;
        }
        Pair task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task.work();
        task.work = nullptr;
        network_.post([alive = alive_, done = std::move(task.done)]() mutable {
            if (*alive) {
                done();
            }
        });
        lock.lock();
    }
}

}  // namespace holdfast::system
