#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/hub/presence.h"
#include "firmware/ingest/push.h"
#include "firmware/line/hub_end.h"
#include "firmware/websocket/frame.h"

namespace holdfast::node {

class Server;
class Session;

/// What carries an endpoint's messages: a WebSocket of the listener, or a session of SockJS.
class Carrier {
public:
    virtual ~Carrier() = default;
    virtual void send(websocket::Opcode opcode, ByteView message) = 0;
    /// The farewell of the protocol, and the end. Called twice, the first call counts. The endpoint
    /// lives until the carrier's next event at least.
    virtual void close(websocket::CloseCode code, const std::string& reason) = 0;
};

/// What speaks on a carrier: a line, a push connection, a live feed. Owned by its carrier.
class Endpoint {
public:
    struct Close {
        websocket::CloseCode code;
        std::string reason;
    };

    Endpoint(Server& server, Carrier& carrier, std::string peer);
    virtual ~Endpoint() = default;
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    /// A message came. What is refused is logged, and the carrier is closed: false.
    [[nodiscard]] bool take(websocket::Opcode opcode, ByteView message, Now now);
    /// Says what the state of the journal allows to say. While an answer waits for the next commit,
    /// the server calls this again after it.
    void answer();
    /// The node wants the peer to go, and to stay away for so long.
    virtual void goodbye(const std::string& reason, Duration retry_after);
    void close(websocket::CloseCode code, const std::string& reason) {
        carrier_.close(code, reason);
    }
    /// The carrier has ended, or is about to: nothing is sent any more. Called twice, the first
    /// call counts.
    void ended();
    /// It gives readings to the journal, and is held back when there is no room for them.
    [[nodiscard]] virtual bool gives_readings() const { return true; }

protected:
    [[nodiscard]] virtual std::optional<Close> received(websocket::Opcode opcode, ByteView message,
                                                        Now now) = 0;
    /// Sends what is due. True: something waits for the next commit.
    [[nodiscard]] virtual bool say_due() = 0;
    virtual void on_ended() {}

    Server& server_;
    Carrier& carrier_;
    std::string peer_;  ///< its address, for people
    bool ended_ = false;

private:
    friend class Server;
    static constexpr std::size_t kNotWaiting = static_cast<std::size_t>(-1);
    std::size_t waiting_index_ = kNotWaiting;  ///< in the server's list of who waits for a commit
};

/// The largest Envelope.
inline constexpr std::size_t kLineMessageBytes = 9u << 20;

/// The hub's end of a device's line.
class LineEndpoint final : public Endpoint {
public:
    /// `by_token`: the device was admitted by a token, not by a certificate.
    LineEndpoint(Server& server, Carrier& carrier, line::Admission admission, bool by_token);

    void goodbye(const std::string& reason, Duration retry_after) override;
    /// A newer line of the same device is there: this one must not touch what is known of the
    /// device any more.
    void superseded() { line_.superseded(); }
    [[nodiscard]] const line::HubEnd& line() const { return line_; }
    [[nodiscard]] const line::Admission& admission() const { return line_.admission(); }
    [[nodiscard]] bool by_token() const { return by_token_; }

private:
    std::optional<Close> received(websocket::Opcode opcode, ByteView message, Now now) override;
    bool say_due() override;
    void on_ended() override;

    line::HubEnd line_;
    hub::Presence presence_;
    bool by_token_;
};

/// One connection of `/v1/push`.
class PushEndpoint final : public Endpoint {
public:
    PushEndpoint(Server& server, Carrier& carrier, std::string peer, std::string source);

private:
    std::optional<Close> received(websocket::Opcode opcode, ByteView message, Now now) override;
    bool say_due() override;
    void say(const std::optional<std::string>& answer);

    ingest::PushSession session_;
    bool greeted_ = false;
};

/// One reader of `/v1/live`; always on a WebSocket of its own.
class LiveEndpoint final : public Endpoint {
public:
    /// `device`: "" for all.
    LiveEndpoint(Server& server, Session& session, std::string device);
    ~LiveEndpoint() override;

    [[nodiscard]] bool wants(const std::string& device) const {
        return device_.empty() || device == device_;
    }
    [[nodiscard]] bool takes_shared_deflate() const;
    /// A frame that was made once for all readers.
    void tell(const SharedBytes& frame);
    bool gives_readings() const override { return false; }

private:
    std::optional<Close> received(websocket::Opcode opcode, ByteView message, Now now) override;
    bool say_due() override { return false; }
    void on_ended() override;

    Session& session_;
    std::string device_;
};

}  // namespace holdfast::node
