#include <csignal>
#include <cstdio>
#include <iostream>
#include <list>
#include <memory>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "firmware/app/commands.h"
#include "firmware/app/host.h"
#include "firmware/app/read_config.h"
#include "firmware/app/status_socket.h"
#include "firmware/app/token_file.h"
#include "firmware/node/node.h"
#include "firmware/node/server.h"
#include "platform/net/network_thread.h"
#include "platform/sensors/driver.h"
#include "platform/system/log.h"
#include "platform/system/systemd.h"

namespace holdfast::app {

namespace {

namespace asio = boost::asio;

/// Keeps nodes running until SIGTERM or SIGINT, then ends them in order.
class Runner {
public:
    explicit Runner(asio::io_context& io) : io_(io), signals_(io, SIGTERM, SIGINT) {}

    /// Starts one more node. Errors: as of Node::start and StatusSocket::open.
    Result<node::Node*> start(Config config) {
        Running& running = running_.emplace_back(io_, std::move(config));
        if (Result<void> started = start(running); !started) {
            running_.pop_back();
            return std::unexpected(std::move(started).error());
        }
        return running.node.get();
    }

    int run() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (!error) {
                stop(signal);
            }
        });
        system::notify("READY=1");
        net::NetworkThread::of(io_).run();
        return result_;
    }

private:
    struct Running {
        Running(asio::io_context& io, Config config) : host(io, std::move(config)) {}

        Host host;
        std::unique_ptr<node::Node> node;
        std::unique_ptr<StatusSocket> status;
    };

    Result<void> start(Running& running) {
        if (Result<void> made = running.host.make_data_directory(); !made) {
            return made;
        }
        Result<std::unique_ptr<node::Node>> node =
            node::Node::start(running.host.ports(), running.host.config());
        if (!node) {
            return std::unexpected(std::move(node).error());
        }
        Result<std::unique_ptr<StatusSocket>> status = StatusSocket::open(io_, **node);
        if (!status) {
            return std::unexpected(std::move(status).error());
        }
        running.node = *std::move(node);
        running.status = *std::move(status);
        running.node->on_corrupt([this, &running] { replace_journal(running); });
        return {};
    }

    /// A node that cannot be started again ends the program: what watches over it can do more than
    /// we can.
    void replace_journal(Running& running) {
        if (stopping_) {
            return;  // the next start finds the damage, and does the same
        }
        running.status.reset();
        running.node.reset();
        const Result<std::filesystem::path> moved =
            node::move_journal_aside(running.host.ports(), running.host.config());
        if (moved) {
            log::error("journal: the damaged file was moved to " + moved->string() +
                       "; a new one begins");
        }
        if (const Result<void> started = start(running); !moved || !started) {
            log::error(moved ? started.error().message : moved.error().message);
            result_ = kFailed;
            io_.stop();
        }
    }

    void stop(int signal) {
        log::info(std::string("stopping on ") + (signal == SIGTERM ? "SIGTERM" : "SIGINT"));
        system::notify("STOPPING=1");
        stopping_ = true;
        signals_.clear();  // a second signal ends the program at once
        still_running_ = running_.size();
        for (const Running& running : running_) {
            running.node->stop([this] {
                if (--still_running_ == 0) {
                    running_.clear();
                    io_.stop();
                }
            });
        }
    }

    asio::io_context& io_;
    asio::signal_set signals_;
    std::list<Running> running_;
    bool stopping_ = false;
    std::size_t still_running_ = 0;
    int result_ = 0;
};

int complain(const Error& error) {
    log::error(error.message);
    return kFailed;
}

std::string host_name() {
    char name[65] = {};
    if (::gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
        return "this-machine";
    }
    std::string id(name);
    for (char& c : id) {
        const bool allowed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
        c = allowed ? c : '-';
    }
    return id;
}

std::vector<Config::Sensor> sensors_of_this_machine() {
    std::vector<Config::Sensor> found;
    for (const sensors::DriverType& type : sensors::driver_types()) {
        std::vector<ports::Sample> samples;
        const Result<void> ignored = type.make({})->sample(samples);
        static_cast<void>(ignored);
        if (!samples.empty()) {
            Config::Sensor sensor;
            sensor.driver = type.name;
            found.push_back(sensor);
        }
    }
    return found;
}

/// The demonstration's gateway gets a token of the demonstration's hub, as a person would do it by
/// hand.
Result<void> write_token(const std::filesystem::path& hub_dir, const std::filesystem::path& file,
                         const std::string& device) {
    std::error_code error;
    std::filesystem::create_directories(hub_dir, error);
    Result<hub::TokenTable> table = load_tokens(hub_dir);
    if (!table) {
        return std::unexpected(table.error());
    }
    system::SystemEntropy entropy;
    table->revoke(device);
    const std::string token = table->create(device, false, system::wall_now(), entropy);
    if (Result<void> saved = save_tokens(hub_dir, *table); !saved) {
        return saved;
    }
    return system::replace_file(file, token + "\n");
}

}  // namespace

int run(const std::filesystem::path& config_file) {
    std::optional<Config> config = read_config(config_file, process_environment);
    if (!config) {
        return kBadConfiguration;
    }
    asio::io_context io;
    log::info(std::string(node::kSoftware) + ": node " + config->node.id);
    Runner runner(io);
    if (const Result<node::Node*> node = runner.start(*std::move(config)); !node) {
        return complain(node.error());
    }
    return runner.run();
}

int check(const std::filesystem::path& config_file) {
    const std::optional<Config> config = read_config(config_file, process_environment);
    if (!config) {
        return kBadConfiguration;
    }
    std::cout << config_file.string() << ": well. Node " << config->node.id
              << (config->uplink
                      ? " sends to " + config->uplink->url +
                            (config->uplink->proxy
                                 ? " through the proxy " + config->uplink->proxy->authority()
                                 : "")
                      : " has no uplink: it is a hub")
              << (config->listen ? ", listens on " + config->listen->address : "") << ", has "
              << config->sensors.size() << " sensor(s).\n";
    return 0;
}

int demo(const std::string& address, const std::filesystem::path& directory) {
    asio::io_context io;
    Runner runner(io);
    Config hub;
    hub.node.id = "demo-hub";
    hub.node.data_dir = directory / "hub";
    hub.listen = Config::Listen{};
    hub.listen->address = address;
    Config gateway;
    gateway.node.id = host_name();
    gateway.node.data_dir = directory / "gateway";
    gateway.uplink = Config::Uplink{};
    gateway.uplink->token_file = directory / "token";
    gateway.sensors = sensors_of_this_machine();
    if (const Result<void> token =
            write_token(hub.node.data_dir, gateway.uplink->token_file, gateway.node.id);
        !token) {
        return complain(token.error());
    }
    const Result<node::Node*> hub_node = runner.start(std::move(hub));
    if (!hub_node) {
        return complain(hub_node.error());
    }
    const std::string listening = (*hub_node)->server()->address();
    gateway.uplink->url = "ws://" + listening + "/v1/uplink";
    const Result<node::Node*> gateway_node = runner.start(std::move(gateway));
    if (!gateway_node) {
        return complain(gateway_node.error());
    }
    log::info("demo: open http://" + listening +
              " in a browser; Ctrl-C ends it; the readings stay in " + directory.string());
    return runner.run();
}

}  // namespace holdfast::app
