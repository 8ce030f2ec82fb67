#pragma once

#include <string>

#include "firmware/app/endpoint.h"
#include "firmware/base/clock.h"
#include "firmware/websocket/frame.h"

namespace holdfast::app {

/// What carries a line: a WebSocket, or a session of SockJS.
class Carrier {
public:
    virtual ~Carrier() = default;
    [[nodiscard]] virtual Endpoint* endpoint() = 0;
    /// The device was admitted by a token, not by a certificate.
    [[nodiscard]] virtual bool by_token() const = 0;
    /// The journal has moved on, and something here waits for it.
    virtual void journal_moved() = 0;
    /// The line says Goodbye, and ends.
    virtual void goodbye(const std::string& reason, Duration retry_after, bool superseded) = 0;
    /// It ends.
    virtual void close(websocket::CloseCode code, const std::string& reason) = 0;
};

}  // namespace holdfast::app
