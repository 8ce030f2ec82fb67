#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "firmware/journal/store.h"
#include "firmware/telemetry/batch_codec.h"

namespace holdfast::simulation {

/// Does in memory what store.h promises: merges small batches, evicts the oldest, leaves gaps.
class ModelStore {
public:
    ModelStore(std::string origin, std::size_t max_readings, bool owes_upstream)
        : origin_(std::move(origin)), max_readings_(max_readings), owes_upstream_(owes_upstream) {}

    [[nodiscard]] journal::Opened open(ports::Entropy& entropy) {
        if (journal_ == 0) {
            journal_ = entropy.number();
        }
        journal::Opened opened;
        const journal::StreamId id = streams_.empty() ? 1 : streams_.rbegin()->first + 1;
        opened.own = streams_[id] = {id, origin_, {journal_, ++run_}, 0};
        for (const auto& [number, stream] : streams_) {
            opened.streams.push_back(stream);
        }
        opened.channels = channels_;
        for (const auto& [name, source] : sources_) {
            opened.sources.push_back(source);
        }
        opened.notes = notes_;
        for (const auto& [name, consumer] : consumers_) {
            opened.consumers.push_back(consumer);
            given_before_ = std::max(given_before_, consumer.position);
        }
        opened.generation = 7;
        const bool is_empty = records_.empty();
        opened.store_end = is_empty ? given_before_ : records_.rbegin()->second.end_position();
        opened.next_position = std::max(opened.store_end, given_before_);
        opened.first_position = is_empty ? opened.next_position : records_.begin()->first;
        if (!is_empty && opened.next_position > opened.store_end) {
            holes_.push_back({opened.store_end, opened.next_position});
        }
        opened.holes = holes_;
        return opened;
    }

    [[nodiscard]] Result<journal::Written> write(const journal::Write& write) {
        if (failures_ > 0) {
            --failures_;
            return fail(ErrorCode::full, "the model disk is full");
        }
        for (const journal::Stream& stream : write.streams) {
            streams_[stream.id] = stream;
        }
        channels_.insert(channels_.end(), write.channels.begin(), write.channels.end());
        while (!records_.empty() &&
               records_.begin()->second.end_position() <= write.release_before) {
            given_before_ = std::max(given_before_, records_.begin()->second.end_position());
            records_.erase(records_.begin());
        }
        journal::Written written;
        for (const journal::Record& record : write.records) {
            append(record);
            if (streams_.at(record.stream).epoch.journal != journal_) {
                streams_[record.stream].through = record.last_seq;
            }
            written.evicted_readings += evict();
        }
        for (const journal::SourcePosition& source : write.sources) {
            sources_[source.name] = source;
        }
        for (const journal::Note& note : write.notes) {
            std::erase_if(notes_, [&](const auto& old) { return old.name == note.name; });
            notes_.push_back(note);
        }
        if (notes_.size() > journal::kNotes) {
            notes_.erase(notes_.begin(), notes_.end() - journal::kNotes);
        }
        for (const std::string& name : write.ended) {
            consumers_.erase(name);
        }
        for (const journal::ConsumerPosition& consumer : write.consumers) {
            consumers_[consumer.name] = consumer;
        }
        given_before_ = std::max(given_before_, write.reserve_before);
        return written;
    }

    [[nodiscard]] Result<std::vector<journal::Record>> read(std::uint64_t position,
                                                            std::size_t max_bytes) {
        std::vector<journal::Record> out;
        std::size_t bytes = 0;
        for (const auto& [at, record] : records_) {
            if (record.end_position() <= position) {
                continue;
            }
            out.push_back(record);
            if ((bytes += record.body->size()) >= max_bytes) {
                break;
            }
        }
        return out;
    }

    /// Power fails, and comes back.
    void crash() { failures_ = 0; }
    /// The next write fails; called n times, so do the next n.
    void fail_next() { ++failures_; }
    void heal() { failures_ = 0; }

private:
    static constexpr std::size_t kRowReadings = 24;

    void append(const journal::Record& record) {
        if (!records_.empty() && record.kind == journal::RecordKind::batch) {
            journal::Record& last = records_.rbegin()->second;
            if (last.kind == journal::RecordKind::batch && last.stream == record.stream &&
                last.end_position() == record.position && last.last_seq + 1 == record.first_seq &&
                record.last_seq - last.first_seq < kRowReadings) {
                auto left = telemetry::decode(*last.body);
                auto right = telemetry::decode(*record.body);
                if (left->boot == right->boot) {
                    left->readings.insert(left->readings.end(), right->readings.begin(),
                                          right->readings.end());
                    last.body = std::make_shared<const Bytes>(telemetry::encode(*left));
                    last.last_seq = record.last_seq;
                    return;
                }
            }
        }
        records_[record.position] = record;
    }

    std::uint64_t evict() {
        std::uint64_t stored = 0;
        for (const auto& [at, record] : records_) {
            stored += record.kind == journal::RecordKind::batch
                          ? record.last_seq - record.first_seq + 1
                          : 0;
        }
        std::uint64_t evicted = 0;
        for (auto at = records_.begin(); at != records_.end() && stored > max_readings_;) {
            const journal::Record row = at->second;
            if (row.kind == journal::RecordKind::gap) {
                ++at;
                continue;
            }
            at = records_.erase(at);
            const std::uint64_t count =
                row.kind == journal::RecordKind::batch ? row.last_seq - row.first_seq + 1 : 0;
            stored -= count;
            evicted += count;
            if (owes_upstream_) {
                put_gap(row);
            }
        }
        return evicted;
    }

    void put_gap(const journal::Record& row) {
        journal::Record gap = row;
        gap.position = row.end_position() - 1;
        gap.kind = journal::RecordKind::gap;
        gap.body = std::make_shared<const Bytes>(journal::encode(journal::GapReason::evicted));
        for (auto at = records_.begin(); at != records_.end(); ++at) {
            const journal::Record& before = at->second;
            if (before.kind == journal::RecordKind::gap && before.stream == gap.stream &&
                before.last_seq + 1 == gap.first_seq) {
                gap.first_seq = before.first_seq;
                records_.erase(at);
                break;
            }
        }
        records_[gap.position] = gap;
    }

    std::string origin_;
    std::size_t max_readings_;
    bool owes_upstream_;
    std::uint64_t journal_ = 0;
    std::uint32_t run_ = 0;
    int failures_ = 0;
    std::map<journal::StreamId, journal::Stream> streams_;
    std::vector<journal::ChannelRow> channels_;
    std::map<std::string, journal::SourcePosition> sources_;
    std::vector<journal::Note> notes_;
    std::map<std::string, journal::ConsumerPosition> consumers_;
    std::vector<journal::Hole> holes_;
    std::uint64_t given_before_ = 1;
    std::map<std::uint64_t, journal::Record> records_;
};

}  // namespace holdfast::simulation
