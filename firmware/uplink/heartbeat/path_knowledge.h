#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/base/clock.h"

namespace holdfast::uplink {

/// What a path does to a line that was idle for too long.
enum class CutKind : std::uint8_t {
    unknown,
    none,    ///< nothing, up to the longest idle time that was tried
    fin,     ///< a FIN comes
    reset,   ///< an RST comes, at once or as the answer to the next packet
    silent,  ///< packets vanish, in one direction or both
};

/// What makes a line count as not idle.
enum class Counts : std::uint8_t {
    unknown,
    either_way,     ///< anything that either end sends
    from_hub_only,  ///< only what comes from upstream, as HAProxy's independent-streams
};

[[nodiscard]] const char* name(CutKind kind);
[[nodiscard]] const char* name(Counts counts);

/// What was learned of one path. A value; the owner keeps it by the path's name and gives it back
/// at the next start.
struct PathKnowledge {
    Duration safe{};  ///< a line survived being idle for so long; 0: nothing is known
    Duration cut{};   ///< best estimate of the limit; 0: none, or not known
    CutKind kind = CutKind::unknown;
    Counts counts = Counts::unknown;
    Duration lifetime{};  ///< a line of this age ends whatever it carries; 0: no such cap is known
    std::int64_t checked_s = 0;  ///< wall clock, seconds since 1970; 0: the clock was not known

    friend bool operator==(const PathKnowledge&, const PathKnowledge&) = default;
};

/// One line of text, at most 120 bytes.
[[nodiscard]] std::string to_text(const PathKnowledge& known);
/// nullopt: not such a text, or of another version. Numbers that cannot be are such a text neither.
[[nodiscard]] std::optional<PathKnowledge> knowledge_from_text(std::string_view text);

/// `now` tells so much more than what was written that it is worth a write: another kind, a limit
/// that moved by more than 3 %, or a check that is six days younger.
[[nodiscard]] bool worth_writing(const PathKnowledge& written, const PathKnowledge& now);

}  // namespace holdfast::uplink
