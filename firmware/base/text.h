#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"

namespace holdfast {

/// RFC 3339 with any offset and 0 to 9 fractional digits (more than 6 are truncated); leap second
/// 60 reads as 59. Errors: invalid.
[[nodiscard]] Result<WallTime> parse_time(std::string_view text);
/// "2026-11-20T10:00:00Z", with as many fractional digits (3 or 6) as it takes to be exact.
[[nodiscard]] std::string format_time(WallTime time);

/// "25 s", "200 ms", "1.5 min", "2 h", "7 d", "50 us"; the space is optional, the unit is not.
/// Errors: invalid.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(Duration duration);

/// "256 MiB", "64 KiB", "1 GiB", "512 B", "10 MB", "1 kB"; the unit is not optional. Errors:
/// invalid.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

[[nodiscard]] std::string to_hex(ByteView bytes);
[[nodiscard]] Result<Bytes> from_hex(std::string_view text);
[[nodiscard]] std::string to_base64(ByteView bytes);
/// Strict: padding required, no blanks. Errors: invalid.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text);

/// RFC 3629, strict: no surrogates, no overlong forms, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(ByteView bytes);

}  // namespace holdfast
