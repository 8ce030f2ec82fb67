#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "firmware/ports/stream.h"
#include "platform/simulated/clock.h"
#include "platform/simulated/network.h"

namespace holdfast::simulated {

struct SimulatedStreamOptions {
    ports::StreamOptions stream;
    /// What the kernel takes beyond what the peer has taken; the rest waits in the stream.
    std::size_t kernel_bytes = 64u << 10;
    /// Is told what the owner is about to be told; null: nobody else listens.
    std::function<void(SocketId socket, ByteView bytes)> heard = nullptr;
};

/// One end of a stream of the network, as ports::Stream says: what the owner gives leaves in one
/// piece at the end of the event, and the owner is only called from events of the stream's own.
class Stream final : public ports::Stream {
public:
    /// Takes a socket, which is told nothing until `start`. `early` is what was received before;
    /// `lease` is held until the stream is destroyed.
    Stream(Clock& clock, Network& network, SocketId socket, std::string peer,
           const SimulatedStreamOptions& options, Bytes early = {},
           std::shared_ptr<void> lease = nullptr);
    ~Stream() override;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// What the network tells.
    [[nodiscard]] Handler& socket_handler();

    void start(ports::StreamHandler& handler) override;
    bool send(ByteView bytes) override;
    bool send(SharedBytes bytes) override;
    bool send_in_place(ByteView bytes) override { return send(bytes); }
    [[nodiscard]] Bytes& cork() override;
    bool send_corked() override;
    [[nodiscard]] std::size_t unsent_bytes() const override;
    void pause() override;
    void resume() override;
    void shutdown(Duration linger) override;
    void abort() override;
    [[nodiscard]] std::string peer() const override { return peer_; }
    [[nodiscard]] std::string peer_certificate_name() const override { return ""; }
    [[nodiscard]] std::uint64_t bytes_received() const override;
    [[nodiscard]] std::uint64_t bytes_sent() const override;
    [[nodiscard]] std::uint64_t bytes_acknowledged() const override;

private:
    class Core;
    std::string peer_;
    std::shared_ptr<Core> core_;  ///< shared with its events: the owner may destroy the stream in
                                  ///< each of them
    std::shared_ptr<void> lease_;
};

}  // namespace holdfast::simulated
