#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/base/error.h"

namespace holdfast::node {
class Node;
}

namespace holdfast::app {

[[nodiscard]] std::filesystem::path status_socket_path(const std::filesystem::path& data_dir);

/// Whoever connects to data_dir/status.sock is given the node's status as one JSON object, and the
/// connection is closed.
class StatusSocket {
public:
    /// Errors: io, invalid (the path is too long for a socket).
    [[nodiscard]] static Result<std::unique_ptr<StatusSocket>> open(boost::asio::io_context& io,
                                                                    node::Node& node);
    ~StatusSocket();

private:
    using Protocol = boost::asio::local::stream_protocol;
    StatusSocket(boost::asio::io_context& io, node::Node& node);
    void accept();
    void answer(const std::shared_ptr<Protocol::socket>& peer);

    node::Node& node_;
    Protocol::acceptor acceptor_;
    boost::asio::steady_timer pause_;
    std::filesystem::path path_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Asks the node that runs with this `data_dir`. Errors: not_found (none runs), timeout, io,
/// invalid.
[[nodiscard]] Result<std::string> ask_status(const std::filesystem::path& data_dir);

}  // namespace holdfast::app
