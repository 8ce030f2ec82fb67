#include "tests/firmware/node/node_desk.h"

#include <algorithm>

#include "platform/simulated/connector.h"
#include "platform/simulated/worker.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

namespace holdfast::node {

namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2027} / 3 / 1}};

}  // namespace

bool World::pass_until(const std::function<bool()>& is_true, Duration longest) {
    const Instant end = clock.now() + longest;
    while (!is_true()) {
        if (clock.next() > end) {
            clock.run_until(end);
            return is_true();
        }
        clock.step();
    }
    return true;
}

simulated::Path& World::make_path(const std::string& to) {
    simulated::Path& path = paths.emplace_back();
    path.to = to;
    path.latency = 1ms;
    path.jitter = Duration{};
    return path;
}

NodeDesk::NodeDesk(World& world, const std::string& host)
    : machine(world.clock, kStart, 7),
      disk("node-test-" + host),
      files(world.clock),
      world_(world),
      host_(host),
      random_(world.random.next()),
      log_port_([this](Level level, std::string_view message) {
          log_.emplace_back(level, std::string(message));
      }) {
    config.node.id = host;
    config.node.data_dir = "/";
}

NodeDesk::~NodeDesk() {
    kill();
}

Config::Uplink& NodeDesk::uplinks_to(const std::string& host) {
    Config::Uplink& uplink = config.uplink ? *config.uplink : config.uplink.emplace();
    uplink.url = "ws://" + host;
    path = &world_.make_path(host);
    return uplink;
}

Ports NodeDesk::ports() {
    ports::DatabaseOptions database;
    database.vfs = disk.name();
    return {
        .loop = *loop_,
        .clock = machine,
        .entropy = random_,
        .files = files,
        .log = log_port_,
        .supervisor = *supervisor_,
        .make_worker =
            [this] {
                return std::make_unique<simulated::Worker>(
                    world_.clock,
                    simulated::Worker::Times{.until_begin = [] { return Duration{}; },
                                             .work_took = [this] { return storage_takes; }});
            },
        .listen = [this](ports::Acceptor& acceptor) -> Result<std::unique_ptr<ports::Listener>> {
            if (listen_error) {
                return std::unexpected(*listen_error);
            }
            simulated::SimulatedStreamOptions options;
            options.heard = [this](simulated::SocketId, ByteView bytes) { append(heard, bytes); };
            return std::make_unique<simulated::Listener>(world_.clock, world_.network, host_,
                                                         acceptor, options);
        },
        .make_connector = [this]() -> Result<std::unique_ptr<ports::Connector>> {
            return std::make_unique<simulated::Connector>(
                world_.clock, world_.network,
                simulated::ConnectorOptions{.from = host_, .direct = path, .hub = path->to});
        },
        .make_driver =
            [this](const std::string& name) {
                return std::make_unique<simulated::Driver>(drivers.at(name));
            },
        .open_lines =
            [this](const std::string& file, ports::LinePosition start,
                   ports::LineSource::Handler handler) {
                return std::make_unique<simulated::LineSource>(world_.clock, line_files[file],
                                                               start, std::move(handler));
            },
        .database = database};
}

Result<void> NodeDesk::try_start() {
    supervisor_ = std::make_unique<simulated::Supervisor>(world_.clock, watchdog);
    loop_ = std::make_unique<simulated::Loop>(world_.clock, machine);
    Result<std::unique_ptr<Node>> started = Node::start(ports(), config);
    if (!started) {
        loop_.reset();
        return std::unexpected(std::move(started).error());
    }
    node_ = *std::move(started);
    node_->on_corrupt([this] { ++corruptions; });
    return {};
}

void NodeDesk::start() {
    const Result<void> started = try_start();
    STRCMP_EQUAL("", started ? "" : started.error().message.c_str());
    world_.settle();
}

Duration NodeDesk::stop() {
    const Instant began = world_.clock.now();
    bool stopped = false;
    node_->stop([&] { stopped = true; });
    CHECK_TRUE(world_.pass_until([&] { return stopped; }, 1min));
    const Duration took = world_.clock.now() - began;
    node_.reset();
    loop_.reset();
    return took;
}

void NodeDesk::kill() {
    node_.reset();
    loop_.reset();
    world_.network.kill(host_);
}

std::filesystem::path NodeDesk::move_journal_aside() {
    const Ports of_the_run = ports();
    node_.reset();
    const Result<std::filesystem::path> moved = node::move_journal_aside(of_the_run, config);
    loop_.reset();
    world_.network.kill(host_);
    return moved.value_or("");
}

std::uint64_t NodeDesk::durable_readings() {
    return node_->journal().durable_before() - 1;
}

// ---- Tokens

std::string NodeDesk::give_token(const std::string& device, bool relay) {
    std::string token = tokens.create(device, relay, machine.now().wall, random_);
    write_tokens();
    return token;
}

void NodeDesk::revoke(const std::string& device) {
    CHECK_TRUE(tokens.revoke(device) > 0);
    write_tokens();
}

void NodeDesk::write_tokens() {
    files.write("/tokens", tokens.to_text());
}

// ---- The log

std::size_t NodeDesk::logged(std::string_view part) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        log_, [&](const auto& line) { return line.second.find(part) != std::string::npos; }));
}

std::size_t NodeDesk::logged(Level level, std::string_view part) const {
    return static_cast<std::size_t>(std::ranges::count_if(log_, [&](const auto& line) {
        return line.first == level && line.second.find(part) != std::string::npos;
    }));
}

}  // namespace holdfast::node
