#include "firmware/node/server.h"

#include <algorithm>
#include <set>
#include <utility>

#include "firmware/node/node.h"
#include "firmware/node/session.h"
#include "firmware/node/sockjs_service.h"
#include "firmware/node/tokens_file.h"

namespace holdfast::node {

namespace {

constexpr Duration kRetryAfterStop = std::chrono::seconds(1);
/// A device whose other line is the one that stays must not come back at once, or two devices with
/// one id would chase each other.
constexpr Duration kRetryAfterSuperseded = std::chrono::seconds(30);
constexpr Duration kLogInterval = std::chrono::seconds(1);
/// Of one device.
constexpr std::size_t kMostUngreetedLines = 8;

}  // namespace

Result<std::unique_ptr<Server>> Server::open(Node& node, const Config::Listen& config) {
    auto server = std::unique_ptr<Server>(new Server(node, config));
    const Result<hub::TokenTable> tokens =
        load_tokens(node.ports().files, node.config().node.data_dir);
    if (!tokens) {
        return std::unexpected(tokens.error());
    }
    Result<std::unique_ptr<ports::Listener>> listener = node.ports().listen(*server);
    if (!listener) {
        return std::unexpected(std::move(listener).error().context("listen"));
    }
    server->listener_ = *std::move(listener);
    server->address_ = server->listener_->address();
    return server;
}

Server::Server(Node& node, Config::Listen config)
    : node_(node), config_(std::move(config)), sockjs_(std::make_unique<SockjsService>(*this)) {}

Server::~Server() = default;

std::size_t Server::sockjs_sessions() const {
    return sockjs_->sessions();
}

// ---- Sessions

void Server::accepted(std::unique_ptr<ports::Stream> stream) {
    Session& session = *sessions_.emplace_back(std::make_unique<Session>(*this, std::move(stream)));
    session.place_ = std::prev(sessions_.end());
    session.start();
}

void Server::failed(const std::string& peer, const Error& error) {
    log_turned_away(peer + ": " + error.message);
}

/// Destroyed in the next turn, since the session itself is calling.
void Server::ended(Session& session) {
    if (session.place_ != sessions_.end()) {
        ended_.splice(ended_.end(), sessions_, std::exchange(session.place_, sessions_.end()));
    }
}

// ---- Lines

void Server::opened(LineEndpoint& line) {
    std::vector<LineEndpoint*>& lines = ungreeted_[line.admission().device];
    lines.push_back(&line);
    if (lines.size() <= kMostUngreetedLines) {
        return;
    }
    LineEndpoint* const oldest = lines.front();
    log_turned_away(oldest->admission().address + ": device " + oldest->admission().device +
                    " has more than " + std::to_string(kMostUngreetedLines) +
                    " lines open that said no Hello; the oldest is closed");
    lines.erase(lines.begin());
    oldest->close(websocket::CloseCode::try_again_later, "too many lines without Hello");
}

void Server::greeted(LineEndpoint& line) {
    const std::string& device = line.admission().device;
    const std::string& address = line.admission().address;
    forget_ungreeted(line);
    LineEndpoint*& newest = lines_[device];
    LineEndpoint* const older = std::exchange(newest, &line);
    if (older == nullptr || older == &line) {
        node_.log().info("hub: device " + device + " is here, from " + address);
        return;
    }
    const std::string before = older->admission().address;
    if (line.line().is_of_the_same_device(older->line())) {
        node_.log().info("hub: device " + device + " moves its line from " + before + " to " +
                         address);
    } else {
        node_.log().warning("hub: device " + device + " came from " + address +
                            " while its line from " + before +
                            " was up: the newer stays. Do two devices share one id?");
    }
    older->superseded();
    older->goodbye("a newer line with this device id has come from " + address,
                   kRetryAfterSuperseded);
}

void Server::forget_ungreeted(LineEndpoint& line) {
    const auto found = ungreeted_.find(line.admission().device);
    if (found != ungreeted_.end()) {
        std::erase(found->second, &line);
        if (found->second.empty()) {
            ungreeted_.erase(found);
        }
    }
}

void Server::left(LineEndpoint& line) {
    forget_ungreeted(line);
    const std::string& device = line.admission().device;
    const auto found = lines_.find(device);
    if (found != lines_.end() && found->second == &line) {
        lines_.erase(found);
        node_.log().info("hub: device " + device + " is gone");
    }
}

// ---- The journal has moved on

void Server::waits(Endpoint& endpoint) {
    if (endpoint.waiting_index_ == Endpoint::kNotWaiting) {
        endpoint.waiting_index_ = waiting_.size();
        waiting_.push_back(&endpoint);
    }
}

void Server::waits_no_more(Endpoint& endpoint) {
    if (endpoint.waiting_index_ != Endpoint::kNotWaiting) {
        waiting_[std::exchange(endpoint.waiting_index_, Endpoint::kNotWaiting)] = nullptr;
    }
}

void Server::journal_moved() {
    tell_live_readers();
    // Endpoints that still wait afterwards are listed again behind those that are answered now.
    const std::size_t due = waiting_.size();
    for (std::size_t i = 0; i < due; ++i) {
        if (Endpoint* const endpoint = std::exchange(waiting_[i], nullptr)) {
            endpoint->waiting_index_ = Endpoint::kNotWaiting;
            endpoint->answer();
        }
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(due));
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
        if (waiting_[i] != nullptr) {
            waiting_[i]->waiting_index_ = i;
        }
    }
    if (held_back_ && node_.journal().room() > node_.config().journal.memory_bytes / 4) {
        held_back_ = false;
        for (const std::unique_ptr<Session>& session : sessions_) {
            session->go_on();
        }
        sockjs_->go_on();
    }
}

void Server::tell_live_readers() {
    for (const hub::LiveFeed::Text& text : node_.live().take(node_.journal().durable_before())) {
        using websocket::encode_shared;
        constexpr auto kText = websocket::Opcode::text;
        const ByteView json = as_bytes(text.json);
        SharedBytes plain;
        SharedBytes deflated;
        for (LiveEndpoint* reader : live_readers_) {
            if (!reader->wants(text.device)) {
                continue;
            }
            if (reader->takes_shared_deflate()) {
                deflated = deflated ? deflated : encode_shared(kText, json, deflate_contexts_);
                reader->tell(deflated);
            } else {
                plain = plain ? plain : encode_shared(kText, json);
                reader->tell(plain);
            }
        }
    }
    if (node_.live().take_overflow()) {
        for (LiveEndpoint* reader : live_readers_) {
            reader->close(websocket::CloseCode::try_again_later,
                          "more readings wait for the disk than the feed can hold");
        }
    }
}

void Server::hold_back() {
    if (std::exchange(held_back_, true)) {
        return;
    }
    for (const std::unique_ptr<Session>& session : sessions_) {
        session->hold_back();
    }
}

// ---- Tokens

const hub::TokenTable& Server::tokens() {
    const ports::FileState state =
        node_.ports().files.state(token_file(node_.config().node.data_dir));
    if (tokens_state_ != state) {
        tokens_state_ = state;  // taken before the file is read: a later change is seen next time
        Result<hub::TokenTable> read =
            load_tokens(node_.ports().files, node_.config().node.data_dir);
        const std::string problem = read ? "" : read.error().message;
        if (read) {
            tokens_ = *std::move(read);
        } else if (read.error().code == ErrorCode::io) {
            tokens_state_.reset();  // it may be readable next time without being changed
        }
        if (problem != std::exchange(tokens_problem_, problem) && !problem.empty()) {
            node_.log().error("hub: " + problem + "; the tokens known before stay in force");
        }
    }
    return tokens_;
}

/// A line whose device has no token any more ends: the token was revoked.
void Server::check_tokens(Instant now) {
    if (now < next_token_check_) {
        return;
    }
    next_token_check_ = now + config_.token_check_interval;
    std::set<std::string_view> devices;
    for (const hub::Token& token : tokens().tokens()) {
        devices.insert(token.device);
    }
    std::vector<LineEndpoint*> revoked;
    const auto look = [&](const std::string& device, LineEndpoint* line) {
        if (!devices.contains(device) && line->by_token()) {
            revoked.push_back(line);
        }
    };
    for (const auto& [device, line] : lines_) {
        look(device, line);
    }
    for (const auto& [device, lines] : ungreeted_) {
        for (LineEndpoint* line : lines) {
            look(device, line);
        }
    }
    for (LineEndpoint* line : revoked) {
        node_.log().warning("hub: the token of device " + line->admission().device +
                            " was revoked: its line ends");
        line->goodbye("the device's token was revoked", kRetryAfterSuperseded);
    }
}

// ---- Turns, and the end

Instant Server::turn(Now now) {
    ended_.clear();
    if (lines_.empty() && ungreeted_.empty()) {
        return sockjs_->turn(now);
    }
    check_tokens(now.monotonic);
    return std::min(next_token_check_, sockjs_->turn(now));
}

void Server::log_turned_away(const std::string& what) {
    const Instant now = node_.now().monotonic;
    if (now < next_log_) {
        ++not_logged_;
        return;
    }
    next_log_ = now + kLogInterval;
    const std::uint64_t others = std::exchange(not_logged_, 0);
    node_.log().warning(
        "listen: " + what +
        (others > 0 ? " (and " + std::to_string(others) + " more like it were not logged)" : ""));
}

void Server::stop() {
    listener_.reset();
    sockjs_->stop("this hub stops", kRetryAfterStop);
    std::vector<Session*> sessions;
    for (const std::unique_ptr<Session>& session : sessions_) {
        sessions.push_back(session.get());
    }
    for (Session* session : sessions) {
        session->goodbye("this hub stops", kRetryAfterStop);
    }
}

}  // namespace holdfast::node
