#pragma once

#include <optional>

#include "firmware/base/clock.h"

namespace holdfast::ports {

/// What watches over the process (systemd, a board's init), and the memory that it lends to it.
class Supervisor {
public:
    virtual ~Supervisor() = default;
    /// Without a sign of life (`alive`) for so long the process is ended; nullopt: it is not
    /// watched.
    [[nodiscard]] virtual std::optional<Duration> watchdog_interval() const = 0;
    virtual void alive() = 0;
    /// A burst is over: what is free inside the heap may go back to the kernel. Takes some 100 us.
    virtual void give_back_memory() = 0;
};

}  // namespace holdfast::ports
