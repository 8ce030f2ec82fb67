#include "platform/simulated/worker.h"

#include <utility>

namespace holdfast::simulated {

void Worker::run(Task work, Task done) {
    jobs_.push_back({std::move(work), std::move(done)});
    if (jobs_.size() == 1) {
        begin_next();
    }
}

void Worker::begin_next() {
    clock_.after(times_.until_begin(), [this, alive = alive_] {
        if (*alive) {
            work();
        }
    });
}

void Worker::work() {
    std::exchange(jobs_.front().work, nullptr)();
    clock_.after(times_.work_took(), [this, alive = alive_] {
        if (*alive) {
            finish();
        }
    });
}

void Worker::finish() {
    Task done = std::move(jobs_.front().done);
    jobs_.pop_front();
    if (!jobs_.empty()) {
        begin_next();
    }
    done();  // may destroy this
}

}  // namespace holdfast::simulated
