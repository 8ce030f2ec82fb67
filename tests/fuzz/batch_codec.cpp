// Whatever decodes is encoded again and comes back, and whatever can be built is encoded and comes
// back, bit for bit.
#include "firmware/telemetry/batch_codec.h"

#include <array>
#include <bit>
#include <variant>

#include "tests/firmware/telemetry/batches.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::telemetry;

namespace {

constexpr std::size_t kReadings = 2000;

std::int64_t signed_number(fuzz::Input& input, std::size_t shape) {
    const std::uint64_t size = input.number(static_cast<unsigned>(shape % 8 + 1));
    return static_cast<std::int64_t>(shape < 8 ? size : 0 - size);
}

/// A few decimals, as sensors speak, or any bits.
double real_number(fuzz::Input& input, std::size_t shape) {
    if (shape < 8) {
        constexpr std::array<double, 4> kScales{1, 10, 100, 1000};
        return static_cast<double>(static_cast<std::int16_t>(input.number(2))) / kScales[shape % 4];
    }
    return std::bit_cast<double>(input.number(8));
}

Value value(fuzz::Input& input, std::size_t type, std::size_t shape) {
    switch (type) {
        case 0:
            return real_number(input, shape);
        case 1:
            return signed_number(input, shape);
        case 2:
            return input.byte() % 2 == 0;
        case 3:
            return std::string(as_text(input.take(shape)));
        default: {
            const ByteView bytes = input.take(shape);
            return Bytes(bytes.begin(), bytes.end());
        }
    }
}

/// Runs of readings of one channel, type and step in time: what columns are made for, broken where
/// the input says so.
Batch built(fuzz::Input& input) {
    Batch batch;
    batch.boot = input.byte() % 2 == 0 ? 0 : input.number(8);
    std::uint64_t time = input.number(8);
    do {
        const auto channel =
            static_cast<ChannelId>(input.byte() % 2 == 0 ? input.byte() % 4 : input.number(4));
        const std::size_t type = input.below(std::variant_size_v<Value>);
        const std::size_t shape = input.below(16);
        const auto step = static_cast<std::uint64_t>(signed_number(input, input.below(16)));
        const bool constant = input.byte() % 4 == 0;
        Value last = value(input, type, shape);
        for (std::size_t left = 1 + input.byte(); left > 0; --left) {
            batch.readings.push_back({channel, static_cast<std::int64_t>(time), last});
            time += step;
            if (!constant) {
                last = value(input, type, shape);
            }
        }
    } while (!input.empty() && batch.readings.size() < kReadings);
    return batch;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    if (input.byte() % 2 == 0) {
        HOLDFAST_CHECK(comes_back(built(input)));
        return 0;
    }
    // Allocates in proportion to what the bytes hold, so that small limits are kept by any input.
    const BatchLimits limits{.readings = kReadings, .bytes = 1u << 16};
    const Bytes copy(input.rest().begin(), input.rest().end());
    const auto batch = decode(copy, limits);
    if (!batch) {
        HOLDFAST_CHECK(!batch.error().message.empty());
        return 0;
    }
    HOLDFAST_CHECK(!batch->readings.empty() && batch->readings.size() <= limits.readings);
    HOLDFAST_CHECK(comes_back(*batch));
    return 0;
}
