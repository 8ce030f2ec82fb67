#include "firmware/telemetry/batch_codec.h"

#include <bit>
#include <cstring>

namespace holdfast::telemetry {
namespace {

void put(Bytes& out, std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) {
        out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFFu));
    }
}

struct Source {
    ByteView bytes;
    bool ok = true;

    std::uint64_t get(std::size_t size) {
        if (bytes.size() < size) {
            ok = false;
            return 0;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) {
            value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
        }
        bytes = bytes.subspan(size);
        return value;
    }

    ByteView take() {
        const std::size_t size = static_cast<std::size_t>(get(4));
        if (bytes.size() < size) {
            ok = false;
            return {};
        }
        const ByteView taken = bytes.first(size);
        bytes = bytes.subspan(size);
        return taken;
    }
};

}  // namespace

Bytes encode(const Batch& batch) {
    Bytes out;
    put(out, 0, 1);
    put(out, batch.boot, 8);
    put(out, batch.readings.size(), 4);
    for (const Reading& reading : batch.readings) {
        put(out, reading.channel, 4);
        put(out, static_cast<std::uint64_t>(reading.time_us), 8);
        put(out, reading.value.index(), 1);
        if (const auto* number = std::get_if<double>(&reading.value)) {
            put(out, std::bit_cast<std::uint64_t>(*number), 8);
        } else if (const auto* integer = std::get_if<std::int64_t>(&reading.value)) {
            put(out, static_cast<std::uint64_t>(*integer), 8);
        } else if (const auto* truth = std::get_if<bool>(&reading.value)) {
            put(out, *truth ? 1 : 0, 1);
        } else if (const auto* text = std::get_if<std::string>(&reading.value)) {
            put(out, text->size(), 4);
            append(out, *text);
        } else if (const auto* bytes = std::get_if<Bytes>(&reading.value)) {
            put(out, bytes->size(), 4);
            append(out, *bytes);
        }
    }
    return out;
}

Result<Batch> decode(ByteView bytes, const BatchLimits& limits) {
    if (bytes.size() > limits.bytes) {
        return fail(ErrorCode::too_large, "a batch of " + std::to_string(bytes.size()) + " bytes");
    }
    Source source{bytes};
    Batch batch;
    source.ok = source.get(1) == 0;
    batch.boot = source.get(8);
    const std::uint64_t count = source.get(4);
    if (count > limits.readings) {
        return fail(ErrorCode::too_large, "a batch of " + std::to_string(count) + " readings");
    }
    for (std::uint64_t i = 0; i < count && source.ok; ++i) {
        Reading reading;
        reading.channel = static_cast<ChannelId>(source.get(4));
        reading.time_us = static_cast<std::int64_t>(source.get(8));
        switch (source.get(1)) {
            case 0:
                reading.value = std::bit_cast<double>(source.get(8));
                break;
            case 1:
                reading.value = static_cast<std::int64_t>(source.get(8));
                break;
            case 2:
                reading.value = source.get(1) != 0;
                break;
            case 3:
                reading.value = std::string(as_text(source.take()));
                break;
            case 4: {
                const ByteView taken = source.take();
                reading.value = Bytes(taken.begin(), taken.end());
                break;
            }
            default:
                source.ok = false;
        }
        batch.readings.push_back(std::move(reading));
    }
    if (!source.ok || !source.bytes.empty() || count == 0) {
        return fail(ErrorCode::invalid, "a malformed batch");
    }
    return batch;
}

}  // namespace holdfast::telemetry
