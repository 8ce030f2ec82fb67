#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/hub/tokens.h"
#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "firmware/node/uplink_owner.h"
#include "platform/simulated/disk.h"
#include "platform/simulated/driver.h"
#include "platform/simulated/files.h"
#include "platform/simulated/line_source.h"
#include "platform/simulated/listener.h"
#include "platform/simulated/log.h"
#include "platform/simulated/loop.h"
#include "platform/simulated/machine_clock.h"
#include "platform/simulated/network.h"
#include "platform/simulated/random.h"
#include "platform/simulated/supervisor.h"

namespace holdfast::node {

/// What the machines of a test share: time, and the network between them.
struct World {
    simulated::Clock clock;
    std::deque<simulated::Path> paths;
    simulated::Network network{clock, 1};
    simulated::Random random{1};

    void pass(Duration time) { clock.run_until(clock.now() + time); }
    /// Time enough for a request and its answer, which need no commit that is slow.
    void settle() { pass(std::chrono::milliseconds(50)); }
    /// Runs what happens until `is_true` is, for so long at most. False: it never was.
    bool pass_until(const std::function<bool()>& is_true, Duration longest);
    simulated::Path& make_path(const std::string& to);
};

/// One machine, and the program on it: a real Node over simulated ports. What of it survives a
/// crash is here too.
class NodeDesk {
public:
    NodeDesk(World& world, const std::string& host);
    ~NodeDesk();
    NodeDesk(const NodeDesk&) = delete;
    NodeDesk& operator=(const NodeDesk&) = delete;

    /// What the program is started with; without a listener and an uplink at first.
    Config config;
    Config::Listen& listens() { return config.listen ? *config.listen : config.listen.emplace(); }
    Config::Uplink& uplinks_to(const std::string& host);

    /// The test fails if the program does not start.
    void start();
    void start_with_listener() {
        static_cast<void>(listens());
        start();
    }
    [[nodiscard]] Result<void> try_start();
    /// An orderly stop; how long it took. The program is gone afterwards.
    Duration stop();
    /// The program ends without a word.
    void kill();
    /// What the owner of a node does whose journal is damaged; where it was moved to.
    std::filesystem::path move_journal_aside();

    [[nodiscard]] Node& node() { return *node_; }
    [[nodiscard]] bool up() const { return node_ != nullptr; }
    [[nodiscard]] std::uint64_t durable_readings();
    /// Makes a token, and writes the file of them.
    std::string give_token(const std::string& device, bool relay = false);
    void revoke(const std::string& device);
    void write_tokens();

    // ---- The log

    using Level = ports::Log::Level;
    [[nodiscard]] std::size_t logged(std::string_view part) const;
    [[nodiscard]] std::size_t logged(Level level, std::string_view part) const;
    void forget_log() { log_.clear(); }

    // ---- The machine

    simulated::MachineClock machine;
    simulated::Disk disk;
    simulated::Files files;
    std::optional<Duration> watchdog;  ///< as the supervisor says at the start
    simulated::Supervisor& supervisor() { return *supervisor_; }
    Duration storage_takes = std::chrono::milliseconds(1);  ///< one task of the storage thread
    std::map<std::string, simulated::Driver::Script> drivers;
    std::map<std::string, simulated::LineFile> line_files;
    simulated::Path* path = nullptr;  ///< to the hub
    std::uint64_t corruptions = 0;
    std::optional<Error> listen_error;  ///< the listener cannot be opened
    Bytes heard;                        ///< by the streams of the listener
    hub::TokenTable tokens;

private:
    [[nodiscard]] Ports ports();

    World& world_;
    std::string host_;
    simulated::Random random_;
    std::vector<std::pair<Level, std::string>> log_;
    simulated::Log log_port_;
    std::unique_ptr<simulated::Supervisor> supervisor_;
    std::unique_ptr<simulated::Loop> loop_;
    std::unique_ptr<Node> node_;
};

}  // namespace holdfast::node
