#pragma once

#include <optional>
#include <string_view>

#include "firmware/base/clock.h"
#include "firmware/ports/supervisor.h"

namespace holdfast::system {

/// sd_notify(3) over NOTIFY_SOCKET, in a few lines instead of a library: "READY=1", "STATUS=…",
/// "WATCHDOG=1", "STOPPING=1". Without the variable it does nothing. false: the socket is named,
/// but could not be written to.
bool notify(std::string_view state);

/// WATCHDOG_USEC, if it is meant for this process: the longest time between two `WATCHDOG=1`.
/// Notify at half of it.
[[nodiscard]] std::optional<Duration> watchdog_interval();

/// systemd, or nobody, as a node sees it.
class Systemd final : public ports::Supervisor {
public:
    [[nodiscard]] std::optional<Duration> watchdog_interval() const override {
        return system::watchdog_interval();
    }
    void alive() override;
    void give_back_memory() override;
};

}  // namespace holdfast::system
