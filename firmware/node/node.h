#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/api/view.h"
#include "firmware/hub/shared.h"
#include "firmware/ingest/inputs.h"
#include "firmware/ingest/timekeeper.h"
#include "firmware/journal/journal.h"
#include "firmware/node/config.h"
#include "firmware/node/ports.h"
#include "firmware/node/storage_queue.h"

namespace holdfast::node {

class UplinkOwner;
class Server;

inline constexpr const char* kVersion = HOLDFAST_VERSION;
inline constexpr const char* kSoftware = "holdfast " HOLDFAST_VERSION;

/// One running node: puts journal, uplink, listener and sensors together on one network thread and
/// one storage thread. What it is follows from its configuration; nothing in it asks.
class Node final : public api::AskedNode {
public:
    /// Opens the journal, the listener and the sensors. Errors: as of the parts, with their
    /// context; nothing is left running.
    [[nodiscard]] static Result<std::unique_ptr<Node>> start(const Ports& ports, Config config);
    ~Node() override;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Called once when the journal's file turned out to be damaged while the node ran, from an
    /// event of its own. The owner destroys the node, moves the file aside (`move_journal_aside`),
    /// and starts a new one.
    void on_corrupt(std::function<void()> corrupt) { corrupt_ = std::move(corrupt); }

    /// Orderly end: says goodbye, writes what is in memory, then calls `done`.
    void stop(std::function<void()> done);

    // ---- For the parts

    [[nodiscard]] const Ports& ports() const { return ports_; }
    [[nodiscard]] ports::Log& log() const { return ports_.log; }
    [[nodiscard]] Now now() const { return ports_.clock.now(); }
    [[nodiscard]] const Config& config() const { return config_; }
    [[nodiscard]] journal::Journal& journal() { return *journal_; }
    [[nodiscard]] StorageQueue& storage() { return *storage_; }
    [[nodiscard]] hub::Fleet& fleet() { return fleet_; }
    [[nodiscard]] hub::Shared shared() { return {*journal_, fleet_, live_}; }
    [[nodiscard]] hub::LiveFeed& live() { return live_; }
    /// What this node tells others the time is.
    [[nodiscard]] WallTime wall(Now now) const { return timekeeper_.wall(now); }
    [[nodiscard]] ingest::Stamp stamp(Now now) { return timekeeper_.stamp(now); }
    /// Something was appended, acknowledged or received: have `turn` run at the end of this event.
    void poke();
    /// What is stored cannot be read or written any more: have the owner begin anew (`on_corrupt`).
    void journal_is_corrupt();
    /// Called by the uplink when a hub has told the time.
    void told_time(std::int64_t server_time_us);

    [[nodiscard]] const UplinkOwner* uplink() const { return uplink_.get(); }
    [[nodiscard]] const Server* server() const { return server_.get(); }
    [[nodiscard]] const ingest::Inputs& inputs() const { return *inputs_; }

    // ---- For the answers of the HTTP interface and of `status`

    [[nodiscard]] api::NodeView view() override;
    void read(Work work, Done done) override;

private:
    Node(const Ports& ports, Config config);
    [[nodiscard]] Result<void> open_journal();
    [[nodiscard]] Result<void> open_parts();
    void turn();
    void keep_time(Now now);
    void write(Now now);
    void written(const Result<journal::Written>& result);
    /// `durable_before` or the room may have changed: whoever waits for it is told.
    void moved();
    void feed_watchdog(Now now);
    [[nodiscard]] std::optional<std::string> not_ready() const;
    void finish_stop(Now now);

    Ports ports_;
    Config config_;
    Instant started_;
    ingest::Timekeeper timekeeper_;
    bool clock_noted_ = false;  ///< the journal's note says that a fix is owed in this boot
    std::optional<journal::Journal> journal_;
    std::vector<journal::Note> notes_;  ///< of earlier runs, until the uplink has them
    std::unique_ptr<StorageQueue> storage_;
    hub::Fleet fleet_;
    hub::LiveFeed live_;
    std::unique_ptr<UplinkOwner> uplink_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<ingest::Inputs> inputs_;
    std::unique_ptr<ports::Timer> timer_;  ///< of the next turn
    bool poked_ = false;
    std::uint64_t seen_durable_ = 0;
    std::optional<Duration> watchdog_interval_;
    Instant next_watchdog_ = kNever;
    std::function<void()> stopped_;
    std::function<void()> corrupt_;
    Instant stop_began_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// For a journal that turned out to be damaged, when its node has been destroyed. Returns where it
/// was moved to. Errors: io, full.
[[nodiscard]] Result<std::filesystem::path> move_journal_aside(const Ports& ports,
                                                               const Config& config);

}  // namespace holdfast::node
