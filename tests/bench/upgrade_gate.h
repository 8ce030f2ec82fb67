#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "firmware/base/bytes.h"
#include "platform/simulated/http_scan.h"
#include "platform/simulated/network.h"

namespace holdfast::bench {

/// What a network gives in place of 101 and a WebSocket.
enum class Block : std::uint8_t {
    nothing,
    answer,  ///< an answer that is not 101
    reset,   ///< RST in place of an answer
    finish,  ///< FIN in place of an answer
    silence,
    mute,  ///< 101, and nothing behind it
};

struct Hurdle {
    const char* name;
    Block block = Block::nothing;
    int status = 0;
    bool buffers = false;  ///< answers are passed on when they are whole, so no streaming
};

/// A box at the host "gate" that does to requests for Upgrade what a hurdle says, and passes on all
/// others. Only the first request of a connection is looked at.
class Gate final : public simulated::Handler {
public:
    Gate(simulated::Network& network, const Hurdle& hurdle, simulated::Path onward);

    void connected(simulated::SocketId server) override;
    void received(simulated::SocketId socket, std::span<std::byte> bytes) override;
    void ended(simulated::SocketId socket, const Error& error) override;

private:
    void read_head(simulated::SocketId socket, simulated::HttpScan& scan, ByteView bytes);
    void refuse(simulated::SocketId socket);
    void forget(simulated::SocketId socket);

    simulated::Network& network_;
    Hurdle hurdle_;
    simulated::Path onward_;
    /// Of connections whose first head is not whole: a request's, or that of the 101 behind which
    /// nothing is to pass.
    std::map<simulated::SocketId, simulated::HttpScan> heads_;
    std::map<simulated::SocketId, simulated::SocketId> peers_;
    std::map<simulated::SocketId, std::string> waiting_;  ///< for the server to be there
};

}  // namespace holdfast::bench
