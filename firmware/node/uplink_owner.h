#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "firmware/http/message.h"
#include "firmware/node/config.h"
#include "firmware/ports/connector.h"
#include "firmware/uplink/client.h"

namespace holdfast::node {

class Node;

/// Gives the uplink's client its streams, its place in the journal and in the log: does what its
/// actions say, and tells it what happened.
class UplinkOwner {
public:
    /// Errors: invalid (the URL), and those of Ports::make_connector.
    [[nodiscard]] static Result<std::unique_ptr<UplinkOwner>> make(Node& node,
                                                                   const Config::Uplink& config);
    ~UplinkOwner();

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
    UplinkOwner(Node& node, const Config::Uplink& config, const http::Url& url);

    /// One stream. One that was shut stays for a moment, until what waits is sent, and is not
    /// listened to any more.
    struct Link;

    void tell_progress(Now now);
    void serve(Now now);
    void serve(uplink::Action action, Now now);
    void open(uplink::StreamId id, bool proxied);
    void connected(uplink::StreamId id, const std::string& authorization,
                   Result<std::unique_ptr<ports::Stream>> stream);
    void read_due(Now now);

    Node& node_;
    Config::Uplink config_;
    uplink::Client client_;
    std::unique_ptr<ports::Connector> connector_;
    std::map<uplink::StreamId, std::unique_ptr<ports::Connector::Attempt>> connecting_;
    std::map<uplink::StreamId, std::unique_ptr<Link>> links_;
    std::map<uplink::StreamId, std::unique_ptr<Link>> leaving_;
    bool draining_ = false;  ///< rows of the store were read, and not all are acknowledged yet
    bool stopped_ = false;
};

}  // namespace holdfast::node
