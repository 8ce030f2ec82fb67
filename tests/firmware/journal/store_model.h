#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/firmware/journal/store_fixture.h"

namespace holdfast::journal {

/// What a store must hold after a number of writes: each reading by its position. What was evicted
/// is there as a gap.
struct StoreModel {
    std::map<std::uint64_t, std::pair<StreamId, std::uint64_t>> readings;
    std::uint64_t released_before = 0;
    std::uint64_t evicted = 0;
    std::map<std::string, std::uint64_t> sources;
    std::vector<Note> notes;
    bool gaps_are_kept = true;

    void apply(const Write& write) {
        released_before = std::max(released_before, write.release_before);
        for (const Record& record : write.records) {
            for (std::uint64_t seq = record.first_seq; seq <= record.last_seq; ++seq) {
                readings[record.position + seq - record.first_seq] = {record.stream, seq};
            }
        }
        for (const SourcePosition& source : write.sources) {
            sources[source.name] = source.position;
        }
        for (const Note& note : write.notes) {
            std::erase_if(notes, [&](const Note& old) { return old.name == note.name; });
            notes.push_back(note);
            if (notes.size() > kNotes) {
                notes.erase(notes.begin());
            }
        }
    }

    /// "" if the records are what they must be, else what is wrong. Values are checked for streams
    /// below `first_large_stream`, whose readings are those of `reading`.
    [[nodiscard]] std::string difference(const std::vector<Record>& records,
                                         StreamId first_large_stream) const {
        std::map<std::pair<StreamId, std::uint64_t>, bool> covered;  // true: by a gap
        std::uint64_t in_gaps = 0;
        std::uint64_t end = 0;
        for (const Record& record : records) {
            const std::string at = " at position " + std::to_string(record.position);
            if (record.position < end) {
                return "overlapping rows" + at;
            }
            end = record.end_position();
            if (end <= released_before) {
                return "a released row is still there" + at;
            }
            if (record.kind == RecordKind::batch && record.stream < first_large_stream) {
                const auto batch = telemetry::decode(*record.body);
                if (!batch || batch->readings.size() != record.last_seq - record.first_seq + 1) {
                    return "an undecodable row" + at;
                }
                for (std::size_t i = 0; i < batch->readings.size(); ++i) {
                    if (batch->readings[i].value != reading(record.first_seq + i).value) {
                        return "a wrong value" + at;
                    }
                }
            }
            for (std::uint64_t seq = record.first_seq; seq <= record.last_seq; ++seq) {
                const bool gap = record.kind == RecordKind::gap;
                in_gaps += gap ? 1 : 0;
                if (!covered.emplace(std::pair(record.stream, seq), gap).second) {
                    return "a number that is there twice" + at;
                }
            }
        }
        if (in_gaps > evicted) {
            return std::to_string(in_gaps) + " numbers in gaps, " + std::to_string(evicted) +
                   " reported evicted";
        }
        std::uint64_t missing = 0;
        std::map<std::pair<StreamId, std::uint64_t>, std::uint64_t> known;
        for (const auto& [position, number] : readings) {
            known[number] = position;
            if (position >= released_before && !covered.contains(number)) {
                ++missing;
                if (gaps_are_kept || missing > evicted) {
                    return "seq " + std::to_string(number.second) + " of stream " +
                           std::to_string(number.first) + " at position " +
                           std::to_string(position) + " is missing";
                }
            }
        }
        for (const auto& [number, gap] : covered) {
            if (!known.contains(number)) {
                return "seq " + std::to_string(number.second) + " was never written";
            }
        }
        return "";
    }
};

}  // namespace holdfast::journal
