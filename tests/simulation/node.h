#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "firmware/ingest/timekeeper.h"
#include "firmware/hub/tokens.h"
#include "firmware/journal/journal.h"
#include "firmware/journal/store.h"
#include "platform/simulated/disk.h"
#include "tests/simulation/listener.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/truth.h"
#include "tests/simulation/uplink_port.h"

namespace holdfast::simulation {

/// One node: the real journal and store on a simulated disk, the real uplink, the real hub's side,
/// its two clocks; and what of it survives a crash. The part that firmware/app/node plays.
class Node final : public ListenerOwner, public UplinkOwner {
public:
    Node(Setting& setting, Truth& truth, NodePlan plan, Node* upstream);
    ~Node() override;

    // ---- Faults

    void start();
    /// The program ends, and the machine goes on.
    void kill();
    void power_cut();
    /// The power goes in the midst of the n-th write from now to the disk.
    void power_cut_in_write(std::uint64_t nth);
    void step_clock(Duration by) { skew_ += by; }
    void revoke(const std::string& device);
    void give_token(Node& device);
    void stall_disk(Duration by) { stall_ = by; }
    void flood() { floods_ = true; }
    /// From now on nothing goes wrong here, and no readings come.
    void heal();

    // ---- What is known

    [[nodiscard]] bool up() const { return journal_ != nullptr; }
    [[nodiscard]] const NodePlan& plan() const { return plan_; }
    [[nodiscard]] simulated::Disk& disk() { return disk_; }
    [[nodiscard]] journal::Journal& journal() { return *journal_; }
    [[nodiscard]] journal::Store& store() { return *store_; }
    [[nodiscard]] UplinkPort* uplink() { return port_.get(); }
    [[nodiscard]] Node* upstream() { return upstream_; }
    [[nodiscard]] EpochKey epoch() const { return {plan_.id, journal_->own().epoch}; }
    [[nodiscard]] std::uint64_t source_told() const { return source_told_; }
    /// Nothing is left to be delivered or written.
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::uint64_t drops() const { return drops_; }
    [[nodiscard]] std::uint64_t crashes() const { return crashes_; }

    // ---- The owner's side of its parts
    [[nodiscard]] const std::string& id() const override { return plan_.id; }
    [[nodiscard]] Now now() const override;
    [[nodiscard]] WallTime wall() const override { return timekeeper_->wall(now()); }
    [[nodiscard]] hub::Shared shared() override { return {*journal_, fleet_, live_}; }
    [[nodiscard]] std::string authorization() const override { return "Bearer " + token_; }
    [[nodiscard]] simulated::Path& direct_path() override { return direct_; }
    [[nodiscard]] simulated::Path& proxy_path() override { return proxied_; }
    [[nodiscard]] std::string network_name() const override { return network_; }
    void read(uplink::Uplink::Read read) override;
    void note(const std::string& name, const std::string& text) override;
    void told(std::int64_t server_time_us) override;
    void poke() override;

    void move_to_network(const std::string& name) { network_ = name; }

private:
    void turn();
    void arm(Instant deadline);
    void write();
    void moved();
    template <class Work, class Done>
    void run(Work work, Done done);
    void next_task();
    void feed();
    void append_some();
    void append_source();
    [[nodiscard]] Given make_given(telemetry::Reading& reading, const std::string& channel,
                                   ingest::Stamp stamp);
    void note_given(std::uint64_t first_seq, std::vector<Given> given);
    void check();
    void go_down(bool power);
    [[nodiscard]] Instant simulated_time(Instant own) const;

    Setting& setting_;
    Truth& truth_;
    NodePlan plan_;
    Node* upstream_;
    simulated::Disk disk_;
    simulated::Path direct_, proxied_;
    std::string network_ = "lan";
    std::string token_ = "none";
    hub::TokenTable tokens_;
    std::uint64_t source_told_ = 0;

    // The machine: lost in a power cut
    Instant booted_at_{};
    std::uint64_t boot_ = 0;
    bool clock_set_ = true;
    Duration skew_{};
    std::map<std::string, std::string> notes_;

    // The program: lost in a crash
    std::uint64_t life_ = 0;
    std::optional<journal::Store> store_;
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<ingest::Timekeeper> timekeeper_;
    hub::Fleet fleet_;
    hub::LiveFeed live_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<UplinkPort> port_;
    std::deque<std::move_only_function<Duration()>> tasks_;
    bool busy_ = false;
    bool poked_ = false;
    bool clock_noted_ = false;
    Instant armed_ = kNever;
    std::uint64_t seen_durable_ = 0;
    std::uint64_t backlog_ = 0;
    std::size_t given_then_ = 0;

    // What is watched
    bool doomed_ = false;  ///< the power goes at the next failure of the disk
    bool floods_ = false;
    Duration stall_{};
    Duration slowest_write_{};
    Instant storage_failed_at_{};
    bool was_live_ = false;
    std::uint64_t drops_ = 0;
    std::uint64_t crashes_ = 0;
    Instant known_since_ = kNever;  ///< the time
    Instant turn_at_{};
    unsigned turns_ = 0;
};

}  // namespace holdfast::simulation
