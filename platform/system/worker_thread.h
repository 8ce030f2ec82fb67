#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "firmware/ports/worker.h"
#include "platform/net/network_thread.h"

namespace holdfast::system {

/// A worker with a thread of its own, which lives as long as it does.
class WorkerThread final : public ports::Worker {
public:
    /// `thread`: the one on which `done` is called.
    explicit WorkerThread(net::NetworkThread& thread);
    ~WorkerThread() override;

    void run(Task work, Task done) override;

private:
    struct Pair {
        Task work;
        Task done;
    };
    void loop();

    net::NetworkThread& network_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Pair> tasks_;
    bool ends_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< of the network thread
    std::thread thread_;
};

}  // namespace holdfast::system
