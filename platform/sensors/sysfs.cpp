#include "platform/sensors/sysfs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "firmware/base/text.h"

namespace holdfast::sensors {
namespace {

/// 10^22 is the last power of ten that a double holds exactly.
constexpr int kMostDigits = 22;
constexpr std::string_view kBlanks{" \t\r\n\0", 5};

double power_of_ten(int exponent) {
    double power = 1;
    for (; exponent > 0; --exponent) {
        power *= 10;
    }
    return power;
}

Error failed(const std::string& file, int error) {
    const bool gone = error == ENOENT || error == ENODEV || error == ENXIO || error == ENOTDIR;
    return {gone ? ErrorCode::not_found : ErrorCode::io,
            file + ": " + std::generic_category().message(error)};
}

class OpenFile {
public:
    explicit OpenFile(const std::string& file)
        : descriptor_(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (descriptor_ >= 0) {
            close(descriptor_);
        }
    }
    /// As read(2), but goes on after a signal; -1 as well if the file could not be opened.
    ssize_t read_into(std::span<char> buffer) const {
        if (descriptor_ < 0) {
            return -1;
        }
        ssize_t got = 0;
        do {
            got = read(descriptor_, buffer.data(), buffer.size());
        } while (got < 0 && errno == EINTR);
        return got;
    }

private:
    int descriptor_;
};

std::optional<Decimal> with_digits(Decimal number, int digits) {
    for (; number.digits < digits; ++number.digits) {
        if (__builtin_mul_overflow(number.mantissa, std::int64_t{10}, &number.mantissa)) {
            return std::nullopt;
        }
    }
    return number;
}

}  // namespace

double Decimal::to_double() const {
    const auto exact = static_cast<double>(mantissa);
    return digits >= 0 ? exact / power_of_ten(digits) : exact * power_of_ten(-digits);
}

std::optional<Decimal> parse_decimal(std::string_view text) {
    Decimal number;
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    const std::size_t point = text.find('.');
    std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
    if (point != std::string_view::npos && fraction.empty()) {
        return std::nullopt;
    }
    // A driver's "0.007812500" is 0.0078125; the zeros would cost range in a product.
    const std::size_t last = fraction.find_last_not_of('0');
    const std::string_view whole = text.substr(0, point);
    if (whole.empty() || fraction.find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    fraction = fraction.substr(0, last == std::string_view::npos ? 0 : last + 1);
    const auto take_digits = [&number, negative](std::string_view digits) {
        return std::ranges::all_of(digits, [&](char c) {
            const std::int64_t digit = negative ? '0' - c : c - '0';
            return c >= '0' && c <= '9' &&
                   !__builtin_mul_overflow(number.mantissa, std::int64_t{10}, &number.mantissa) &&
                   !__builtin_add_overflow(number.mantissa, digit, &number.mantissa);
        });
    };
    if (!take_digits(whole) || !take_digits(fraction)) {
        return std::nullopt;
    }
    number.digits = static_cast<int>(fraction.size());
    return number;
}

std::optional<Decimal> add(Decimal a, Decimal b) {
    const auto left = with_digits(a, b.digits);
    const auto right = with_digits(b, a.digits);
    Decimal sum;
    if (!left || !right || __builtin_add_overflow(left->mantissa, right->mantissa, &sum.mantissa)) {
        return std::nullopt;
    }
    sum.digits = left->digits;
    return sum;
}

std::optional<Decimal> multiply(Decimal a, Decimal b) {
    Decimal product;
    product.digits = a.digits + b.digits;
    if (product.digits > kMostDigits ||
        __builtin_mul_overflow(a.mantissa, b.mantissa, &product.mantissa)) {
        return std::nullopt;
    }
    return product;
}

Result<std::string_view> read_text(const std::string& file, std::span<char> buffer) {
    const OpenFile open_file(file);
    const ssize_t got = open_file.read_into(buffer);
    if (got < 0) {
        return std::unexpected(failed(file, errno));
    }
    const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
    return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

Result<void> read_whole(const std::string& file, std::string& text) {
    constexpr std::size_t kLimit = 1u << 20u;
    const OpenFile open_file(file);
    std::size_t size = 0;
    ssize_t got = 0;
    do {
        size += static_cast<std::size_t>(got);
        if (text.size() < size + 1024) {
            text.resize(size + 4096);
        }
        got = open_file.read_into(std::span(text).subspan(size));
    } while (got > 0 && size < kLimit);
    if (got < 0) {
        return std::unexpected(failed(file, errno));
    }
    text.resize(size);
    return {};
}

Result<Decimal> read_decimal(const std::string& file) {
    std::array<char, 64> buffer;
    const auto text = read_text(file, buffer);
    if (!text) {
        return std::unexpected(text.error());
    }
    const auto number = parse_decimal(*text);
    if (!number) {
        return std::unexpected(garbage(file, *text));
    }
    return *number;
}

std::vector<std::string> list_directory(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
        names.push_back(entry->path().filename().native());
        entry.increment(error);
    }
    std::ranges::sort(names, [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    return names;
}

bool file_exists(const std::string& file) {
    return access(file.c_str(), F_OK) == 0;
}

std::string channel_word(std::string_view name) {
    const bool utf8 = is_utf8(as_bytes(name));
    std::string word(name);
    for (char& c : word) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7F || c == '/' || (byte > 0x7F && !utf8)) {
            c = '_';
        }
    }
    return word;
}

Error garbage(const std::string& file, std::string_view text) {
    return {ErrorCode::invalid,
            file + ": holds \"" + channel_word(text.substr(0, 40)) + "\", which is no number"};
}

void Failures::add(Error error) {
    if (count_++ == 0) {
        first_ = std::move(error);
    }
}

Result<void> Failures::result() && {
    if (!first_) {
        return {};
    }
    if (count_ > 1) {
        first_->message += " (and " + std::to_string(count_ - 1) + " more)";
    }
    return std::unexpected(std::move(*first_));
}

}  // namespace holdfast::sensors
