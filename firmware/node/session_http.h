#pragma once

#include <cstddef>
#include <memory>

#include "firmware/base/bytes.h"
#include "firmware/http/message.h"
#include "firmware/node/session.h"
#include "firmware/sockjs/server.h"

namespace holdfast::node {

/// What a connection needs until it is a WebSocket of its own.
struct Session::Http {
    /// Answers under way know it weakly.
    std::shared_ptr<char> alive = std::make_shared<char>();
    http::RequestReader reader = http::RequestReader({.stops_before_body = true});
    Bytes unread = {};              ///< what came while a request is being answered
    bool expects_continue = false;  ///< before it sends the body that it has announced
    Instant sign_due = kNever;      ///< of a body that takes long
    bool answering = false;
    bool socket = false;              ///< what comes is a WebSocket's that SockJS reads
    sockjs::ExchangeId exchange = 0;  ///< what the SockJS service knows the connection by
    std::size_t unsent_before = 0;    ///< when the time ran out last

    /// More was sent ahead than is reasonable.
    [[nodiscard]] bool flooded() const { return unread.size() > (64u << 10); }
};

}  // namespace holdfast::node
