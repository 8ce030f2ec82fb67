#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "firmware/journal/journal.h"
#include "firmware/line/hub_end.h"
#include "firmware/uplink/uplink.h"
#include "tests/firmware/uplink/model_store.h"

namespace holdfast::simulation {

/// A few nodes, the lines between them and a clock, all out of one seed: appends, cuts, crashes and
/// failing writes, then quiet until everything has arrived, then the comparison of what the hub has
/// with what was taken. Without threads, sockets and real time.

struct Random : ports::Entropy {
    explicit Random(std::uint64_t seed) : engine(seed) {}
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(engine());
        }
    }
    [[nodiscard]] std::size_t below(std::size_t n) {
        return static_cast<std::size_t>(engine() % n);
    }
    [[nodiscard]] bool chance(unsigned percent) { return below(100) < percent; }
    std::mt19937_64 engine;
};

/// One number of an origin's epoch, as it was given.
struct Given {
    std::optional<telemetry::Reading> reading;  ///< nullopt: a clock fix, or refused
    std::string channel;
    std::uint64_t boot = 0;
    bool refused = false;
    std::uint64_t source_number = 0;  ///< 0: not from the source
    bool owed = false;                ///< the giver was told, or the deadline had passed at a crash
    Instant at{};
};
using EpochKey = std::pair<std::string, journal::Epoch>;
using Truth = std::map<EpochKey, std::vector<Given>>;  ///< number 1 is at index 0

class World;
struct Node;

/// One connection, as both ends see it.
struct Link {
    Node* client = nullptr;
    Node* server = nullptr;
    std::unique_ptr<line::HubEnd> line;  ///< null once the server's end is closed
    bool client_open = true;
    bool lost = false;  ///< nothing comes through any more
    std::uint64_t id = 0;
    Instant last_up{}, last_down{};  ///< deliveries stay in order
};

struct Node {
    std::string id;
    Node* upstream = nullptr;
    bool relay = false;
    journal::JournalOptions options;
    std::unique_ptr<Storage> storage;
    // Lost in a crash:
    std::uint64_t life = 0;
    bool up = false;
    std::unique_ptr<journal::Journal> journal;
    std::unique_ptr<uplink::Uplink> uplink;
    std::shared_ptr<Link> link;
    Instant storage_busy{};
    Instant armed = kNever;
    Instant last_failure{};
    /// Told when the journal's `durable_before` has reached the position.
    std::deque<std::pair<std::uint64_t, std::pair<std::size_t, std::size_t>>> promises;
    bool evicts = false;
};

class World {
public:
    using MakeStorage = std::function<std::unique_ptr<Storage>(
        const std::string& id, std::size_t max_readings, bool owes_upstream)>;
    World(std::uint64_t seed, const MakeStorage& make);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// "" or what was wrong.
    [[nodiscard]] std::string run();

    struct Counts {
        std::uint64_t readings = 0, gaps = 0, crashes = 0, cuts = 0, failures = 0;
    };
    [[nodiscard]] const Counts& counts() const { return counts_; }

private:
    using Event = std::function<void()>;
    void at(Instant when, Event event);
    void later(std::int64_t max_us, Event event);
    void add_node(const std::string& id, Node* upstream, bool relay);
    void start(Node& node);
    void crash(Node& node);
    void trouble();
    void feed(Node& node);
    void append(Node& node);
    void note(Node& node, std::uint64_t first_seq, const std::vector<Given>& given);
    void turn(Node& node);
    void arm(Node& node, Instant when);
    void write(Node& node);
    void connect(Node& node);
    void send(const std::shared_ptr<Link>& link, bool up, Bytes message);
    void receive(const std::shared_ptr<Link>& link, bool up, const Bytes& message);
    void cut(const std::shared_ptr<Link>& link);
    void close_client(const std::shared_ptr<Link>& link, const Error& error);
    void close_server(const std::shared_ptr<Link>& link);
    void drive_uplink(Node& node);
    void drive_lines(Node& node);
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::string compare();

    Random random_;
    Instant now_{};
    std::multimap<Instant, Event> events_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::shared_ptr<Link>> links_;
    Truth truth_;
    std::map<std::string, std::uint64_t> source_told_;
    bool quiet_ = false;
    std::uint64_t next_link_ = 1;
    std::string broken_;
    Counts counts_;
    bool failures_ = false;
};

}  // namespace holdfast::simulation
