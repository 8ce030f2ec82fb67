#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/hub/push.h"
#include "firmware/line/hub_end.h"
#include "firmware/websocket/frame.h"

namespace holdfast::app {

class Node;

/// What speaks on a WebSocket of the listener: a line, a push connection, a live feed.
class Endpoint {
public:
    struct Message {
        websocket::Opcode opcode;
        Bytes payload;
    };
    struct Close {
        websocket::CloseCode code;
        std::string reason;
    };

    virtual ~Endpoint() = default;
    /// A message came. An answer of Close ends the connection.
    [[nodiscard]] virtual std::optional<Close> received(websocket::Opcode opcode, ByteView payload,
                                                        Now now) = 0;
    /// The journal may have moved on.
    virtual void durable() {}
    /// Something that was received waits for the next commit.
    [[nodiscard]] virtual bool waits() const { return false; }
    [[nodiscard]] virtual std::optional<Message> next_message() { return std::nullopt; }
    /// Whether it gives readings to the journal, and is held back when there is no room for them.
    [[nodiscard]] virtual bool gives_readings() const { return true; }
    /// The device of which a live feed wants to hear: "" for all; null: it is no live feed.
    [[nodiscard]] virtual const std::string* listens_to() const { return nullptr; }
    [[nodiscard]] virtual line::HubEnd* line() { return nullptr; }
};

/// The largest Envelope.
inline constexpr std::size_t kLineMessageBytes = 9u << 20;

[[nodiscard]] std::unique_ptr<Endpoint> make_line(Node& node, line::Admission admission);
[[nodiscard]] std::unique_ptr<Endpoint> make_push(Node& node, std::string source);
/// `device`: "" for all.
[[nodiscard]] std::unique_ptr<Endpoint> make_live(Node& node, std::string device);

}  // namespace holdfast::app
