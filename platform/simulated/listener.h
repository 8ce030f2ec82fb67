#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "firmware/ports/listener.h"
#include "platform/simulated/stream.h"

namespace holdfast::simulated {

/// Accepts what is connected to a host of the network.
class Listener final : public ports::Listener {
public:
    Listener(Clock& clock, Network& network, std::string host, ports::Acceptor& acceptor,
             const SimulatedStreamOptions& options = {});
    ~Listener() override;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    [[nodiscard]] std::string address() const override { return host_ + ":80"; }
    [[nodiscard]] std::size_t connections() const override {
        return static_cast<std::size_t>(lease_.use_count()) - 1;
    }

private:
    [[nodiscard]] Handler* take(SocketId socket, const std::string& peer);

    Clock& clock_;
    Network& network_;
    std::string host_;
    ports::Acceptor& acceptor_;
    SimulatedStreamOptions options_;
    std::deque<std::unique_ptr<ports::Stream>> accepted_;     ///< told in events of their own
    std::shared_ptr<char> lease_ = std::make_shared<char>();  ///< each stream holds one
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::simulated
