#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "firmware/http/proxy.h"
#include "firmware/ports/connector.h"
#include "platform/simulated/stream.h"

namespace holdfast::simulated {

struct ConnectorOptions {
    std::string from;         ///< the host that this machine is
    Path* direct = nullptr;   ///< the way to the hub
    Path* proxied = nullptr;  ///< the way to the proxy, where there is one
    std::string hub = "hub";  ///< its name, as the proxy is told it
    std::uint16_t port = 80;
    std::optional<http::Proxy> proxy = {};
    Duration connect_timeout = std::chrono::seconds(10);
    Duration proxy_timeout = std::chrono::seconds(10);
    SimulatedStreamOptions stream = {};
};

/// Opens streams over the network's paths, which outlive it.
class Connector final : public ports::Connector {
public:
    Connector(Clock& clock, Network& network, ConnectorOptions options);

    [[nodiscard]] std::unique_ptr<Attempt> connect(bool proxied, Done done) override;
    [[nodiscard]] std::string network_name() override { return network_name_; }
    void move_to(std::string network_name) { network_name_ = std::move(network_name); }

private:
    Clock& clock_;
    Network& network_;
    ConnectorOptions options_;
    std::string network_name_ = "lan";
};

}  // namespace holdfast::simulated
