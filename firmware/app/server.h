#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "firmware/app/carrier.h"
#include "firmware/app/config.h"
#include "firmware/app/token_file.h"
#include "firmware/hub/tokens.h"
#include "firmware/websocket/deflate.h"
#include "platform/net/listener.h"

namespace holdfast::app {

class Node;
class Session;
class SockjsService;

/// The listener and everything that is connected to it. Keeps who may connect, and tells sessions
/// when the journal has moved on.
class Server {
public:
    /// Errors: refused (port taken), invalid, not_found (certificates); corrupt token file:
    /// invalid.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open(Node& node,
                                                              const Config::Listen& config);
    ~Server();

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

    // ---- For sessions

    [[nodiscard]] Node& node() { return node_; }
    /// Looks at the token file again if it has changed.
    [[nodiscard]] const hub::TokenTable& tokens();
    /// A device was admitted, and its line is open. One that says no Hello is a device's trial of
    /// the network: it may have a few of them, and the oldest goes when there are more.
    void opened(Carrier& carrier);
    /// Hello has come: the line is the newest of its device, and an older one gets a Goodbye.
    void greeted(Carrier& carrier);
    /// The line has ended, or what carries it has.
    void left(Carrier& carrier);
    /// Called at the end of an event in which the session ended; it is destroyed soon, and the node
    /// must be poked for it.
    void ended(Session& session);
    /// It is told when the journal moves on next.
    void waits(Carrier& carrier) { waiting_.insert(&carrier); }
    /// The session is a live feed.
    void listens(Session& session) { listeners_.insert(&session); }
    /// Memory is full: nobody who sends readings is read from until there is room.
    void hold_back();
    [[nodiscard]] SockjsService& sockjs() { return *sockjs_; }
    /// What compressing for all sessions shares.
    [[nodiscard]] websocket::DeflateContexts& deflate_contexts() { return deflate_contexts_; }
    /// A line in the log about a peer that was turned away; at most one a second, the others are
    /// counted.
    void log_turned_away(const std::string& what);

private:
    Server(Node& node, Config::Listen config);
    void accepted(std::unique_ptr<ports::Stream> stream);
    void forget_ungreeted(Carrier& carrier);
    void check_tokens(Instant now);
    void broadcast();

    Node& node_;
    Config::Listen config_;
    std::unique_ptr<net::Listener> listener_;
    std::string address_;
    websocket::DeflateContexts deflate_contexts_;  ///< outlives the sessions
    std::unique_ptr<SockjsService> sockjs_;
    std::unordered_map<Session*, std::unique_ptr<Session>> sessions_;
    /// They have ended in this event, and may still be on the stack.
    std::vector<std::unique_ptr<Session>> ended_;
    // Thousands may be connected and silent: only those that are concerned are visited.
    std::unordered_set<Carrier*> waiting_;
    std::unordered_set<Session*> listeners_;
    std::map<std::string, Carrier*> lines_;  ///< the live line of each device
    /// Lines without Hello, the oldest first.
    std::map<std::string, std::vector<Carrier*>> ungreeted_;
    bool held_back_ = false;
    hub::TokenTable tokens_;
    std::optional<TokenFileState> tokens_state_;
    static constexpr Duration kTokenCheckInterval = std::chrono::seconds(1);
    Instant next_token_check_{};
    Instant next_log_{};
    std::uint64_t not_logged_ = 0;
};

}  // namespace holdfast::app
