#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "firmware/base/bytes.h"
#include "platform/simulated/http_scan.h"
#include "platform/simulated/network.h"

namespace holdfast::simulated {

/// What a box on the way does to HTTP.
enum class Manner : std::uint8_t {
    pass,            ///< nothing
    strip_upgrade,   ///< does not forward Upgrade, as a proxy that was not told to
    answer,          ///< answers everything itself: `status`, `location`, `body`
    mute_upgraded,   ///< passes 101, and nothing behind it
    choke_upgraded,  ///< resets what has said more than `bytes` behind 101
    buffer,          ///< passes a response when it is whole
    truncate,        ///< ends the connection in the middle of an answer: after `bytes`
    garbage,         ///< answers with `bytes` bytes that are no HTTP
    tunnel,          ///< a forward proxy: CONNECT; `status` other than 200 is its answer to all
};
[[nodiscard]] const char* name(Manner manner);

struct RelayOptions {
    Manner manner = Manner::pass;
    int status = 200;
    std::string location = {};  ///< of 301 and 302
    std::string body = {};
    std::size_t bytes = 0;
    std::string authorization = {};  ///< of `tunnel`: what Proxy-Authorization must be; "": nothing
};

/// A host between clients and a server, which passes on what it pleases. Its options may be changed
/// at any time; they hold for the connections that come then.
class Relay final : public Handler {
public:
    /// `onward`: from here to the server.
    Relay(Network& network, std::string host, Path onward);

    RelayOptions options;
    [[nodiscard]] const std::string& host() const { return host_; }
    [[nodiscard]] Path& onward() { return onward_; }
    /// Answers at its host again, after `kill` or `power_off` and `power_on`.
    void start();
    /// Its connections are no more: to be called before `kill` and `power_off`.
    void forget() { pairs_.clear(); }

    void connected(SocketId socket) override;
    void received(SocketId socket, std::span<std::byte> bytes) override;
    void writable(SocketId socket) override;
    void ended(SocketId socket, const Error& error) override;

private:
    struct Pair {
        RelayOptions options;
        SocketId client = 0;
        SocketId server = 0;  ///< 0: none
        bool server_up = false;
        Bytes waiting;  ///< for the server to be there
        HttpScan up, down;
        Bytes held;  ///< of a response
        bool upgraded = false;
        std::size_t said = 0;  ///< by the client, behind 101
        bool tunnelled = false;
        std::size_t passed = 0;
    };
    using PairPtr = std::shared_ptr<Pair>;

    void open_onward(const PairPtr& pair);
    void from_client(const PairPtr& pair, ByteView bytes);
    void from_server(const PairPtr& pair, ByteView bytes);
    void pass_up(const PairPtr& pair, ByteView bytes);
    void pass_down(const PairPtr& pair, ByteView bytes);
    void answer(const PairPtr& pair, int status);
    void drop(const PairPtr& pair, bool reset);

    Network& network_;
    std::string host_;
    Path onward_;
    std::map<SocketId, PairPtr> pairs_;  ///< by either socket
};

}  // namespace holdfast::simulated
