#pragma once

#include <functional>

namespace holdfast::ports {

/// A thread for what may block (a disk, a slow sensor, a password hash), beside the network thread.
/// Tasks run one after the other, in the order in which they were given.
class Worker {
public:
    using Task = std::move_only_function<void()>;

    /// Waits for the task under way. Tasks that have not begun are dropped, and no `done` is called
    /// any more. Tasks and their captures end on the worker's thread or on the caller's.
    virtual ~Worker() = default;
    /// Calls `work` on the worker's thread, then `done` on the network thread. Whatever `work`
    /// wrote, `done` sees. Neither may throw.
    virtual void run(Task work, Task done) = 0;
};

}  // namespace holdfast::ports
