#include "platform/simulated/connector.h"

#include <utility>

#include "firmware/base/check.h"
#include "firmware/base/text.h"

namespace holdfast::simulated {

namespace {

class Opening final : public ports::Connector::Attempt, public Handler {
public:
    Opening(Clock& clock, Network& network, const ConnectorOptions& options, bool proxied,
            ports::Connector::Done done)
        : clock_(clock),
          network_(network),
          options_(options),
          done_(std::move(done)),
          hub_(options.hub + ":" + std::to_string(options.port)),
          who_(proxied ? "the proxy " + options.proxy->authority() : hub_) {
        if (proxied) {
            tunnel_.emplace(*options.proxy, options.hub, options.port, "simulated");
        }
        Path& path = proxied ? *options.proxied : *options.direct;
        socket_ = network_.connect(options.from, path, *this, options.connect_timeout);
    }
    ~Opening() override {
        *alive_ = false;
        if (socket_ != 0) {
            network_.abort(socket_);
        }
    }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

    void connected(SocketId) override {
        if (!tunnel_) {
            succeed({});
            return;
        }
        network_.send(socket_, as_bytes(tunnel_->request()));
        clock_.after(options_.proxy_timeout, [this, alive = alive_] {
            if (*alive && socket_ != 0) {
                give_up({ErrorCode::timeout, who_ + ": no answer to CONNECT within " +
                                                 format_duration(options_.proxy_timeout)});
            }
        });
    }

    void received(SocketId, std::span<std::byte> bytes) override {
        ByteView rest = bytes;
        const Result<bool> stands = tunnel_->next(rest);
        if (!stands) {
            give_up(stands.error());
        } else if (*stands) {
            succeed(Bytes(rest.begin(), rest.end()));
        }
    }

    void ended(SocketId, const Error& error) override {
        socket_ = 0;
        std::exchange(done_, nullptr)(std::unexpected(Error(error).context(who_)));
    }

private:
    // `done_` may destroy this.

    void succeed(Bytes early) {
        const SocketId socket = std::exchange(socket_, 0);
        auto stream = std::make_unique<Stream>(clock_, network_, socket, hub_, options_.stream,
                                               std::move(early));
        network_.hand_to(socket, stream->socket_handler());
        std::exchange(done_, nullptr)(std::move(stream));
    }

    void give_up(Error error) {
        network_.abort(std::exchange(socket_, 0));
        std::exchange(done_, nullptr)(std::unexpected(std::move(error)));
    }

    Clock& clock_;
    Network& network_;
    ConnectorOptions options_;
    ports::Connector::Done done_;
    std::string hub_;
    std::string who_;
    std::optional<http::ProxyTunnel> tunnel_;
    SocketId socket_ = 0;  ///< 0: over
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Connector::Connector(Clock& clock, Network& network, ConnectorOptions options)
    : clock_(clock), network_(network), options_(std::move(options)) {
    HOLDFAST_CHECK(options_.direct != nullptr && (options_.proxied != nullptr || !options_.proxy));
}

std::unique_ptr<ports::Connector::Attempt> Connector::connect(bool proxied, Done done) {
    return std::make_unique<Opening>(clock_, network_, options_, proxied, std::move(done));
}

}  // namespace holdfast::simulated
