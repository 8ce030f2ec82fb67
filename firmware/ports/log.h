#pragma once

#include <string_view>

namespace holdfast::ports {

/// Where a node tells people what happens: a line an event.
class Log {
public:
    enum class Level { trace, debug, info, warning, error };

    virtual ~Log() = default;
    virtual void write(Level level, std::string_view message) = 0;

    void debug(std::string_view message) { write(Level::debug, message); }
    void info(std::string_view message) { write(Level::info, message); }
    void warning(std::string_view message) { write(Level::warning, message); }
    void error(std::string_view message) { write(Level::error, message); }
};

}  // namespace holdfast::ports
