#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "firmware/journal/store.h"

namespace holdfast::app {

/// The one thread that owns SQLite, so that no fsync ever holds up the network. Work is done in the
/// order in which it was posted.
class StorageThread {
public:
    StorageThread(boost::asio::io_context& io, journal::Store store);
    /// Finishes what was posted; results that have not been delivered yet are dropped.
    ~StorageThread();
    StorageThread(const StorageThread&) = delete;
    StorageThread& operator=(const StorageThread&) = delete;

    /// Calls `work(store)` on the storage thread, then `done(result)` on the network thread.
    template <class Work, class Done>
    void run(Work work, Done done) {
        post([this, work = std::move(work), done = std::move(done)](journal::Store& store) mutable {
            boost::asio::post(io_, [done = std::move(done), result = work(store)]() mutable {
                done(std::move(result));
            });
        });
    }

private:
    using Task = std::move_only_function<void(journal::Store&)>;
    void post(Task task);
    void loop();

    boost::asio::io_context& io_;
    journal::Store store_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Task> tasks_;
    bool ends_ = false;
    std::thread thread_;
};

}  // namespace holdfast::app
