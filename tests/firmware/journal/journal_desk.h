#pragma once

#include <memory>
#include <string>
#include <vector>

#include "firmware/journal/journal.h"
#include "platform/simulated/random.h"
#include "tests/firmware/journal/model_store.h"

namespace holdfast::simulation {

using simulated::Random;

/// A journal over the model store, with a hand for the storage thread and one for the hub.
struct Desk {
    explicit Desk(journal::JournalOptions given = {}, std::size_t max_readings = 1u << 30)
        : options(std::move(given)), store("dev", max_readings, options.owes_upstream) {
        options.origin = "dev";
        open();
    }
    void open() {
        const journal::Opened opened = store.open(random);
        notes = opened.notes;
        journal = std::make_unique<journal::Journal>(opened, options);
    }
    /// Power fails, and comes back.
    void crash() {
        store.crash();
        open();
    }
    std::uint64_t add(std::size_t count, journal::Promise promise,
                      const journal::SourcePosition* source = nullptr,
                      const std::string& channel = "t") {
        const auto id = journal->channel({channel, ""});
        std::vector<telemetry::Reading> readings;
        for (std::size_t i = 0; i < count; ++i) {
            readings.push_back({*id, now.time_since_epoch().count(),
                                static_cast<std::int64_t>(journal->own_next_seq() + i)});
        }
        return journal->append({.readings = readings, .promise = promise, .source = source}, now);
    }
    std::uint64_t sample(std::size_t count = 1) {
        return add(count, journal::Promise::by_deadline);
    }
    std::uint64_t push(std::size_t count = 1) { return add(count, journal::Promise::now); }
    /// Carries out one write if one is due; how many records it had, -1: none was due.
    int write() {
        const std::optional<journal::Write> write = journal->take_write(now);
        if (!write) {
            return -1;
        }
        journal->written(store.write(*write), now);
        ++writes;
        return static_cast<int>(write->records.size());
    }
    /// The channel is known and durable, and nothing waits.
    void warm_up() {
        (void)push();
        while (write() >= 0) {
        }
        journal->release(journal->next_position(), now);
        now += options.release_delay;
        while (write() >= 0) {
        }
        writes = 0;
    }
    /// The hub acknowledges everything that it may be sent.
    void acknowledge() {
        now += options.linger;
        if (journal->deadline() <= now) {
            write();
        }
        journal->release(journal->next_position(), now);
    }
    std::uint64_t stored() {
        std::uint64_t count = 0;
        for (std::uint64_t position = 1;;) {
            const auto records = store.read(position, 1u << 20);
            if (!records || records->empty()) {
                return count;
            }
            for (const journal::Record& record : *records) {
                count += record.kind == journal::RecordKind::batch
                             ? record.last_seq - record.first_seq + 1
                             : 0;
                position = record.end_position();
            }
        }
    }

    journal::JournalOptions options;
    Random random{1};
    ModelStore store;
    std::unique_ptr<journal::Journal> journal;
    std::vector<journal::Note> notes;  ///< as they were when the journal was last opened
    Instant now{std::chrono::seconds(100)};
    int writes = 0;
};

}  // namespace holdfast::simulation
