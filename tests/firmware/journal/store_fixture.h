#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firmware/journal/store.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::journal {

/// The same numbers in every run.
class CountingEntropy : public ports::Entropy {
public:
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(++count_);
        }
    }

private:
    unsigned count_ = 0;
};

/// SplitMix64.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t number() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(number() % end); }

private:
    std::uint64_t state_;
};

inline constexpr std::int64_t kStartUs = 1'795'000'000'000'000;

/// The value of a reading follows from its number, so that a test can tell whether it is the right
/// one.
inline telemetry::Reading reading(std::uint64_t seq) {
    return {.channel = 1,
            .time_us = kStartUs + static_cast<std::int64_t>(seq) * 1'000'000,
            .value = static_cast<std::int64_t>(seq * 7919 % 1000)};
}

inline Record batch_record(StreamId stream, std::uint64_t position, std::uint64_t first_seq,
                           std::uint64_t count) {
    telemetry::Batch batch;
    for (std::uint64_t i = 0; i < count; ++i) {
        batch.readings.push_back(reading(first_seq + i));
    }
    return {.position = position,
            .stream = stream,
            .kind = RecordKind::batch,
            .first_seq = first_seq,
            .last_seq = first_seq + count - 1,
            .first_time_us = batch.readings.front().time_us,
            .last_time_us = batch.readings.back().time_us,
            .body = std::make_shared<const Bytes>(telemetry::encode(batch))};
}

/// One reading of `size` bytes that do not compress: a record too large to be merged.
inline Record large_record(StreamId stream, std::uint64_t position, std::uint64_t seq,
                           std::size_t size) {
    Random random(seq);
    Bytes bytes(size);
    std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random.number()); });
    telemetry::Batch batch;
    batch.readings.push_back({.channel = 1, .time_us = reading(seq).time_us, .value = bytes});
    return {.position = position,
            .stream = stream,
            .kind = RecordKind::batch,
            .first_seq = seq,
            .last_seq = seq,
            .first_time_us = batch.readings.front().time_us,
            .last_time_us = batch.readings.front().time_us,
            .body = std::make_shared<const Bytes>(telemetry::encode(batch))};
}

inline Record gap_record(StreamId stream, std::uint64_t position, std::uint64_t first_seq,
                         std::uint64_t last_seq, GapReason reason) {
    return {.position = position,
            .stream = stream,
            .kind = RecordKind::gap,
            .first_seq = first_seq,
            .last_seq = last_seq,
            .first_time_us = 0,
            .last_time_us = 0,
            .body = std::make_shared<const Bytes>(encode(reason))};
}

inline Record fix_record(StreamId stream, std::uint64_t position, std::uint64_t seq,
                         const ClockFix& fix) {
    return {.position = position,
            .stream = stream,
            .kind = RecordKind::clock_fix,
            .first_seq = seq,
            .last_seq = seq,
            .first_time_us = fix.wall_us,
            .last_time_us = fix.wall_us,
            .body = std::make_shared<const Bytes>(encode(fix))};
}

inline Write write_of(std::vector<Record> records) {
    Write write;
    write.records = std::move(records);
    return write;
}

}  // namespace holdfast::journal
