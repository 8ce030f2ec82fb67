#include "firmware/base/text.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <span>

namespace holdfast {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
    // The beginning is enough to recognise a mistyped text.
    constexpr std::size_t kMost = 40;
    if (text.size() <= kMost) {
        return "\"" + std::string(text) + "\"";
    }
    std::size_t size = kMost;  // not within a character of UTF-8
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0u) == 0x80u) {
        --size;
    }
    return "\"" + std::string(text.substr(0, size)) + "…\"";
}

/// Takes exactly `digits` digits from the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) {
        return std::nullopt;
    }
    int number = 0;
    for (const char c : text.substr(0, digits)) {
        if (!is_digit(c)) {
            return std::nullopt;
        }
        number = number * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return number;
}

bool take(std::string_view& text, std::string_view any_of) {
    if (text.empty() || any_of.find(text.front()) == std::string_view::npos) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Own arithmetic: std::chrono::year
/// ends at 32767, and 64 bits of microseconds do not.
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
    year -= month <= 2 ? 1 : 0;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719'468;
}

struct Civil {
    std::int64_t year;
    int month;
    int day;
};

Civil civil_from_days(std::int64_t days) {
    days += 719'468;
    const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
    const std::int64_t day_of_era = days - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const int day_of_year =
        static_cast<int>(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    const int shifted_month = (5 * day_of_year + 2) / 153;
    const int month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
            day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

int days_in_month(int year, int month) {
    constexpr std::array kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : kDays.at(static_cast<std::size_t>(month - 1));
}

/// ".123456789" as microseconds; nothing there is 0.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
    if (!take(text, ".")) {
        return 0;
    }
    std::int64_t microseconds = 0;
    std::int64_t weight = kSecond / 10;
    std::size_t digits = 0;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++digits) {
        microseconds += weight * (text.front() - '0');
        weight /= 10;
    }
    if (digits < 1 || digits > 9) {
        return std::nullopt;
    }
    return microseconds;
}

/// "Z" or "+01:00" as the microseconds to subtract.
std::optional<std::int64_t> take_offset(std::string_view& text) {
    if (take(text, "Zz")) {
        return 0;
    }
    const bool west = !text.empty() && text.front() == '-';
    if (!take(text, "+-")) {
        return std::nullopt;
    }
    const auto hours = take_digits(text, 2);
    if (!hours || *hours > 23 || !take(text, ":")) {
        return std::nullopt;
    }
    const auto minutes = take_digits(text, 2);
    if (!minutes || *minutes > 59) {
        return std::nullopt;
    }
    const std::int64_t offset = (*hours * 60 + *minutes) * 60 * kSecond;
    return west ? -offset : offset;
}

void append_number(std::string& out, std::int64_t number, std::size_t digits) {
    const std::string text = std::to_string(number);
    out.append(digits > text.size() ? digits - text.size() : 0, '0').append(text);
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array kDurationUnits{
    Unit{"us", 1},
    Unit{"µs", 1},
    Unit{"ms", 1000},
    Unit{"s", 1'000'000},
    Unit{"min", 60'000'000},
    Unit{"h", 3'600'000'000},
    Unit{"d", 86'400'000'000},
};

constexpr std::array kSizeUnits{
    Unit{"B", 1},
    Unit{"kB", 1000},
    Unit{"KB", 1000},
    Unit{"MB", 1'000'000},
    Unit{"GB", 1'000'000'000},
    Unit{"TB", 1'000'000'000'000},
    Unit{"KiB", 1u << 10u},
    Unit{"MiB", 1u << 20u},
    Unit{"GiB", 1u << 30u},
    Unit{"TiB", std::uint64_t{1} << 40u},
};

/// A decimal number and a unit, in the unit whose factor is 1; what is smaller than that is cut
/// off.
Result<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                     std::string_view example, std::uint64_t most) {
    const auto wrong = [&](std::string_view why) {
        return fail(ErrorCode::invalid, quoted(text) + " " + std::string(why) + "; write it like " +
                                            std::string(example));
    };
    std::string_view rest = text;
    std::uint64_t whole = 0;
    std::size_t digits = 0;
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), ++digits) {
        if (__builtin_mul_overflow(whole, std::uint64_t{10}, &whole) ||
            __builtin_add_overflow(whole, static_cast<std::uint64_t>(rest.front() - '0'), &whole)) {
            return wrong("is too large");
        }
    }
    if (digits == 0) {
        return wrong("does not begin with a number");
    }
    // Six digits times the largest unit stay within 64 bits.
    std::uint64_t fraction = 0;
    std::uint64_t fraction_scale = 1;
    if (take(rest, ".")) {
        for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
            if (fraction_scale == 1'000'000) {
                return wrong("has more than six decimals");
            }
            fraction = fraction * 10 + static_cast<std::uint64_t>(rest.front() - '0');
            fraction_scale *= 10;
        }
        if (fraction_scale == 1) {
            return wrong("has no digit after the point");
        }
    }
    take(rest, " ");
    if (rest.empty()) {
        return wrong("has no unit");
    }
    const auto unit = std::ranges::find(units, rest, &Unit::name);
    if (unit == units.end()) {
        return wrong("has an unknown unit");
    }
    std::uint64_t result = 0;
    const std::uint64_t part = fraction * unit->factor / fraction_scale;
    if (__builtin_mul_overflow(whole, unit->factor, &result) ||
        __builtin_add_overflow(result, part, &result) || result > most) {
        return wrong("is too large");
    }
    return result;
}

}  // namespace

Result<WallTime> parse_time(std::string_view text) {
    const auto wrong = [text] {
        return fail(ErrorCode::invalid, quoted(text) +
                                            " is not a time of RFC 3339; write it like "
                                            "\"2026-11-20T10:00:00Z\"");
    };
    std::string_view rest = text;
    const auto year = take_digits(rest, 4);
    const bool dash = take(rest, "-");
    const auto month = take_digits(rest, 2);
    const bool second_dash = take(rest, "-");
    const auto day = take_digits(rest, 2);
    if (!year || !dash || !month || !second_dash || !day || !take(rest, "Tt ")) {
        return wrong();
    }
    const auto hour = take_digits(rest, 2);
    const bool colon = take(rest, ":");
    const auto minute = take_digits(rest, 2);
    const bool second_colon = take(rest, ":");
    const auto second = take_digits(rest, 2);
    if (!hour || !colon || !minute || !second_colon || !second) {
        return wrong();
    }
    const auto fraction = take_fraction(rest);
    const auto offset = take_offset(rest);
    if (!fraction || !offset || !rest.empty() || *month < 1 || *month > 12 || *day < 1 ||
        *day > days_in_month(*year, *month) || *hour > 23 || *minute > 59 || *second > 60) {
        return wrong();
    }
    const std::int64_t seconds = (*hour * 60 + *minute) * 60 + std::min(*second, 59);
    return WallTime(std::chrono::microseconds(days_from_civil(*year, *month, *day) * kDay +
                                              seconds * kSecond + *fraction - *offset));
}

std::string format_time(WallTime time) {
    const std::int64_t microseconds = time.time_since_epoch().count();
    std::int64_t days = microseconds / kDay;
    std::int64_t rest = microseconds % kDay;
    if (rest < 0) {
        rest += kDay;
        --days;
    }
    const Civil civil = civil_from_days(days);
    std::string out;
    if (civil.year < 0 || civil.year > 9999) {
        // RFC 3339 ends here; ISO 8601 writes such years with a sign and six digits.
        out.push_back(civil.year < 0 ? '-' : '+');
    }
    append_number(out, civil.year < 0 ? -civil.year : civil.year, out.empty() ? 4 : 6);
    const auto append_part = [&out](char before, std::int64_t number) {
        out.push_back(before);
        append_number(out, number, 2);
    };
    append_part('-', civil.month);
    append_part('-', civil.day);
    append_part('T', rest / (3600 * kSecond));
    append_part(':', rest / (60 * kSecond) % 60);
    append_part(':', rest / kSecond % 60);
    if (const std::int64_t fraction = rest % kSecond; fraction != 0) {
        out.push_back('.');
        const bool milliseconds = fraction % 1000 == 0;
        append_number(out, milliseconds ? fraction / 1000 : fraction, milliseconds ? 3 : 6);
    }
    return out + "Z";
}

Result<Duration> parse_duration(std::string_view text) {
    const auto microseconds = parse_quantity(text, kDurationUnits, "\"25 s\" or \"200 ms\"",
                                             std::numeric_limits<std::int64_t>::max());
    if (!microseconds) {
        return std::unexpected(microseconds.error());
    }
    return Duration(static_cast<std::int64_t>(*microseconds));
}

std::string format_duration(Duration duration) {
    const std::int64_t microseconds = duration.count();
    if (microseconds == 0) {
        return "0 s";
    }
    const auto unit = std::find_if(
        kDurationUnits.rbegin(), kDurationUnits.rend(), [microseconds](const Unit& candidate) {
            return microseconds % static_cast<std::int64_t>(candidate.factor) == 0;
        });
    // The last resort is "us", not "µs": this goes to terminals of boards as well.
    const std::string_view name = unit->factor == 1 ? "us" : unit->name;
    return std::to_string(microseconds / static_cast<std::int64_t>(unit->factor)) + " " +
           std::string(name);
}

Result<std::uint64_t> parse_size(std::string_view text) {
    return parse_quantity(text, kSizeUnits, "\"256 MiB\" or \"64 KiB\"",
                          std::numeric_limits<std::uint64_t>::max());
}

bool is_utf8(ByteView bytes) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t left = bytes.size();
    while (left != 0) {
        if (left >= 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, at, 8);
            if ((word & 0x8080808080808080u) == 0) {
                at += 8;
                left -= 8;
                continue;
            }
        }
        const unsigned char lead = *at;
        if (lead < 0x80) {
            ++at;
            --left;
            continue;
        }
        // RFC 3629, Section 4: only the second byte's range depends on the first.
        const std::size_t length = lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u;
        const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (lead < 0xC2 || lead > 0xF4 || left < length || at[1] < low || at[1] > high) {
            return false;
        }
        for (std::size_t i = 2; i < length; ++i) {
            if ((at[i] & 0xC0u) != 0x80) {
                return false;
            }
        }
        at += length;
        left -= length;
    }
    return true;
}

}  // namespace holdfast
