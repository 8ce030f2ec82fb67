#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "firmware/base/clock.h"
#include "firmware/hub/shared.h"
#include "firmware/ingest/timekeeper.h"
#include "firmware/ports/clock.h"
#include "firmware/ports/log.h"

namespace holdfast::ingest {

/// One `[[sensor]]` of the configuration.
struct SensorOptions {
    std::string driver;  ///< required; "lines" or the name of a polled driver
    Duration interval = std::chrono::seconds(1);  ///< 10 ms to 1 d
    bool on_change = false;
    double dead_band = 0;  ///< with on_change
    std::string path;      ///< lines: a file, a FIFO or "-"; required there, an error elsewhere
};

/// What an input tells of itself, in the log and in `status`.
struct SensorState {
    std::string driver;        ///< with the path, for lines
    std::size_t channels = 0;  ///< found by a polled driver; 0 where it is not known
    std::optional<WallTime> last_time;
    std::string last_error;

    /// Logs an error once per change, so that a sensor that stays away does not fill the log.
    /// `error`: "" if there is none.
    void report(ports::Log& log, const std::string& error);
};

/// What all inputs of a node share. Everything outlives the inputs.
struct InputContext {
    hub::Shared shared;
    Timekeeper& timekeeper;
    ports::Clock& clock;
    ports::Log& log;
    std::uint64_t memory_bytes;  ///< the journal's share of memory
    std::function<void()>
        appended;  ///< called after readings were appended in an event of an input

    /// Readings may be given to the journal again after a pause.
    [[nodiscard]] bool has_room() const {
        return shared.journal.room() > memory_bytes / 4 &&
               shared.journal.storage_error() == nullptr;
    }
};

}  // namespace holdfast::ingest
