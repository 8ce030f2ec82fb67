#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "firmware/http/proxy.h"
#include "firmware/uplink/client.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/setting.h"

namespace holdfast::simulation {

/// What the client's end needs of its node.
class UplinkOwner {
public:
    virtual ~UplinkOwner() = default;
    [[nodiscard]] virtual const std::string& id() const = 0;
    [[nodiscard]] virtual Now now() const = 0;
    [[nodiscard]] virtual std::string authorization() const = 0;
    [[nodiscard]] virtual simulated::Path& direct_path() = 0;
    [[nodiscard]] virtual simulated::Path& proxy_path() = 0;
    [[nodiscard]] virtual std::string network_name() const = 0;
    virtual void read(uplink::Uplink::Read read) = 0;
    virtual void note(const std::string& name, const std::string& text) = 0;
    virtual void told(std::int64_t server_time_us) = 0;
    virtual void poke() = 0;
};

/// Serves an uplink::Client with virtual streams: what firmware/app's UplinkDriver does with
/// sockets.
class UplinkPort final : public simulated::Handler {
public:
    UplinkPort(Setting& setting, UplinkOwner& owner, journal::Journal& journal,
               const NodePlan& plan, std::uint64_t boot);

    [[nodiscard]] Instant turn();
    [[nodiscard]] uplink::Client& client() { return client_; }
    [[nodiscard]] bool live() const {
        return client_.engine().state() == uplink::Uplink::State::live;
    }
    /// Ends of the main line after it was live.
    [[nodiscard]] std::uint64_t streams_opened() const { return opened_; }

    void connected(simulated::SocketId socket) override;
    void received(simulated::SocketId socket, std::span<std::byte> bytes) override;
    void writable(simulated::SocketId socket) override;
    void ended(simulated::SocketId socket, const Error& error) override;

private:
    struct Stream {
        uplink::StreamId id = 0;
        std::unique_ptr<http::ProxyTunnel> tunnel;  ///< until it stands
        std::uint64_t received_bytes = 0;
    };
    void open(const uplink::Action& action);
    void act(const uplink::Action& action);
    void tell_progress();
    void established(Stream& stream);
    void hear_goodbye(simulated::SocketId socket, Stream& stream, std::size_t bytes);
    void tunnel_timeout(simulated::SocketId socket);
    [[nodiscard]] simulated::SocketId socket_of(uplink::StreamId stream) const;
    void forget(uplink::StreamId stream);

    Setting& setting_;
    UplinkOwner& owner_;
    uplink::Client client_;
    http::Proxy proxy_;
    std::map<simulated::SocketId, Stream> streams_;
    std::map<uplink::StreamId, simulated::SocketId> sockets_;
    Instant not_before_{};  ///< the hub has asked for so long
    std::uint64_t opened_ = 0;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace holdfast::simulation
