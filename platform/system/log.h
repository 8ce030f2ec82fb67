#pragma once

#include <string>
#include <string_view>

#include "firmware/ports/log.h"

namespace holdfast::log {

/// The log goes to standard error, a line an event: "2026-11-20T10:00:00.123Z info  uplink:
/// connected to …". Under systemd (JOURNAL_STREAM) without the time, which the journal adds. Over
/// spdlog; thread-safe.
enum class Level { trace, debug, info, warning, error, off };

void set_level(Level level);
/// False for an unknown name; nothing changes then.
bool set_level(std::string_view name);
void write(Level level, std::string_view message);

inline void debug(std::string_view message) {
    write(Level::debug, message);
}
inline void info(std::string_view message) {
    write(Level::info, message);
}
inline void warning(std::string_view message) {
    write(Level::warning, message);
}
inline void error(std::string_view message) {
    write(Level::error, message);
}

/// This log as a node writes to it.
class SystemLog final : public ports::Log {
public:
    void write(Level level, std::string_view message) override;
};

}  // namespace holdfast::log
