#pragma once

#include <optional>

#include "firmware/http/message.h"
#include "firmware/line/messages.h"
#include "firmware/websocket/connection.h"
#include "platform/simulated/random.h"

namespace holdfast::simulation {

/// Listens to one stream of a device, and hears when the hub says Goodbye on a line over a
/// WebSocket. What else the stream carries (SockJS, answers of boxes, trials of the network, which
/// are never welcomed) says nothing to it.
class GoodbyeEar {
public:
    /// What the device has received.
    [[nodiscard]] std::optional<line::GoodbyeMessage> hear(ByteView bytes);

private:
    simulated::Random masks_{1};  ///< of answers that nobody sends
    http::ResponseReader head_;
    std::optional<websocket::Connection> socket_;
    bool deaf_ = false;
    bool welcomed_ = false;
};

}  // namespace holdfast::simulation
