#pragma once

#include <cstdint>
#include <string>

#include <boost/json/object.hpp>

namespace holdfast::api {

/// What a technician has to know first, in one line: does this node do what it is there for, and if
/// not, since when, why, and what that has cost.
struct Verdict {
    enum class Level : std::uint8_t {
        good,
        warning,  ///< it works, but somebody should look at it
        bad,      ///< readings are not stored, or do not come upstream
    };
    Level level = Level::good;
    std::string words;
};

/// `status` is the object of `status --json`.
[[nodiscard]] Verdict verdict_of(const boost::json::object& status);

/// The cause of an uplink's `last_error` in few words: "the hub refuses connections". An error that
/// has no such words is told as it is.
[[nodiscard]] std::string cause_words(const std::string& last_error);

/// Readings of this node that the hub has not acknowledged: on disk and in memory.
struct Waiting {
    std::uint64_t on_disk = 0;
    std::uint64_t in_memory = 0;
    [[nodiscard]] std::uint64_t count() const { return on_disk + in_memory; }
};
/// `journal` is the object of that name in the status.
[[nodiscard]] Waiting waiting_of(const boost::json::object& journal);

}  // namespace holdfast::api
