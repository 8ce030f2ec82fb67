#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "firmware/app/config.h"
#include "firmware/http/message.h"
#include "firmware/ports/stream.h"
#include "firmware/uplink/client.h"
#include "platform/net/tls.h"

namespace holdfast::app {

class Node;

/// Gives the client's end its sockets, its place in the journal and in the log: does what its
/// actions say, and tells it what happened.
class UplinkDriver {
public:
    /// Errors: invalid or not_found (certificates, token file).
    [[nodiscard]] static Result<std::unique_ptr<UplinkDriver>> make(Node& node,
                                                                    const Config::Uplink& config);
    ~UplinkDriver();

    /// What the journal kept for it; before the first turn.
    void remember(const std::vector<journal::Note>& notes);
    /// Does what is due; part of the node's turn. Returns when it wants to be called again at the
    /// latest.
    [[nodiscard]] Instant turn(Now now);
    /// Closes all lines with 1001; no further tries.
    void stop();
    /// No line is up, and the last farewell has been said.
    [[nodiscard]] bool silent() const { return links_.empty() && leaving_.empty(); }

    [[nodiscard]] const uplink::Client& client() const { return client_; }
    [[nodiscard]] const uplink::Uplink& engine() const { return client_.engine(); }
    [[nodiscard]] const std::string& url() const { return config_.url; }

private:
    UplinkDriver(Node& node, const Config::Uplink& config, const http::Url& url);

    /// One stream. One that was shut stays for a moment, until what waits is sent, and is not
    /// listened to any more.
    struct Link;

    void tell_progress(Now now);
    void serve(Now now);
    void serve(uplink::Action action, Now now);
    void open(uplink::StreamId id, bool proxied);
    /// `alive` comes as an argument, for the coroutine may begin when the driver is gone.
    [[nodiscard]] boost::asio::awaitable<void> connect(uplink::StreamId id, bool proxied,
                                                       std::shared_ptr<bool> alive);
    void read_due(Now now);

    Node& node_;
    Config::Uplink config_;
    http::Url url_;
    std::shared_ptr<net::TlsContext> tls_;
    uplink::Client client_;
    std::shared_ptr<bool> alive_;  ///< false when this object is gone: a connecting coroutine may
                                   ///< outlive it by an event
    std::set<uplink::StreamId> connecting_;
    std::map<uplink::StreamId, std::unique_ptr<Link>> links_;
    std::set<std::unique_ptr<Link>> leaving_;
    bool draining_ = false;  ///< rows of the store were read, and not all are acknowledged yet
    bool stopped_ = false;
};

}  // namespace holdfast::app
