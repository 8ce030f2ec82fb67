#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/hub/tokens.h"
#include "firmware/node/node.h"
#include "firmware/node/uplink_owner.h"
#include "platform/simulated/disk.h"
#include "platform/simulated/files.h"
#include "platform/simulated/line_source.h"
#include "platform/simulated/log.h"
#include "platform/simulated/loop.h"
#include "platform/simulated/machine_clock.h"
#include "platform/simulated/supervisor.h"
#include "tests/simulation/goodbye_ear.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/push_client.h"
#include "tests/simulation/truth.h"

namespace holdfast::simulation {

/// A machine on which the node runs that ships: its disk, its clock, its files and its place in the
/// network; what is given to its inputs; and what is watched of it.
class Machine final : public journal::WriteObserver {
public:
    Machine(Setting& setting, Truth& truth, NodePlan plan, Machine* upstream);
    ~Machine() override;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // ---- Faults

    void start();
    /// The program ends in good order, and starts again so long after its end.
    void stop(Duration down);
    /// The program ends, and the machine goes on.
    void kill();
    void power_cut();
    /// The power goes in the midst of the n-th write from now to the disk.
    void power_cut_in_write(std::uint64_t nth);
    void step_clock(Duration by) { clock_.step(by); }
    void revoke(const std::string& device);
    void give_token(Machine& device);
    /// One line more in its file, whatever else goes on.
    void write_line();
    void stall_disk(Duration by) { stall_ = by; }
    void flood() { floods_ = true; }
    void move_to_network(const std::string& name) { network_name_ = name; }
    /// From now on nothing goes wrong here, and no readings come.
    void heal();

    // ---- What is known

    [[nodiscard]] bool up() const { return program_ != nullptr && program_->node != nullptr; }
    [[nodiscard]] const std::string& id() const { return plan_.id; }
    [[nodiscard]] const NodePlan& plan() const { return plan_; }
    [[nodiscard]] simulated::Disk& disk() { return disk_; }
    [[nodiscard]] Machine* upstream() { return upstream_; }
    [[nodiscard]] simulated::Path& direct_path() { return direct_; }
    [[nodiscard]] simulated::Path& proxy_path() { return proxied_; }
    [[nodiscard]] simulated::Path& push_path() { return push_path_; }
    [[nodiscard]] Instant now() const { return clock_.now().monotonic; }
    [[nodiscard]] journal::Journal& journal() { return program_->node->journal(); }
    /// nullptr: it has none, or is not up.
    [[nodiscard]] const uplink::Client* uplink() const;
    [[nodiscard]] bool live() const;
    [[nodiscard]] EpochKey epoch() { return {plan_.id, journal().own().epoch}; }
    /// So many readings of each of its sources were said to be safe, by the source's channel.
    [[nodiscard]] std::map<std::string, std::uint64_t> told() const;
    /// Nothing is left to be delivered or written.
    [[nodiscard]] bool settled();
    [[nodiscard]] std::uint64_t drops() const { return drops_; }
    [[nodiscard]] std::uint64_t crashes() const { return crashes_; }
    /// Tries to connect to its hub, since the world began.
    [[nodiscard]] std::uint64_t streams_opened() const { return streams_opened_; }
    /// So many Goodbyes it has heard.
    [[nodiscard]] std::uint64_t goodbyes() const { return goodbyes_; }
    /// A device's line is up here, as far as this hub knows.
    [[nodiscard]] bool has_line_of(const std::string& device);
    /// Calls `work` with the store, when the node's storage comes to it.
    void read(std::function<void(journal::Store&)> work);

    /// To be called after each event of the world.
    void after_event();

    /// The store has committed this.
    void written(const journal::Write& write) override;

private:
    /// One run of the program.
    struct Program {
        explicit Program(Machine& machine);
        simulated::Loop loop;
        simulated::Supervisor supervisor;
        simulated::Log log;
        std::unique_ptr<node::Node> node;  ///< null while it starts
    };
    class OutboundConnector;

    [[nodiscard]] node::Ports ports();
    [[nodiscard]] node::Config config() const;
    [[nodiscard]] std::unique_ptr<ports::Worker> make_worker();
    [[nodiscard]] Result<std::unique_ptr<ports::Connector>> make_connector();
    [[nodiscard]] Duration work_took();
    void opens_stream();
    void hear(simulated::SocketId socket, ByteView bytes);
    void go_down(bool power);
    void stopped(Duration down);
    void look_at_revoked(const std::string& device, Instant since);
    [[nodiscard]] std::uint64_t accepted_of(const std::string& device);
    void logged(std::string_view message);

    // machine_inputs.cpp
    [[nodiscard]] Result<void> sample(std::vector<ports::Sample>& out);
    [[nodiscard]] std::unique_ptr<ports::LineSource> open_lines(ports::LinePosition start,
                                                                ports::LineSource::Handler handler);
    void write_lines();
    void push();
    [[nodiscard]] Given make_given(telemetry::Value value, const std::string& channel) const;
    void note_given(std::vector<Given> given);
    void note_appended();

    // machine_checks.cpp
    void check();
    void check_before_end();
    void check_uplink(Truth::Life& own);
    void check_revoked();

    Setting& setting_;
    Truth& truth_;
    NodePlan plan_;
    Machine* upstream_;
    simulated::Disk disk_;
    simulated::MachineClock clock_;
    simulated::Files files_;
    simulated::LineFile lines_;
    simulated::Path direct_, proxied_, push_path_;
    std::string network_name_ = "lan";
    hub::TokenTable tokens_;
    /// Devices without a token: how many of their records the node has taken, once their lines
    /// must have ended.
    std::map<std::string, std::optional<std::uint64_t>> revoked_;
    std::map<std::string, Instant> revoked_since_;
    std::unique_ptr<PushClient> pusher_;
    std::unique_ptr<Program> program_;
    std::uint64_t life_ = 0;  ///< counts the runs: an event of an earlier one does nothing

    // What is given
    std::vector<Given> offered_;  ///< by the driver, in the event under way
    bool offer_refused_ = false;
    Truth::Life* own_ = nullptr;  ///< of the run under way
    std::uint64_t seen_position_ = 0;
    std::uint64_t seen_pushed_ = 0;
    std::uint64_t lines_told_ = 0;
    bool floods_ = false;

    // What is watched
    bool doomed_ = false;  ///< the power goes at the next failure of the disk
    Duration stall_{};
    std::uint64_t seen_syncs_ = 0;
    std::uint64_t seen_failures_ = 0;
    Instant stalled_at_{};
    Duration slowest_write_{};
    Instant storage_failed_at_{};
    bool was_live_ = false;
    std::uint64_t backlog_ = 0;
    std::size_t given_then_ = 0;
    std::uint64_t drops_ = 0;
    std::uint64_t crashes_ = 0;
    Instant known_since_ = kNever;  ///< the time
    std::uint64_t seen_turns_ = 0;
    Instant turn_at_{};
    unsigned turns_ = 0;
    std::optional<Instant> stop_began_;
    std::map<simulated::SocketId, GoodbyeEar> ears_;  ///< of the newest streams
    Instant not_before_{};                            ///< its hub has asked for so long
    std::uint64_t goodbyes_ = 0;
    std::uint64_t streams_opened_ = 0;
};

}  // namespace holdfast::simulation
