#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "firmware/api/view.h"
#include "platform/simulated/disk.h"
#include "tests/firmware/journal/store_fixture.h"

namespace holdfast::api {

/// A node without its network: a journal on a simulated disk, a fleet, and an uplink if it is to
/// have one. What is asked of the store waits until `answer`.
class Node : public AskedNode {
public:
    explicit Node(bool has_uplink = false) {
        journal::StoreOptions options;
        options.origin = "dev";
        options.owes_upstream = has_uplink;
        options.database.vfs = disk_.name();
        journal::Opened opened;
        store.emplace(std::move(*journal::Store::open("/d", options, entropy_, opened)));
        journal::JournalOptions journal_options;
        journal_options.origin = "dev";
        journal_options.owes_upstream = has_uplink;
        journal.emplace(opened, journal_options);
        if (has_uplink) {
            uplink::ClientOptions client_options;
            client_options.uplink.device = "dev";
            client_options.url = "ws://hub.example/v1/uplink";
            client_options.hub = *http::parse_url(client_options.url);
            client.emplace(*journal, client_options, entropy_);
        }
    }

    NodeView view() override {
        NodeView view{.id = "dev",
                      .version = "1.2.3",
                      .started = started,
                      .now = now,
                      .journal = *journal,
                      .journal_limit_bytes = 1u << 20,
                      .fleet = fleet,
                      .uplink = {},
                      .listener = listener,
                      .sensors = sensors,
                      .not_ready = not_ready};
        if (client) {
            view.uplink.emplace(UplinkView{.client = *client,
                                           .url = "ws://hub.example/v1/uplink",
                                           .heartbeat = std::chrono::seconds(25)});
        }
        return view;
    }
    void read(Work work, Done done) override {
        asked_.emplace_back(std::move(work), std::move(done));
    }
    /// What was asked of the store is answered; how many questions there were.
    std::size_t answer() {
        const std::size_t count = asked_.size();
        for (std::size_t i = 0; i < count; ++i) {
            auto [work, done] = std::move(asked_.front());
            asked_.pop_front();
            work(*store);
            done();
        }
        return count;
    }

    void pass(Duration time) {
        now.monotonic += time;
        now.wall += time;
    }
    /// Readings of the node itself, in memory.
    void take(std::size_t count) {
        const auto id = journal->channel({"t", "°C"});
        std::vector<telemetry::Reading> readings;
        for (std::size_t i = 0; i < count; ++i) {
            readings.push_back({*id, now.wall.time_since_epoch().count(), 1.5});
        }
        journal->append({.readings = readings, .promise = journal::Promise::now}, now.monotonic);
    }
    /// What is due is written.
    void write() {
        while (const auto due = journal->take_write(now.monotonic)) {
            journal->written(store->write(*due), now.monotonic);
        }
    }
    /// A write that is due fails.
    void fail_write(const std::string& why) {
        const auto due = journal->take_write(now.monotonic);
        journal->written(fail(ErrorCode::full, why), now.monotonic);
    }

private:
    simulated::Disk disk_{"api"};
    journal::CountingEntropy entropy_;
    std::deque<std::pair<Work, Done>> asked_;

public:
    std::optional<journal::Store> store;
    std::optional<journal::Journal> journal;
    std::optional<uplink::Client> client;
    hub::Fleet fleet;
    Instant started{std::chrono::hours(1)};
    Now now{Instant(std::chrono::hours(2)), WallTime(std::chrono::hours(3))};
    std::optional<ListenerView> listener;
    std::vector<ingest::SensorState> sensors;
    std::optional<std::string> not_ready;
};

}  // namespace holdfast::api
