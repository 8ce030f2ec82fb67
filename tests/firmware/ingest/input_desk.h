#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/ingest/sensor.h"
#include "firmware/telemetry/batch_codec.h"
#include "platform/simulated/log.h"
#include "platform/simulated/machine_clock.h"
#include "tests/firmware/journal/journal_desk.h"

namespace holdfast::ingest {

/// What the inputs of a node stand on: a journal, a clock and a log.
struct InputDesk {
    simulated::Clock clock;
    simulated::MachineClock machine{
        clock, WallTime{std::chrono::sys_days{std::chrono::year{2027} / 3 / 1}}, 7};
    simulation::Desk desk;
    hub::Fleet fleet;
    hub::LiveFeed live;
    Timekeeper timekeeper{7};
    std::vector<std::pair<ports::Log::Level, std::string>> log;
    simulated::Log log_port{[this](ports::Log::Level level, std::string_view message) {
        log.emplace_back(level, std::string(message));
    }};
    unsigned appended = 0;

    explicit InputDesk(const journal::JournalOptions& options = {}) : desk(options) { pass({}); }

    [[nodiscard]] hub::Shared shared() { return {*desk.journal, fleet, live}; }
    [[nodiscard]] InputContext context() {
        return {.shared = shared(),
                .timekeeper = timekeeper,
                .clock = machine,
                .log = log_port,
                .memory_bytes = desk.options.memory_bytes,
                .appended = [this] { ++appended; }};
    }
    void pass(Duration time) {
        clock.run_until(clock.now() + time);
        desk.now = machine.now().monotonic;
    }
    void commit() {
        pass(desk.options.commit_interval);
        while (desk.write() >= 0) {
        }
    }
    [[nodiscard]] std::size_t logged(std::string_view part) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            log, [&](const auto& line) { return line.second.find(part) != std::string::npos; }));
    }

    /// A record that is durable, with what it holds.
    struct Stored {
        std::uint64_t boot;
        std::vector<telemetry::Reading> readings;
    };
    [[nodiscard]] std::vector<Stored> batches() {
        std::vector<Stored> out;
        const auto records = desk.store.read(1, 1u << 30);
        for (const journal::Record& record : *records) {
            if (record.kind == journal::RecordKind::batch) {
                telemetry::Batch batch = *telemetry::decode(*record.body);
                out.push_back({batch.boot, std::move(batch.readings)});
            }
        }
        return out;
    }
    [[nodiscard]] std::vector<telemetry::Reading> readings() {
        std::vector<telemetry::Reading> out;
        const std::vector<Stored> all = batches();
        for (const Stored& batch : all) {
            out.insert(out.end(), batch.readings.begin(), batch.readings.end());
        }
        return out;
    }
    [[nodiscard]] std::string channel(telemetry::ChannelId id) const {
        const journal::Stream& own = desk.journal->own();
        return desk.journal->channels(own.origin, own.epoch.journal)[id - 1].name;
    }
};

}  // namespace holdfast::ingest
