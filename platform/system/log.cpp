#include "platform/system/log.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>

#include "firmware/base/text.h"

namespace holdfast::log {
namespace {

struct LevelName {
    std::string_view name;
    spdlog::level::level_enum level;
    int priority;  ///< syslog(3), as the journal reads it from "<6>" before a line
};

constexpr std::array kLevels{
    LevelName{"trace", spdlog::level::trace, 7}, LevelName{"debug", spdlog::level::debug, 7},
    LevelName{"info", spdlog::level::info, 6},   LevelName{"warning", spdlog::level::warn, 4},
    LevelName{"error", spdlog::level::err, 3},   LevelName{"off", spdlog::level::off, 7},
};

const LevelName& entry(Level level) {
    return kLevels.at(static_cast<std::size_t>(level));
}

/// Standard error goes to the journal, says systemd.exec(5), if JOURNAL_STREAM names its device and
/// inode; a variable inherited by a process whose output was redirected since does not.
bool standard_error_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    return stream != nullptr && fstat(STDERR_FILENO, &status) == 0 &&
           stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

/// An event is one line: text of a peer in a message must not forge a second line or control a
/// terminal.
void append_escaped(std::string& line, std::string_view message) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const char c : message) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            line += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            line.append("\\x").append(1, kDigits[byte >> 4u]).append(1, kDigits[byte & 15u]);
        } else {
            line.push_back(c);
        }
    }
}

/// spdlog's own sinks bring a pattern interpreter and a registry; one fixed line needs neither.
class StandardErrorSink final : public spdlog::sinks::sink {
public:
    void log(const spdlog::details::log_msg& message) override {
        const LevelName* level = kLevels.data();
        while (level->level != message.level) {
            ++level;
        }
        std::string line;
        if (journal_) {
            line = "<" + std::to_string(level->priority) + ">";
        } else {
            line = time_of(message.time) + " ";
            line.append(level->name).append(level->name.size() < 5 ? "  " : " ");
        }
        append_escaped(line, {message.payload.data(), message.payload.size()});
        line.push_back('\n');
        const std::scoped_lock lock(mutex_);
        std::string_view rest = line;
        while (!rest.empty()) {
            const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
            if (written < 0 && errno == EINTR) {
                continue;
            }
            if (written < 0) {
                return;  // Nobody listens, and there is nowhere else to say so.
            }
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    void flush() override {}
    void set_pattern(const std::string& /*pattern*/) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

private:
    static std::string time_of(spdlog::log_clock::time_point time) {
        using std::chrono::milliseconds;
        std::string text = format_time(
            WallTime(std::chrono::duration_cast<milliseconds>(time.time_since_epoch())));
        if (text.find('.') == std::string::npos) {
            text.insert(text.size() - 1, ".000");
        }
        return text;
    }

    bool journal_ = standard_error_is_journal();
    std::mutex mutex_;
};

spdlog::logger& logger() {
    // Never destroyed: other statics may log while they end.
    static auto* const kLogger = new spdlog::logger("", std::make_shared<StandardErrorSink>());
    return *kLogger;
}

}  // namespace

void set_level(Level level) {
    logger().set_level(entry(level).level);
}

bool set_level(std::string_view name) {
    for (const LevelName& known : kLevels) {
        if (known.name == name) {
            logger().set_level(known.level);
            return true;
        }
    }
    return false;
}

void write(Level level, std::string_view message) {
    if (level != Level::off) {
        logger().log(entry(level).level, spdlog::string_view_t(message.data(), message.size()));
    }
}

void SystemLog::write(Level level, std::string_view message) {
    switch (level) {
        case Level::trace:
            return log::write(log::Level::trace, message);
        case Level::debug:
            return log::write(log::Level::debug, message);
        case Level::info:
            return log::write(log::Level::info, message);
        case Level::warning:
            return log::write(log::Level::warning, message);
        case Level::error:
            return log::write(log::Level::error, message);
    }
}

}  // namespace holdfast::log
