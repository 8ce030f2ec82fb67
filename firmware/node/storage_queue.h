#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "firmware/journal/store.h"
#include "firmware/ports/worker.h"

namespace holdfast::node {

/// The journal's store and the one worker that uses it, so that no fsync ever holds up the network.
/// Work is done in the order in which it was given.
class StorageQueue {
public:
    StorageQueue(std::unique_ptr<ports::Worker> worker, journal::Store store)
        : store_(std::move(store)), worker_(std::move(worker)) {}

    /// Calls `work(store)` on the worker's thread, then `done(result)` on the network thread. After
    /// this object has ended no `done` is called any more.
    template <class Work, class Done>
    void run(Work work, Done done) {
        using Answer = decltype(work(store_));
        auto answer = std::make_shared<std::optional<Answer>>();
        worker_->run(
            [this, work = std::move(work), answer]() mutable { answer->emplace(work(store_)); },
            [done = std::move(done), answer]() mutable { done(*std::move(*answer)); });
    }

private:
    journal::Store store_;
    std::unique_ptr<ports::Worker> worker_;  ///< ends before the store that it uses
};

}  // namespace holdfast::node
