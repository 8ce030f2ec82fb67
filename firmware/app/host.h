#pragma once

#include <boost/asio/io_context.hpp>

#include "firmware/node/config.h"
#include "firmware/node/ports.h"
#include "platform/net/loop.h"
#include "platform/system/clock.h"
#include "platform/system/entropy.h"
#include "platform/system/files.h"
#include "platform/system/log.h"
#include "platform/system/systemd.h"

namespace holdfast::app {

/// Binds one node to this machine: gives it its ports. Outlives the node.
class Host {
public:
    Host(boost::asio::io_context& io, node::Config config);
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    [[nodiscard]] const node::Config& config() const { return config_; }
    /// Makes node.data_dir where it is not there yet; before a node is started. Errors: io.
    [[nodiscard]] Result<void> make_data_directory() const;
    [[nodiscard]] node::Ports ports();

private:
    [[nodiscard]] Result<std::unique_ptr<ports::Listener>> listen(ports::Acceptor& acceptor);
    [[nodiscard]] Result<std::unique_ptr<ports::Connector>> make_connector();

    boost::asio::io_context& io_;
    node::Config config_;
    net::Loop loop_;
    system::SystemClock clock_;
    system::SystemEntropy entropy_;
    system::SystemFiles files_;
    log::SystemLog log_;
    system::Systemd supervisor_;
};

}  // namespace holdfast::app
