#include "firmware/telemetry/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <boost/json/basic_parser_impl.hpp>

#include "firmware/base/text.h"

namespace holdfast::telemetry {
namespace {

namespace json = boost::json;

/// Builds readings from the events of Boost.JSON's parser, without a tree in between.
///
/// `place_` is the parser's place in the text. The value of an unknown key is skipped; `skipped_`
/// counts its open brackets.
class Handler {
public:
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    explicit Handler(const JsonLimits& limits) : limits_(limits) {}

    std::vector<JsonReading> take_readings() { return std::move(readings_); }
    /// What is wrong with the reading; empty if the text is not JSON.
    const std::string& problem() const { return problem_; }
    std::size_t at() const { return readings_.empty() ? 0 : readings_.size() - (closed_ ? 0 : 1); }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }

    bool on_array_begin(json::error_code& ec) {
        if (skipped_ > 0) {
            ++skipped_;
            return true;
        }
        switch (place_) {
            case Place::text:
                place_ = Place::array;
                in_array_ = true;
                return true;
            case Place::array:
                return wrong(ec, "is not an object");
            case Place::reading:
                return begin_inner(ec, "an array");
            case Place::wrapped:
                return wrong(ec, "\"value\" holds an array");
        }
        return false;
    }

    bool on_array_end(std::size_t, json::error_code&) {
        if (skipped_ > 0) {
            --skipped_;
        }
        return true;
    }

    bool on_object_begin(json::error_code& ec) {
        if (skipped_ > 0) {
            ++skipped_;
            return true;
        }
        switch (place_) {
            case Place::text:
            case Place::array:
                if (readings_.size() >= limits_.readings) {
                    return wrong(ec, "is one more than the " + std::to_string(limits_.readings) +
                                         " that one message may hold");
                }
                readings_.emplace_back();
                closed_ = false;
                seen_ = 0;
                place_ = Place::reading;
                return true;
            case Place::reading:
                if (key_ == Key::value) {
                    place_ = Place::wrapped;
                    wrapped_ = false;
                    return true;
                }
                return begin_inner(ec, "an object");
            case Place::wrapped:
                return wrong(ec, "\"value\" holds an object in an object");
        }
        return false;
    }

    bool on_object_end(std::size_t, json::error_code& ec) {
        if (skipped_ > 0) {
            --skipped_;
            return true;
        }
        if (place_ == Place::wrapped) {
            place_ = Place::reading;
            return wrapped_ || wrong(ec, "\"value\" is an empty object");
        }
        for (const Key key : {Key::channel, Key::value}) {
            if ((seen_ & bit(key)) == 0) {
                return wrong(ec, quoted(key) + " is missing");
            }
        }
        place_ = in_array_ ? Place::array : Place::text;
        closed_ = true;
        return true;
    }

    bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_key(json::string_view part, std::size_t, json::error_code& ec) {
        const std::string_view name = whole(part);
        bool result = true;
        if (skipped_ > 0) {
            // Within the value of an unknown key.
        } else if (place_ == Place::wrapped) {
            key_ = name == "base64" ? Key::base64 : name == "double" ? Key::number : Key::unknown;
            if (key_ == Key::unknown || wrapped_) {
                result =
                    wrong(ec, "\"value\" is an object other than {\"base64\":…} or {\"double\":…}");
            }
        } else {
            const auto known = std::ranges::find(kNames, name);
            key_ = known == kNames.end() ? Key::unknown : static_cast<Key>(known - kNames.begin());
            if (key_ != Key::unknown) {
                if ((seen_ & bit(key_)) != 0) {
                    result = wrong(ec, quoted(key_) + " appears twice");
                }
                seen_ |= bit(key_);
            }
        }
        text_.clear();
        return result;
    }

    bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_string(json::string_view part, std::size_t, json::error_code& ec) {
        const bool result = skipped_ > 0 || take_string(whole(part), ec);
        text_.clear();
        return result;
    }

    bool on_number_part(json::string_view part, json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_int64(std::int64_t number, json::string_view, json::error_code& ec) {
        text_.clear();
        if (skipped_ > 0) {
            return true;
        }
        if (place_ == Place::reading && key_ == Key::n && number >= 0) {
            readings_.back().n = static_cast<std::uint64_t>(number);
            return true;
        }
        return take_number(Value(number), ec);
    }

    bool on_uint64(std::uint64_t number, json::string_view part, json::error_code& ec) {
        if (skipped_ == 0 && place_ == Place::reading && key_ == Key::n) {
            readings_.back().n = number;
            text_.clear();
            return true;
        }
        return on_double(static_cast<double>(number), part, ec);
    }

    /// Boost.JSON 1.81 may be an ulp or two off, so the digits are read again, exactly.
    bool on_double(double about, json::string_view part, json::error_code& ec) {
        const std::string_view digits = whole(part);
        double exact = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exact);
        if (read.ec == std::errc::result_out_of_range) {
            // A number that is too small becomes zero, the nearest double. One that is too large is
            // an error.
            exact = std::copysign(0.0, digits.starts_with('-') ? -1.0 : 1.0);
        }
        text_.clear();
        if (skipped_ > 0 || (place_ == Place::reading && key_ == Key::unknown)) {
            return true;
        }
        if (read.ec == std::errc::result_out_of_range && std::abs(about) > 1.0) {
            return wrong(ec, (place_ == Place::reading ? quoted(key_) : "it") +
                                 " is too large for a double");
        }
        return take_number(Value(exact), ec);
    }

    bool on_bool(bool truth, json::error_code& ec) {
        if (skipped_ > 0 || (place_ == Place::reading && key_ == Key::unknown)) {
            return true;
        }
        if (place_ == Place::reading && key_ == Key::value) {
            readings_.back().value = truth;
            return true;
        }
        return wrong_kind(ec, "true or false");
    }

    bool on_null(json::error_code& ec) {
        if (skipped_ > 0 || (place_ == Place::reading && key_ == Key::unknown)) {
            return true;
        }
        return wrong_kind(ec, "null");
    }

    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

private:
    enum class Place { text, array, reading, wrapped };
    enum class Key { channel, value, time, unit, n, base64, number, unknown };
    static constexpr std::array<std::string_view, 5> kNames{"channel", "value", "time", "unit",
                                                            "n"};

    static unsigned bit(Key key) { return 1u << static_cast<unsigned>(key); }
    static std::string quoted(Key key) {
        return "\"" + std::string(kNames.at(static_cast<std::size_t>(key))) + "\"";
    }

    /// The text of a key, string or number whose last part is `part`.
    std::string_view whole(json::string_view part) {
        if (text_.empty()) {
            return {part.data(), part.size()};
        }
        text_.append(part.data(), part.size());
        return text_;
    }

    bool wrong(json::error_code& ec, std::string problem) {
        problem_ = std::move(problem);
        ec = json::error::syntax;
        return false;
    }

    bool wrong_kind(json::error_code& ec, std::string_view kind) {
        const std::string found(kind);
        switch (place_) {
            case Place::text:
            case Place::array:
                return wrong(ec, "is " + found + ", not an object");
            case Place::reading:
                return wrong(ec, quoted(key_) + " is " + found + expected());
            case Place::wrapped:
                return wrong(ec, "\"value\" holds " + found + " where a string should be");
        }
        return false;
    }

    std::string expected() const {
        switch (key_) {
            case Key::channel:
            case Key::unit:
                return ", not a string";
            case Key::time:
                return ", not a time like \"2026-11-20T10:00:00Z\"";
            case Key::n:
                return ", not a whole number from 0";
            case Key::value:
                return ", not a number, true, false, a string, {\"base64\":…} or {\"double\":…}";
            case Key::base64:
            case Key::number:
            case Key::unknown:
                return "";
        }
        return "";
    }

    /// An array or object as the value of a key of the reading.
    bool begin_inner(json::error_code& ec, std::string_view kind) {
        if (key_ != Key::unknown) {
            return wrong_kind(ec, kind);
        }
        skipped_ = 1;
        return true;
    }

    bool take_number(Value&& number, json::error_code& ec) {
        if (place_ == Place::reading && key_ == Key::unknown) {
            return true;
        }
        if (place_ == Place::reading && key_ == Key::value) {
            readings_.back().value = std::move(number);
            return true;
        }
        return wrong_kind(
            ec, place_ == Place::reading && key_ == Key::n ? "another number" : "a number");
    }

    bool take_string(std::string_view text, json::error_code& ec) {
        if (place_ == Place::wrapped) {
            return take_wrapped(text, ec);
        }
        if (place_ != Place::reading) {
            return wrong_kind(ec, "a string");
        }
        JsonReading& reading = readings_.back();
        switch (key_) {
            case Key::channel:
                if (text.empty()) {
                    return wrong(ec, "\"channel\" is empty");
                }
                return take_short(reading.channel.name, text, limits_.channel_name_bytes, ec);
            case Key::unit:
                return take_short(reading.channel.unit, text, limits_.unit_bytes, ec);
            case Key::time: {
                const auto time = parse_time(text);
                if (!time) {
                    return wrong(ec, "\"time\": " + time.error().message);
                }
                reading.time = *time;
                return true;
            }
            case Key::value:
                reading.value = std::string(text);
                return true;
            case Key::n:
                return wrong_kind(ec, "a string");
            case Key::base64:
            case Key::number:
            case Key::unknown:
                return true;
        }
        return false;
    }

    bool take_short(std::string& to, std::string_view text, std::size_t most,
                    json::error_code& ec) {
        if (text.size() > most) {
            return wrong(ec, quoted(key_) + " is longer than " + std::to_string(most) + " bytes");
        }
        to = text;
        return true;
    }

    bool take_wrapped(std::string_view text, json::error_code& ec) {
        Value& value = readings_.back().value;
        wrapped_ = true;
        if (key_ == Key::base64) {
            auto bytes = from_base64(text);
            if (!bytes) {
                return wrong(ec, "\"value\": " + bytes.error().message);
            }
            value = std::move(*bytes);
            return true;
        }
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        if (text == "NaN") {
            value = std::numeric_limits<double>::quiet_NaN();
        } else if (text == "Infinity") {
            value = kInfinity;
        } else if (text == "-Infinity") {
            value = -kInfinity;
        } else {
            return wrong(ec, "\"double\" is neither \"NaN\", \"Infinity\" nor \"-Infinity\"");
        }
        return true;
    }

    const JsonLimits& limits_;
    std::vector<JsonReading> readings_;
    std::string problem_;
    /// Earlier parts of the key, string or number that is being read.
    std::string text_;
    Place place_ = Place::text;
    Key key_ = Key::unknown;
    /// Brackets and braces open inside of an unknown key's value.
    std::size_t skipped_ = 0;
    unsigned seen_ = 0;
    bool in_array_ = false;
    /// The last reading is complete.
    bool closed_ = true;
    /// The value's object has had its one member.
    bool wrapped_ = false;
};

}  // namespace

std::expected<std::vector<JsonReading>, JsonError> parse_readings(std::string_view text,
                                                                  const JsonLimits& limits) {
    if (text.size() > limits.text_size_bytes) {
        return std::unexpected(JsonError{"the text is longer than " +
                                         std::to_string(limits.text_size_bytes) + " bytes"});
    }
    json::basic_parser<Handler> parser(json::parse_options{}, limits);
    json::error_code ec;
    const std::size_t consumed = parser.write_some(false, text.data(), text.size(), ec);
    Handler& handler = parser.handler();
    if (!ec && consumed == text.size()) {
        return handler.take_readings();
    }
    const std::size_t at = handler.at();
    if (!handler.problem().empty()) {
        return std::unexpected(
            JsonError{"reading " + std::to_string(at) + ": " + handler.problem(), at});
    }
    const std::string why = ec ? ec.message() : "something follows the end";
    return std::unexpected(
        JsonError{"not JSON at byte " + std::to_string(consumed) + ": " + why, at});
}

}  // namespace holdfast::telemetry
