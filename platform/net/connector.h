#pragma once

#include <boost/asio/io_context.hpp>

#include "firmware/ports/connector.h"
#include "platform/net/connect.h"

namespace holdfast::net {

/// Opens streams to one hub by `connect`.
class Connector final : public ports::Connector {
public:
    /// `options`: to the hub; its `proxy` is used for proxied streams only.
    Connector(boost::asio::io_context& io, ConnectOptions options);

    [[nodiscard]] std::unique_ptr<Attempt> connect(bool proxied, Done done) override;
    [[nodiscard]] std::string network_name() override;

private:
    boost::asio::io_context& io_;
    ConnectOptions options_;
};

}  // namespace holdfast::net
