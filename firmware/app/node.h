#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/app/config.h"
#include "firmware/app/storage_thread.h"
#include "firmware/app/timekeeper.h"
#include "firmware/hub/shared.h"
#include "firmware/journal/journal.h"
#include "platform/system/clock.h"
#include "platform/system/entropy.h"

namespace holdfast::app {

class UplinkDriver;
class Server;
class SensorScheduler;
class StatusSocket;

inline constexpr const char* kVersion = HOLDFAST_VERSION;
inline constexpr const char* kSoftware = "holdfast " HOLDFAST_VERSION;

/// One running node: puts journal, uplink, listener and sensors together on one network thread and
/// one storage thread. What it is follows from its configuration; nothing in it asks.
class Node {
public:
    /// Opens the journal, the listener and the sensors. Errors: as of the parts, with their
    /// context; nothing is left running.
    [[nodiscard]] static Result<std::unique_ptr<Node>> start(boost::asio::io_context& io,
                                                             Config config);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Called once when the journal's file turned out to be damaged while the node ran, from an
    /// event of its own. The owner destroys the node, moves the file aside (`move_journal_aside`),
    /// and starts a new one.
    void on_corrupt(std::function<void()> corrupt) { corrupt_ = std::move(corrupt); }

    /// Orderly end: says goodbye, writes what is in memory, then calls `done`.
    void stop(std::function<void()> done);

    // ---- For the parts

    [[nodiscard]] boost::asio::io_context& io() { return io_; }
    [[nodiscard]] const Config& config() const { return config_; }
    [[nodiscard]] journal::Journal& journal() { return *journal_; }
    [[nodiscard]] StorageThread& storage() { return *storage_; }
    [[nodiscard]] hub::Fleet& fleet() { return fleet_; }
    [[nodiscard]] hub::Shared shared() { return {*journal_, fleet_, live_}; }
    [[nodiscard]] hub::LiveFeed& live() { return live_; }
    [[nodiscard]] ports::Entropy& entropy() { return entropy_; }
    /// What this node tells others the time is.
    [[nodiscard]] WallTime wall(Now now) const { return timekeeper_.wall(now); }
    [[nodiscard]] hub::Stamp stamp() { return timekeeper_.stamp(system::now()); }
    /// Something was appended, acknowledged or received: have `turn` run at the end of this event.
    void poke();
    /// What is stored cannot be read or written any more: have the owner begin anew (`on_corrupt`).
    void journal_is_corrupt();
    /// Called by the uplink when a hub has told the time.
    void told_time(std::int64_t server_time_us);

    [[nodiscard]] const UplinkDriver* uplink() const { return uplink_.get(); }
    [[nodiscard]] const Server* server() const { return server_.get(); }
    [[nodiscard]] const SensorScheduler* sensors() const { return sensors_.get(); }
    [[nodiscard]] Instant started() const { return started_; }
    /// Why the node is not ready to take readings; nullopt: it is.
    [[nodiscard]] std::optional<std::string> not_ready() const;

private:
    Node(boost::asio::io_context& io, Config config);
    [[nodiscard]] Result<void> open_journal();
    [[nodiscard]] Result<void> open_parts();
    void turn();
    void write(Now now);
    void written(const Result<journal::Written>& result);
    /// `durable_before` or the room may have changed: whoever waits for it is told.
    void moved();
    void arm(Instant deadline);
    void finish_stop();

    boost::asio::io_context& io_;
    Config config_;
    system::SystemEntropy entropy_;
    Instant started_;
    Timekeeper timekeeper_;
    bool clock_noted_ = false;  ///< the journal's note says that a fix is owed in this boot
    std::optional<journal::Journal> journal_;
    std::vector<journal::Note> notes_;  ///< of earlier runs, until the uplink has them
    std::unique_ptr<StorageThread> storage_;
    hub::Fleet fleet_;
    hub::LiveFeed live_;
    std::unique_ptr<UplinkDriver> uplink_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<SensorScheduler> sensors_;
    std::unique_ptr<StatusSocket> status_;
    boost::asio::steady_timer timer_;
    Instant armed_for_ = kNever;
    bool poked_ = false;
    std::uint64_t seen_durable_ = 0;
    std::function<void()> stopped_;
    std::function<void()> corrupt_;
    Instant stop_began_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Where it was moved to. Errors: io, full.
[[nodiscard]] Result<std::filesystem::path> move_journal_aside(const Config& config);

}  // namespace holdfast::app
