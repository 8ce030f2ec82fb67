#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/hub/tokens.h"
#include "firmware/node/config.h"
#include "firmware/node/endpoint.h"
#include "firmware/ports/files.h"
#include "firmware/ports/listener.h"
#include "firmware/websocket/deflate.h"

namespace holdfast::node {

class Node;
class Session;
class SockjsService;

/// The listener and everything that is connected to it. Keeps who may connect, and tells endpoints
/// when the journal has moved on.
class Server final : public ports::Acceptor {
public:
    /// Errors: those of Ports::listen; of the token file: io, invalid.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open(Node& node,
                                                              const Config::Listen& config);
    ~Server() override;

    /// The journal's `durable_before`, or its room, may have moved.
    void journal_moved();
    /// Does what is due; part of the node's turn. Returns when it wants to be called again at the
    /// latest.
    [[nodiscard]] Instant turn(Now now);
    /// Says goodbye to all, closes the listener; sessions end within a second.
    void stop();

    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] std::size_t connections() const {
        return listener_ ? listener_->connections() : sessions_.size() + ended_.size();
    }
    [[nodiscard]] std::size_t sockjs_sessions() const;
    [[nodiscard]] const Config::Listen& config() const { return config_; }

    // ---- For sessions and endpoints

    [[nodiscard]] Node& node() { return node_; }
    /// Looks at the token file again if it has changed.
    [[nodiscard]] const hub::TokenTable& tokens();
    /// A device was admitted, and its line is open. A line that says no Hello is a device's trial
    /// of the network: a device may have a few of them, and the oldest is closed when there are
    /// more.
    void opened(LineEndpoint& line);
    /// Hello has come: the line is the newest of its device, and an older one gets a Goodbye.
    void greeted(LineEndpoint& line);
    void left(LineEndpoint& line);
    /// Its `answer` is called when the journal moves on next.
    void waits(Endpoint& endpoint);
    void waits_no_more(Endpoint& endpoint);
    void listens(LiveEndpoint& reader) { live_readers_.push_back(&reader); }
    void listens_no_more(LiveEndpoint& reader) { std::erase(live_readers_, &reader); }
    /// Called at the end of an event in which the session ended; it is destroyed in the next turn,
    /// for which the node must be poked.
    void ended(Session& session);
    /// Memory is full: no session that brings readings is read from until there is room.
    void hold_back();
    [[nodiscard]] SockjsService& sockjs() { return *sockjs_; }
    /// What compressing for all sessions shares.
    [[nodiscard]] websocket::DeflateContexts& deflate_contexts() { return deflate_contexts_; }
    /// A line in the log about a peer that was turned away; at most one a second, the others are
    /// counted.
    void log_turned_away(const std::string& what);

private:
    using Sessions = std::list<std::unique_ptr<Session>>;

    Server(Node& node, Config::Listen config);
    void accepted(std::unique_ptr<ports::Stream> stream) override;
    void failed(const std::string& peer, const Error& error) override;
    void forget_ungreeted(LineEndpoint& line);
    void check_tokens(Instant now);
    void tell_live_readers();

    Node& node_;
    Config::Listen config_;
    std::unique_ptr<ports::Listener> listener_;
    std::string address_;
    websocket::DeflateContexts deflate_contexts_;  ///< outlives the sessions
    std::unique_ptr<SockjsService> sockjs_;
    Sessions sessions_;
    /// They have ended in this event, and may still be on the stack.
    Sessions ended_;
    // Thousands may be connected and silent: only those that are concerned are visited.
    std::vector<Endpoint*> waiting_;  ///< for the next commit; null: waits no more
    std::vector<LiveEndpoint*> live_readers_;
    std::map<std::string, LineEndpoint*> lines_;  ///< the live line of each device
    /// Lines without Hello, the oldest first.
    std::map<std::string, std::vector<LineEndpoint*>> ungreeted_;
    bool held_back_ = false;
    hub::TokenTable tokens_;
    std::optional<ports::FileState> tokens_state_;  ///< nullopt: to be read whatever it is
    std::string tokens_problem_;                    ///< logged already; "": none
    Instant next_token_check_{};
    Instant next_log_{};
    std::uint64_t not_logged_ = 0;
};

}  // namespace holdfast::node
