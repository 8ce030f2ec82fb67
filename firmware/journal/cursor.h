#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/base/error.h"

namespace holdfast::journal {

/// A position as it is shown, or kept, outside of the journal's file: `{generation}-{position}`,
/// the generation in hexadecimal. The generation is drawn with the file, so a position of another
/// file is not taken for one of this.
struct Cursor {
    std::uint64_t generation = 0;  ///< 0: not said
    std::uint64_t position = 0;
    bool operator==(const Cursor&) const = default;
};

[[nodiscard]] std::string to_text(const Cursor& cursor);
/// Also takes a plain number: the position alone, as it was shown before there were generations.
/// Errors: invalid.
[[nodiscard]] Result<Cursor> parse_cursor(std::string_view text);

/// What a reader is told in the place of records that it asked for, and that are not to be had.
struct Missed {
    enum class Why : std::uint8_t {
        /// The cursor was given by another file. Which positions are missing cannot be known:
        /// `first` and `end` are 0. What this file has comes from the oldest on.
        other_generation,
        /// The cursor is ahead of all positions given: it is of a later state of the file, which
        /// was put back from a copy. `first` is the next position to be given, `end` the cursor's.
        /// What the file has comes from the oldest on.
        future,
        /// The records were evicted, given back, or damaged.
        gone,
    };
    Why why = Why::gone;
    std::uint64_t first = 0;
    std::uint64_t end = 0;  ///< the position behind the last
    bool operator==(const Missed&) const = default;
};
[[nodiscard]] const char* to_string(Missed::Why why);

}  // namespace holdfast::journal
