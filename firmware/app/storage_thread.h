#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
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
    /// Finishes the task under way. Tasks not begun are dropped, and results not delivered yet: no
    /// `done` is called after this.
    ~StorageThread();
    StorageThread(const StorageThread&) = delete;
    StorageThread& operator=(const StorageThread&) = delete;

    /// Calls `work(store)` on the storage thread, then `done(result)` on the network thread.
    template <class Work, class Done>
    void run(Work work, Done done) {
        post([this, alive = alive_, work = std::move(work),
              done = std::move(done)](journal::Store& store) mutable {
            boost::asio::post(io_, [alive = std::move(alive), done = std::move(done),
                                    result = work(store)]() mutable {
                if (*alive) {
                    done(std::move(result));
                }
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
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< of the network thread
    std::thread thread_;
};

}  // namespace holdfast::app
