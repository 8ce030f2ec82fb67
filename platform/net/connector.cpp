#include "platform/net/connector.h"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "platform/net/network_name.h"
#include "platform/net/network_thread.h"

namespace holdfast::net {
namespace {

/// What an attempt and its coroutine share: `done` is empty when the attempt was given up. The
/// coroutine then runs to its end, at most its time-outs long, and drops what it has connected.
struct Shared {
    ports::Connector::Done done;
};

class Attempt final : public ports::Connector::Attempt {
public:
    explicit Attempt(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    ~Attempt() override { shared_->done = nullptr; }

private:
    std::shared_ptr<Shared> shared_;
};

/// Everything comes as an argument, for the coroutine may outlive the connector.
boost::asio::awaitable<void> run(ConnectOptions options, std::shared_ptr<Shared> shared) {
    if (!shared->done) {
        co_return;
    }
    Result<std::unique_ptr<Stream>> stream = co_await net::connect(std::move(options));
    if (ports::Connector::Done done = std::exchange(shared->done, nullptr)) {
        done(std::move(stream));
    }
}

}  // namespace

Connector::Connector(boost::asio::io_context& io, ConnectOptions options)
    : io_(io), options_(std::move(options)) {}

std::unique_ptr<ports::Connector::Attempt> Connector::connect(bool proxied, Done done) {
    ConnectOptions options = options_;
    if (!proxied) {
        options.proxy.reset();
    }
    auto shared = std::make_shared<Shared>(std::move(done));
    boost::asio::co_spawn(io_, run(std::move(options), shared), boost::asio::detached);
    NetworkThread::of(io_).asio_has_work();
    return std::make_unique<net::Attempt>(std::move(shared));
}

std::string Connector::network_name() {
    return net::network_name();
}

}  // namespace holdfast::net
