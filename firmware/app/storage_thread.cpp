#include "firmware/app/storage_thread.h"

namespace holdfast::app {

StorageThread::StorageThread(boost::asio::io_context& io, journal::Store store)
    : io_(io), store_(std::move(store)), thread_([this] { loop(); }) {}

StorageThread::~StorageThread() {
    *alive_ = false;
    std::deque<Task> dropped;
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
        dropped.swap(tasks_);
    }
    wake_.notify_one();
    thread_.join();
}

void StorageThread::post(Task task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
}

void StorageThread::loop() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return ends_ || !tasks_.empty(); });
        if (tasks_.empty()) {
            return;
        }
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task(store_);
        task = nullptr;
        lock.lock();
    }
}

}  // namespace holdfast::app
