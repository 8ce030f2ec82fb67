#include "firmware/app/status_socket.h"

#include <sys/un.h>
#include <utility>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "firmware/api/status.h"
#include "firmware/node/node.h"

namespace holdfast::app {

namespace asio = boost::asio;

namespace {

/// When the process has no file descriptor left: how long until the next try.
constexpr Duration kShortagePause = std::chrono::seconds(1);
/// The answer comes from the storage thread, which may be in a long write.
constexpr Duration kAnswerTimeout = std::chrono::seconds(10);

Result<asio::local::stream_protocol::endpoint> endpoint_of(const std::filesystem::path& path) {
    if (path.native().size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(ErrorCode::invalid, "status socket " + path.string() +
                                            ": the path is too long for a socket; choose a shorter "
                                            "node.data_dir");
    }
    return asio::local::stream_protocol::endpoint(path.string());
}

}  // namespace

std::filesystem::path status_socket_path(const std::filesystem::path& data_dir) {
    return data_dir / "status.sock";
}

Result<std::unique_ptr<StatusSocket>> StatusSocket::open(boost::asio::io_context& io,
                                                         node::Node& node) {
    auto socket = std::unique_ptr<StatusSocket>(new StatusSocket(io, node));
    // A node that was killed leaves its socket behind; the journal's lock already says that no
    // other node runs here.
    std::error_code ignored;
    std::filesystem::remove(socket->path_, ignored);
    const Result<Protocol::endpoint> endpoint = endpoint_of(socket->path_);
    if (!endpoint) {
        return std::unexpected(endpoint.error());
    }
    boost::system::error_code error;
    socket->acceptor_.open(endpoint->protocol(), error);
    if (!error) {
        socket->acceptor_.bind(*endpoint, error);
    }
    if (!error) {
        socket->acceptor_.listen(4, error);
    }
    if (error) {
        return fail(ErrorCode::io,
                    "status socket " + socket->path_.string() + ": " + error.message());
    }
    socket->accept();
    return socket;
}

StatusSocket::StatusSocket(boost::asio::io_context& io, node::Node& node)
    : node_(node),
      acceptor_(io),
      pause_(io),
      path_(status_socket_path(node.config().node.data_dir)) {}

StatusSocket::~StatusSocket() {
    *alive_ = false;
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

void StatusSocket::accept() {
    acceptor_.async_accept(
        [this, alive = alive_](const boost::system::error_code& error, Protocol::socket peer) {
            if (!*alive || error == asio::error::operation_aborted) {
                return;
            }
            if (!error) {
                answer(std::make_shared<Protocol::socket>(std::move(peer)));
                accept();
                return;
            }
            pause_.expires_after(kShortagePause);
            pause_.async_wait([this, alive](const boost::system::error_code& cancelled) {
                if (!cancelled && *alive) {
                    accept();
                }
            });
        });
}

void StatusSocket::answer(const std::shared_ptr<Protocol::socket>& peer) {
    api::ask_status(node_, [alive = alive_, peer](const std::string& status) {
        if (*alive) {
            const auto text = std::make_shared<std::string>(status + "\n");
            asio::async_write(*peer, asio::buffer(*text),
                              [peer, text](const boost::system::error_code&, std::size_t) {});
        }
    });
}

Result<std::string> ask_status(const std::filesystem::path& data_dir) {
    asio::io_context io;
    asio::local::stream_protocol::socket socket(io);
    boost::system::error_code error;
    const std::filesystem::path path = status_socket_path(data_dir);
    const auto endpoint = endpoint_of(path);
    if (!endpoint) {
        return std::unexpected(endpoint.error());
    }
    socket.connect(*endpoint, error);
    if (error) {
        return fail(ErrorCode::not_found, "no node answers at " + path.string() + " (" +
                                              error.message() +
                                              "): is it running, and is this its configuration?");
    }
    std::string text;
    bool ended = false;
    asio::async_read(socket, asio::dynamic_buffer(text),
                     [&](const boost::system::error_code&, std::size_t) { ended = true; });
    io.run_for(kAnswerTimeout);
    if (!ended) {
        return fail(ErrorCode::timeout, "the node at " + path.string() +
                                            " runs, but does not answer: its disk may hang");
    }
    if (text.empty()) {
        return fail(ErrorCode::io, "the node at " + path.string() + " gave no answer");
    }
    return text;
}

}  // namespace holdfast::app
