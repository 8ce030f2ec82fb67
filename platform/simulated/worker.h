#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "firmware/ports/worker.h"
#include "platform/simulated/clock.h"

namespace holdfast::simulated {

/// A thread whose tasks take simulated time: each waits until it begins, then does its work at one
/// moment, and is done after the time that the work took. Nothing of it happens after it is
/// destroyed.
class Worker final : public ports::Worker {
public:
    struct Times {
        std::function<Duration()> until_begin;  ///< asked before the work
        std::function<Duration()> work_took;    ///< asked after it
    };
    Worker(Clock& clock, Times times) : clock_(clock), times_(std::move(times)) {}
    ~Worker() override { *alive_ = false; }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void run(Task work, Task done) override;

private:
    struct Job {
        Task work;
        Task done;
    };
    void begin_next();
    void work();
    void finish();

    Clock& clock_;
    Times times_;
    std::deque<Job> jobs_;  ///< the first is under way
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::simulated
