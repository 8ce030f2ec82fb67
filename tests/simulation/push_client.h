#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "firmware/http/message.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "platform/simulated/connector.h"
#include "tests/simulation/setting.h"

namespace holdfast::simulation {

/// A program beside a node, which pushes numbered readings to it by /v1/push?source=NAME: 1, 2, 3 …
/// as fast as they come, and after a break from where the node's greeting says.
class PushClient final : public ports::StreamHandler {
public:
    /// `path`: to the node, whose id is `node`; it outlives the network.
    PushClient(Setting& setting, const std::string& node, simulated::Path& path);
    ~PushClient() override;
    PushClient(const PushClient&) = delete;
    PushClient& operator=(const PushClient&) = delete;

    static constexpr const char* kSource = "pusher";
    static constexpr const char* kChannel = "pushed";
    /// Each reading brings its own time.
    [[nodiscard]] static WallTime time_of(std::uint64_t number);

    /// So many readings more are there to be pushed.
    void produce(std::uint64_t count);
    [[nodiscard]] std::uint64_t produced() const { return produced_; }
    /// The node said that all up to this one are safe.
    [[nodiscard]] std::uint64_t through() const { return through_; }

    void on_bytes(std::span<std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& error) override;

private:
    void connect();
    void connected(Result<std::unique_ptr<ports::Stream>> stream);
    void retry(Duration after);
    void drop(Duration retry_after);
    void heard(std::string_view answer);
    void send_on();
    void watch();

    Setting& setting_;
    std::string node_;
    std::string name_;
    simulated::Connector connector_;
    std::unique_ptr<ports::Connector::Attempt> attempt_;
    std::unique_ptr<ports::Stream> stream_;
    std::optional<websocket::ClientHandshake> handshake_;  ///< until it is done
    http::ResponseReader reader_;
    std::optional<websocket::Connection> socket_;
    bool greeted_ = false;
    bool full_ = false;
    std::uint64_t produced_ = 0;
    std::uint64_t sent_ = 0;  ///< by this connection, or not to be sent by it
    std::uint64_t through_ = 0;
    std::uint64_t connection_ = 0;  ///< counts them: a timer of an earlier one does nothing
    Instant progress_at_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::simulation
