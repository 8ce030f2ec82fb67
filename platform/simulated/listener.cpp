#include "platform/simulated/listener.h"

#include <utility>

namespace holdfast::simulated {

Listener::Listener(Clock& clock, Network& network, std::string host, ports::Acceptor& acceptor,
                   const SimulatedStreamOptions& options)
    : clock_(clock),
      network_(network),
      host_(std::move(host)),
      acceptor_(acceptor),
      options_(options) {
    network_.listen(
        host_, [this](SocketId socket, const std::string& peer) { return take(socket, peer); });
}

Listener::~Listener() {
    *alive_ = false;
    network_.listen(host_, nullptr);
}

Handler* Listener::take(SocketId socket, const std::string& peer) {
    // Ports are taken one after the other, as a kernel does it.
    const std::string port = std::to_string(32'768 + socket / 2 % 28'000);
    auto stream = std::make_unique<Stream>(clock_, network_, socket, peer + ":" + port, options_,
                                           Bytes{}, lease_);
    Handler* const handler = &stream->socket_handler();
    accepted_.push_back(std::move(stream));
    clock_.at(clock_.now(), [this, alive = alive_] {
        if (*alive) {
            std::unique_ptr<ports::Stream> first = std::move(accepted_.front());
            accepted_.pop_front();
            acceptor_.accepted(std::move(first));
        }
    });
    return handler;
}

}  // namespace holdfast::simulated
