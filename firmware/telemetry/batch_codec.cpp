#include "firmware/telemetry/batch_codec.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "firmware/base/check.h"
#include "firmware/telemetry/columns.h"
#include "firmware/telemetry/interleaving.h"
#include "firmware/telemetry/layout.h"

namespace holdfast::telemetry {
namespace {

constexpr unsigned kVersion = 1;
constexpr unsigned kBootFlag = 0x08;
constexpr unsigned kSingleFlag = 0x10;
/// A column's head: the type, whether its times are those of the column before, and the distance of
/// its channel's id from the expected one, which is the id of the column before plus 1.
constexpr std::uint64_t kSameTimesFlag = 1u << kTypeBits;
constexpr unsigned kChannelShift = kTypeBits + 1;
/// In place of the head of encoded times: the number of an earlier column with the same times
/// follows.
constexpr unsigned kEarlierTimes = 0xFF;

std::uint64_t number_of(const Value& value) {
    if (const auto* real = std::get_if<double>(&value)) {
        return std::bit_cast<std::uint64_t>(*real);
    }
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        return static_cast<std::uint64_t>(*integer);
    }
    const auto* truth = std::get_if<bool>(&value);
    return truth != nullptr && *truth ? 1 : 0;
}

std::string_view text_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return *text;
    }
    const auto* bytes = std::get_if<Bytes>(&value);
    return bytes != nullptr ? as_text(*bytes) : std::string_view();
}

class Encoder {
public:
    explicit Encoder(const Batch& batch) : batch_(batch), layout_(lay_out(batch.readings)) {}

    Bytes encode() {
        const bool single = layout_.columns.size() == 1;
        out_.push_back(static_cast<std::byte>(kVersion | (batch_.boot != 0 ? kBootFlag : 0) |
                                              (single ? kSingleFlag : 0)));
        if (batch_.boot != 0) {
            append_fixed64(out_, batch_.boot);
        }
        append_varint(out_, batch_.readings.size());
        if (!single) {
            append_varint(out_, layout_.columns.size());
        }
        collect_times();
        std::uint64_t expected = 1;
        for (std::size_t i = 0; i < layout_.columns.size(); ++i) {
            append_head(i, expected);
            expected = std::uint64_t{layout_.columns[i].channel} + 1;
        }
        if (!single) {
            encode_interleaving(out_, layout_.column_of,
                                static_cast<std::uint32_t>(layout_.columns.size()));
        }
        for (std::size_t i = 0; i < layout_.columns.size(); ++i) {
            append_times(i);
            append_values(layout_.columns[i]);
        }
        return std::move(out_);
    }

private:
    /// The times of all columns, column after column.
    void collect_times() {
        times_.reserve(batch_.readings.size());
        for (const Column& column : layout_.columns) {
            for (std::size_t i = 0; i < column.size; ++i) {
                const Reading& reading = batch_.readings[layout_.reading(column, i)];
                times_.push_back(static_cast<std::uint64_t>(reading.time_us));
            }
        }
    }

    [[nodiscard]] std::span<const std::uint64_t> times(const Column& column) const {
        return std::span(times_).subspan(column.first, column.size);
    }

    /// The times of `column` are the first of those of `earlier`: the batch may end in the middle
    /// of a tick.
    [[nodiscard]] bool shares_times(const Column& column, const Column& earlier) const {
        return column.size <= earlier.size &&
               std::ranges::equal(times(column), times(earlier).first(column.size));
    }

    void append_head(std::size_t number, std::uint64_t expected) {
        const Column& column = layout_.columns[number];
        const bool same = number > 0 && shares_times(column, layout_.columns[number - 1]);
        append_varint(out_, zigzag(column.channel - expected) << kChannelShift |
                                (same ? kSameTimesFlag : 0) | static_cast<unsigned>(column.type));
        same_times_.push_back(same);
    }

    void append_times(std::size_t number) {
        if (same_times_[number]) {
            return;
        }
        const Column& column = layout_.columns[number];
        const auto earlier = first_with_.try_emplace(times(column).front(), number).first->second;
        if (earlier != number && shares_times(column, layout_.columns[earlier])) {
            out_.push_back(static_cast<std::byte>(kEarlierTimes));
            append_varint(out_, earlier);
        } else {
            encode_times(out_, times(column));
        }
    }

    void append_values(const Column& column) {
        if (column.type == Type::text || column.type == Type::bytes) {
            std::vector<std::string_view> texts;
            texts.reserve(column.size);
            for (std::size_t i = 0; i < column.size; ++i) {
                texts.push_back(text_of(batch_.readings[layout_.reading(column, i)].value));
            }
            encode_texts(out_, texts);
            return;
        }
        std::vector<std::uint64_t> numbers;
        numbers.reserve(column.size);
        for (std::size_t i = 0; i < column.size; ++i) {
            numbers.push_back(number_of(batch_.readings[layout_.reading(column, i)].value));
        }
        if (column.type == Type::real) {
            encode_doubles(out_, numbers);
        } else if (column.type == Type::integer) {
            encode_int64s(out_, numbers);
        } else {
            encode_bools(out_, numbers);
        }
    }

    const Batch& batch_;
    Layout layout_;
    Bytes out_;
    std::vector<std::uint64_t> times_;
    std::vector<bool> same_times_;
    /// The earliest of the columns with times of their own whose first time is this one.
    std::unordered_map<std::uint64_t, std::size_t> first_with_;
};

class Decoder {
public:
    Decoder(ByteView bytes, const BatchLimits& limits) : source_(bytes), limits_(limits) {}

    Result<Batch> decode() {
        if (source_.left() > limits_.bytes) {
            too_large_ = "more than " + std::to_string(limits_.bytes) + " bytes";
        } else if (decode_heads() && decode_columns() && source_.left() != 0) {
            source_.fail("something follows the last column");
        }
        if (!too_large_.empty()) {
            return holdfast::fail(ErrorCode::too_large, "a batch of " + too_large_);
        }
        if (!source_.ok()) {
            return holdfast::fail(ErrorCode::invalid,
                                  "a malformed batch: " + where_ + source_.problem());
        }
        return std::move(batch_);
    }

private:
    bool over(std::size_t limit, std::string_view what) {
        too_large_ = "more than " + std::to_string(limit) + " " + std::string(what);
        return false;
    }

    bool decode_heads() {
        const unsigned head = source_.byte();
        if ((head & ~(kBootFlag | kSingleFlag)) != kVersion) {
            return source_.fail("not version 1");
        }
        if ((head & kBootFlag) != 0) {
            batch_.boot = source_.fixed64();
        }
        const std::uint64_t count = source_.varint();
        const bool single = (head & kSingleFlag) != 0;
        const std::uint64_t columns = single ? 1 : source_.varint();
        if (!source_.ok() || count == 0 || (!single && (columns < 2 || columns > count)) ||
            ((head & kBootFlag) != 0 && batch_.boot == 0)) {
            return source_.fail("a malformed head");
        }
        if (count > limits_.readings) {
            return over(limits_.readings, "readings");
        }
        if (!decode_column_heads(columns)) {
            return false;
        }
        batch_.readings.resize(static_cast<std::size_t>(count));
        times_.resize(batch_.readings.size());
        if (single) {
            layout_.columns.front().size = batch_.readings.size();
            return true;
        }
        layout_.column_of.resize(batch_.readings.size());
        if (!decode_interleaving(source_, layout_.column_of, static_cast<std::uint32_t>(columns))) {
            return false;
        }
        layout_.arrange();
        return true;
    }

    bool decode_column_heads(std::uint64_t count) {
        std::unordered_set<std::uint64_t> seen;
        std::uint64_t expected = 1;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t head = source_.varint();
            const std::uint64_t channel = expected + unzigzag(head >> kChannelShift);
            const std::uint64_t type = low_bits(head, kTypeBits);
            const bool same = (head & kSameTimesFlag) != 0;
            if (!source_.ok() || type >= kTypes || (same && i == 0) ||
                channel > std::numeric_limits<ChannelId>::max()) {
                return source_.fail("a malformed column head");
            }
            layout_.columns.push_back({static_cast<ChannelId>(channel), static_cast<Type>(type)});
            same_times_.push_back(same);
            if (count > 1 && !seen.insert(layout_.columns.back().key()).second) {
                return source_.fail("the same column twice");
            }
            expected = channel + 1;
        }
        return true;
    }

    bool decode_columns() {
        for (std::size_t i = 0; i < layout_.columns.size(); ++i) {
            if (!decode_column_times(i) || !decode_values(layout_.columns[i])) {
                where_ = "column " + std::to_string(i) + ": ";
                return false;
            }
        }
        return true;
    }

    bool decode_column_times(std::size_t number) {
        const Column& column = layout_.columns[number];
        const auto times = std::span(times_).subspan(column.first, column.size);
        std::uint64_t earlier = number - 1;
        bool shared = same_times_[number];
        if (!shared && source_.left() > 0 &&
            std::to_integer<unsigned>(source_.rest().front()) == kEarlierTimes) {
            source_.skip(1);
            earlier = source_.varint();
            shared = true;
        }
        if (!shared) {
            if (!decode_times(source_, times)) {
                return false;
            }
        } else {
            if (!source_.ok() || earlier >= number ||
                layout_.columns[static_cast<std::size_t>(earlier)].size < column.size) {
                return source_.fail("times of another column that has less");
            }
            const Column& from = layout_.columns[static_cast<std::size_t>(earlier)];
            std::ranges::copy(std::span(times_).subspan(from.first, column.size), times.begin());
        }
        for (std::size_t i = 0; i < column.size; ++i) {
            Reading& reading = batch_.readings[layout_.reading(column, i)];
            reading.channel = column.channel;
            reading.time_us = static_cast<std::int64_t>(times[i]);
        }
        return true;
    }

    template <class Make>
    void fill(const Column& column, Make&& make) {
        for (std::size_t i = 0; i < column.size; ++i) {
            batch_.readings[layout_.reading(column, i)].value = make(i);
        }
    }

    bool decode_values(const Column& column) {
        if (column.type == Type::text || column.type == Type::bytes) {
            return decode_text_values(column);
        }
        numbers_.resize(column.size);
        switch (column.type) {
            case Type::real:
                if (!decode_doubles(source_, numbers_)) {
                    return false;
                }
                fill(column, [this](std::size_t i) { return std::bit_cast<double>(numbers_[i]); });
                return true;
            case Type::integer:
                if (!decode_int64s(source_, numbers_)) {
                    return false;
                }
                fill(column,
                     [this](std::size_t i) { return static_cast<std::int64_t>(numbers_[i]); });
                return true;
            case Type::truth:
                if (!decode_bools(source_, numbers_)) {
                    return false;
                }
                fill(column, [this](std::size_t i) { return numbers_[i] != 0; });
                return true;
            case Type::text:
            case Type::bytes:
                break;
        }
        HOLDFAST_CHECK(false);
    }

    bool decode_text_values(const Column& column) {
        std::vector<std::string_view> texts(column.size);
        if (!decode_texts(source_, texts)) {
            return false;
        }
        // A repeated text takes almost no bytes when encoded, but each copy counts here.
        for (const std::string_view text : texts) {
            text_bytes_ += text.size();
        }
        if (text_bytes_ > limits_.bytes) {
            return over(limits_.bytes, "bytes of text");
        }
        if (column.type == Type::text) {
            fill(column, [&texts](std::size_t i) { return std::string(texts[i]); });
        } else {
            fill(column, [&texts](std::size_t i) {
                const ByteView view = as_bytes(texts[i]);
                return Bytes(view.begin(), view.end());
            });
        }
        return true;
    }

    Source source_;
    const BatchLimits& limits_;
    std::string too_large_;
    std::string where_;
    Batch batch_;
    Layout layout_;
    std::vector<bool> same_times_;
    /// As in the encoder, column after column.
    std::vector<std::uint64_t> times_;
    std::vector<std::uint64_t> numbers_;
    std::uint64_t text_bytes_ = 0;
};

}  // namespace

Bytes encode(const Batch& batch) {
    HOLDFAST_CHECK(!batch.readings.empty());
    HOLDFAST_CHECK(batch.readings.size() <= std::numeric_limits<std::uint32_t>::max());
    return Encoder(batch).encode();
}

Result<Batch> decode(ByteView bytes, const BatchLimits& limits) {
    return Decoder(bytes, limits).decode();
}

}  // namespace holdfast::telemetry
