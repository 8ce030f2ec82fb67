#include "tests/simulation/machine.h"

#include <algorithm>
#include <utility>

#include "platform/simulated/connector.h"
#include "platform/simulated/driver.h"
#include "platform/simulated/listener.h"
#include "platform/simulated/worker.h"

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

/// Of the simulated disk and of the machine's own files. The node looks whether it is there on the
/// real one.
constexpr const char* kDirectory = "/";
constexpr const char* kTokenFile = "/token";
constexpr const char* kLinesFile = "/lines";
constexpr Duration kRestartAfterFailure = 3s;
/// Of an orderly end, by firmware/node/node.cpp.
constexpr Duration kStopTimeout = 4s;
/// Main line, the one it moves to, side lines: two streams each at most; and as many that end.
/// A line's Goodbye, and its farewell to a peer that does not answer.
constexpr Duration kRevocation = 5s;
constexpr std::size_t kMostEars = 64;
constexpr std::size_t kMostStreams = 2 * 2 * (2 + uplink::kProbeLineNumbers);

}  // namespace

/// Watches over the streams that the node opens.
class Machine::OutboundConnector final : public ports::Connector {
public:
    OutboundConnector(Machine& machine, simulated::ConnectorOptions options)
        : machine_(machine),
          connector_(machine.setting_.clock, machine.setting_.network, std::move(options)) {}

    [[nodiscard]] std::unique_ptr<Attempt> connect(bool proxied, Done done) override {
        auto attempt = connector_.connect(proxied, std::move(done));
        machine_.opens_stream();
        return attempt;
    }
    [[nodiscard]] std::string network_name() override { return machine_.network_name_; }

private:
    Machine& machine_;
    simulated::Connector connector_;
};

Machine::Program::Program(Machine& machine)
    : loop(machine.setting_.clock, machine.clock_),
      supervisor(machine.setting_.clock, machine.plan_.watchdog),
      log([&machine](simulated::Log::Level, std::string_view message) {
          machine.logged(message);
      }) {}

Machine::Machine(Setting& setting, Truth& truth, NodePlan plan, Machine* upstream)
    : setting_(setting),
      truth_(truth),
      plan_(std::move(plan)),
      upstream_(upstream),
      disk_("simulation-" + plan_.id),
      clock_(setting.clock, setting.wall(), setting.random.number() | 1),
      files_(setting.clock),
      direct_(plan_.path),
      proxied_(plan_.path) {
    proxied_.to = "proxy-" + plan_.id;
    push_path_.to = plan_.id;
    push_path_.latency = 1ms;
    push_path_.jitter = 500us;
    if (!plan_.has_rtc) {
        clock_.boot(clock_.boot_id(), false);
    }
    if (plan_.evicts) {
        truth.may_evict();
    }
    if (plan_.pushed) {
        pusher_ = std::make_unique<PushClient>(setting_, plan_.id, push_path_);
    }
    write_lines();
    push();
}

Machine::~Machine() {
    ++life_;
}

// ---- What the node is given of the world

node::Config Machine::config() const {
    node::Config config;
    config.node.id = plan_.id;
    config.node.data_dir = kDirectory;
    config.journal.max_size_bytes = plan_.max_size_bytes;
    config.journal.memory_bytes = plan_.memory_bytes;
    config.journal.batch_readings = plan_.batch_readings;
    if (upstream_ != nullptr) {
        node::Config::Uplink& uplink = config.uplink.emplace();
        uplink.url = "ws://hub/v1/uplink";
        uplink.token_file = kTokenFile;
        if (!plan_.adaptive) {
            uplink.heartbeat = plan_.heartbeat;
        }
        if (plan_.proxy) {
            uplink.proxy = http::Proxy{.host = "proxy",
                                       .port = 3128,
                                       .user = plan_.proxy_asks ? "user" : "",
                                       .password = plan_.proxy_asks ? "secret" : ""};
        }
        uplink.window_bytes = plan_.window_bytes;
        uplink.read_bytes = plan_.read_bytes;
    }
    if (plan_.listens || plan_.pushed) {
        config.listen.emplace().token_check_interval = plan_.token_check;
    }
    if (plan_.feed_every != Duration{}) {
        node::Config::Sensor& polled = config.sensors.emplace_back();
        polled.driver = "simulated";
        polled.interval = plan_.feed_every;
    }
    if (upstream_ != nullptr || plan_.feed_every != Duration{}) {
        node::Config::Sensor& lines = config.sensors.emplace_back();
        lines.driver = "lines";
        lines.path = kLinesFile;
    }
    return config;
}

node::Ports Machine::ports() {
    ports::DatabaseOptions database;
    database.vfs = disk_.name();
    if (plan_.evicts) {
        database.wal_bytes = 32 << 10;
    }
    return {
        .loop = program_->loop,
        .clock = clock_,
        .entropy = setting_.random,
        .files = files_,
        .log = program_->log,
        .supervisor = program_->supervisor,
        .make_worker = [this] { return make_worker(); },
        .listen = [this](ports::Acceptor& acceptor) -> Result<std::unique_ptr<ports::Listener>> {
            return std::make_unique<simulated::Listener>(setting_.clock, setting_.network, plan_.id,
                                                         acceptor);
        },
        .make_connector = [this] { return make_connector(); },
        .make_driver = [this](const std::string&) -> std::unique_ptr<ports::Driver> {
            return std::make_unique<simulated::Driver>(
                [this](std::vector<ports::Sample>& out) { return sample(out); });
        },
        .open_lines = [this](const std::string&, ports::LinePosition start,
                             ports::LineSource::Handler handler)
            -> std::unique_ptr<ports::LineSource> { return open_lines(start, std::move(handler)); },
        .database = database,
        .observer = this};
}

Result<std::unique_ptr<ports::Connector>> Machine::make_connector() {
    simulated::ConnectorOptions options;
    options.from = plan_.id;
    options.direct = &direct_;
    options.proxied = &proxied_;
    options.proxy = config().uplink->proxy;
    options.stream.heard = [this](simulated::SocketId socket, ByteView bytes) {
        hear(socket, bytes);
    };
    return std::make_unique<OutboundConnector>(*this, std::move(options));
}

std::unique_ptr<ports::Worker> Machine::make_worker() {
    simulated::Worker::Times times;
    times.until_begin = [this] {
        seen_syncs_ = disk_.counters().syncs;
        seen_failures_ = disk_.counters().failures;
        return setting_.random.between(10us, 500us);
    };
    times.work_took = [this] { return work_took(); };
    return std::make_unique<simulated::Worker>(setting_.clock, std::move(times));
}

Duration Machine::work_took() {
    if (stall_ != Duration{}) {
        stalled_at_ = setting_.clock.now();
    }
    Duration took = setting_.random.between(100us, 2ms) + std::exchange(stall_, {});
    took += plan_.sync * static_cast<std::int64_t>(disk_.counters().syncs - seen_syncs_);
    slowest_write_ = std::max(slowest_write_, took);
    if (doomed_ && disk_.counters().failures != seen_failures_) {
        setting_.clock.after(0us, [this, life = life_] {
            if (life == life_) {
                power_cut();
                setting_.clock.after(5s, [this] { start(); });
            }
        });
    }
    return took;
}

void Machine::hear(simulated::SocketId socket, ByteView bytes) {
    if (ears_.size() > kMostEars) {
        ears_.erase(ears_.begin());
    }
    if (const std::optional<line::GoodbyeMessage> goodbye = ears_[socket].hear(bytes)) {
        ++goodbyes_;
        not_before_ = setting_.clock.now() + std::chrono::milliseconds(goodbye->retry_after_ms);
    }
}

void Machine::opens_stream() {
    ++streams_opened_;
    if (setting_.clock.now() < not_before_) {
        setting_.violated("Goodbye is obeyed", plan_.id + " comes back too early");
    }
    if (setting_.network.open_clients(plan_.id) > kMostStreams) {
        setting_.violated("limits", plan_.id + " has " +
                                        std::to_string(setting_.network.open_clients(plan_.id)) +
                                        " streams open");
    }
}

// ---- Life and death

void Machine::start() {
    if (program_) {
        return;
    }
    setting_.network.power_on(plan_.id);
    program_ = std::make_unique<Program>(*this);
    Result<std::unique_ptr<node::Node>> node = node::Node::start(ports(), config());
    if (!node) {
        setting_.say(plan_.id, "cannot start: " + node.error().message);
        program_.reset();
        setting_.clock.after(kRestartAfterFailure, [this] { start(); });
        return;
    }
    program_->node = *std::move(node);
    program_->node->on_corrupt(
        [this] { setting_.violated("stable storage", plan_.id + ": what it stored is corrupt"); });
    for (const std::string& file : disk_.files()) {
        if (file.find(".unreadable") != std::string::npos) {
            setting_.violated("stable storage", plan_.id + " moved its journal aside: " + file);
        }
    }
    truth_.opened(plan_.id, journal());
    own_ = &truth_.life(epoch());
    seen_position_ = journal().next_position();
    seen_pushed_ = journal().source(PushClient::kSource).position;
    seen_turns_ = 0;
    slowest_write_ = {};
    for (auto& [device, taken] : revoked_) {
        taken.reset();  // what was not durable is taken again
        look_at_revoked(device, setting_.clock.now());
    }
    setting_.say(plan_.id, "starts, run " + std::to_string(journal().own().epoch.run) +
                               ", backlog " + std::to_string(journal().backlog()));
}

void Machine::go_down(bool power) {
    ++life_;
    ears_.clear();
    not_before_ = {};
    setting_.say(plan_.id, power ? "loses power" : "ends");
    // The machine goes before the program's objects do, so that they change nothing any more.
    if (power) {
        setting_.network.power_off(plan_.id);
        disk_.heal();
        disk_.power_cut(setting_.random.next());
    } else {
        setting_.network.kill(plan_.id);
        disk_.abandon();
    }
    program_.reset();
    own_ = nullptr;
    offered_.clear();
    doomed_ = was_live_ = false;
    known_since_ = kNever;
    stall_ = {};
    stop_began_.reset();
}

void Machine::stop(Duration down) {
    if (!up() || stop_began_) {
        return;
    }
    setting_.say(plan_.id, "is stopped");
    stop_began_ = setting_.clock.now();
    program_->node->stop([this, down] {
        setting_.clock.after(0us, [this, down, life = life_] {
            if (life == life_) {
                stopped(down);
            }
        });
    });
}

void Machine::stopped(Duration down) {
    check();
    const Duration took = setting_.clock.now() - *stop_began_;
    if (took > kStopTimeout + 100ms) {
        setting_.violated("farewell",
                          plan_.id + " took " + std::to_string(took / 1ms) + " ms to stop");
    }
    if (took < kStopTimeout && own_->owed < own_->given.size()) {
        setting_.violated("farewell", plan_.id + " has stopped, and " +
                                          text_of(epoch(), own_->owed + 1) + " is not durable");
    }
    go_down(false);
    setting_.clock.after(down, [this] { start(); });
}

void Machine::kill() {
    if (up()) {
        ++crashes_;
        check_before_end();
        go_down(false);
    }
}

void Machine::power_cut() {
    if (!up()) {
        return;
    }
    ++crashes_;
    check_before_end();
    go_down(true);
    const bool set = plan_.has_rtc || setting_.quiet;
    clock_.boot(setting_.random.number() | 1, set);
    if (!set) {
        const bool soon = setting_.random.chance(50);
        setting_.clock.after(setting_.random.between(5s, soon ? 20s : 10min),
                             [this] { clock_.set(); });
    }
}

void Machine::power_cut_in_write(std::uint64_t nth) {
    if (up()) {
        doomed_ = true;
        disk_.fail_write({.nth = nth, .lasting = true});
        disk_.fail_sync({.nth = 1 + nth / 3, .lasting = true});
    }
}

void Machine::heal() {
    disk_.heal();
    disk_.set_size_limit(std::numeric_limits<std::uint64_t>::max());
    doomed_ = false;
    stall_ = {};
    clock_.set();
}

// ---- Tokens

void Machine::give_token(Machine& device) {
    const std::string token =
        tokens_.create(device.id(), device.plan().listens, clock_.true_time(), setting_.random);
    files_.write(std::string(kDirectory) + "tokens", tokens_.to_text());
    revoked_.erase(device.id());
    device.files_.write(kTokenFile, token + "\n");
}

void Machine::revoke(const std::string& device) {
    if (tokens_.revoke(device) > 0) {
        files_.write(std::string(kDirectory) + "tokens", tokens_.to_text());
        revoked_[device] = std::nullopt;
        look_at_revoked(device, setting_.clock.now());
    }
}

/// A line that was up when its token was revoked has ended in good time, and then nothing more is
/// taken.
void Machine::look_at_revoked(const std::string& device, Instant since) {
    revoked_since_[device] = since;
    setting_.clock.after(plan_.token_check + kRevocation, [this, device, since] {
        const auto revoked = revoked_.find(device);
        if (revoked == revoked_.end() || revoked_since_[device] != since || !up() || stop_began_) {
            return;
        }
        revoked->second = accepted_of(device);
        if (has_line_of(device)) {
            setting_.violated("a revoked token's line ends",
                              plan_.id + " still has a line of " + device);
        }
    });
}

std::uint64_t Machine::accepted_of(const std::string& device) {
    std::uint64_t sum = 0;
    for (const auto& [id, stream] : journal().streams()) {
        sum += stream.origin == device ? stream.through : 0;
    }
    return sum;
}

bool Machine::has_line_of(const std::string& device) {
    const hub::Fleet& fleet = program_->node->fleet();
    const auto found = fleet.find(device);
    return found != fleet.end() && found->second.online && found->second.via.empty();
}

/// What the node says of its peers: who breaks the rules is named there.
void Machine::logged(std::string_view message) {
    constexpr std::string_view kBreaches[] = {"broke the WebSocket protocol",
                                              "a second Hello",
                                              "is not open",
                                              "impossible sequence numbers",
                                              " was expected",
                                              "an origin has 1 to",
                                              "a line carries",
                                              "cannot add channels",
                                              "too many streams"};
    if (setting_.traces()) {
        setting_.say(plan_.id, "log " + std::string(message));
    }
    for (const std::string_view breach : kBreaches) {
        if (message.starts_with("listen: ") && message.contains(breach)) {
            setting_.violated("protocol", plan_.id + " says: " + std::string(message));
        }
    }
}

// ---- What is known

const uplink::Client* Machine::uplink() const {
    return up() && program_->node->uplink() != nullptr ? &program_->node->uplink()->client()
                                                       : nullptr;
}

bool Machine::live() const {
    return uplink() != nullptr && uplink()->engine().state() == uplink::Uplink::State::live;
}

void Machine::read(std::function<void(journal::Store&)> work) {
    program_->node->read(std::move(work), [] {});
}

bool Machine::settled() {
    if (!up() || stop_began_) {
        return false;
    }
    if (pusher_ && pusher_->through() < pusher_->produced()) {
        return false;
    }
    if (plan_.feed_every != Duration{} && lines_told_ < lines_.lines()) {
        return false;
    }
    return upstream_ == nullptr ? journal().durable_before() == journal().next_position()
                                : journal().first_position() == journal().next_position();
}

}  // namespace holdfast::simulation
