#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/error.h"

namespace holdfast::sensors {

/// A number as the kernel prints it, exactly: `mantissa` / 10^`digits`.
struct Decimal {
    std::int64_t mantissa = 0;
    int digits = 0;

    /// The double nearest to the decimal, as long as the mantissa has less than 54 bits: both
    /// operands of the one division are then exact. So 45123 m°C become 45.123 °C, which is encoded
    /// in few bytes.
    [[nodiscard]] double to_double() const;
};

/// nullopt: not a decimal number, or one that does not fit.
[[nodiscard]] std::optional<Decimal> parse_decimal(std::string_view text);
/// nullopt: the exact result does not fit.
[[nodiscard]] std::optional<Decimal> add(Decimal a, Decimal b);
[[nodiscard]] std::optional<Decimal> multiply(Decimal a, Decimal b);

/// The file's text without the blanks at its end, as a view into `buffer`; text that does not fit
/// is cut off. Errors: not_found (no such file or device), io. Both name the file.
[[nodiscard]] Result<std::string_view> read_text(const std::string& file, std::span<char> buffer);
/// The whole file into `text`, whose memory is used again. Errors as `read_text`.
[[nodiscard]] Result<void> read_whole(const std::string& file, std::string& text);
/// Errors: not_found, io, invalid (it holds something else); all name the file.
[[nodiscard]] Result<Decimal> read_decimal(const std::string& file);

/// The names in a directory, "hwmon2" before "hwmon10"; empty if it cannot be read.
[[nodiscard]] std::vector<std::string> list_directory(const std::filesystem::path& directory);
[[nodiscard]] bool file_exists(const std::string& file);

/// A name as part of a channel's: blanks, slashes and control characters become '_'.
[[nodiscard]] std::string channel_word(std::string_view name);
/// "FILE: holds "…", which is no number".
[[nodiscard]] Error garbage(const std::string& file, std::string_view text);

/// Collects the errors of one sample: the first one, and the number of further ones.
class Failures {
public:
    void add(Error error);
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] Result<void> result() &&;

private:
    std::optional<Error> first_;
    std::size_t count_ = 0;
};

}  // namespace holdfast::sensors
