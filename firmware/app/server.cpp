#include "firmware/app/server.h"

#include <algorithm>
#include <set>
#include <sys/resource.h>
#include <utility>

#include "firmware/app/node.h"
#include "firmware/app/session.h"
#include "firmware/app/sockjs_service.h"
#include "platform/system/log.h"

namespace holdfast::app {

namespace {

constexpr Duration kRetryAfterStop = std::chrono::seconds(1);
/// A device whose other line is the one that stays must not come back at once, or two devices with
/// one id would chase each other.
constexpr Duration kRetryAfterSuperseded = std::chrono::seconds(30);
constexpr Duration kLogInterval = std::chrono::seconds(1);
/// Of one device.
constexpr std::size_t kMostUngreetedLines = 8;
/// Answers that may wait for a peer before it is not heard any more.
constexpr std::size_t kSendLimitBytes = 256u << 10;
/// File descriptors that connections leave to the journal, the sensors, the uplink and the status.
constexpr rlim_t kSpareDescriptors = 64;

/// As many connections as are wanted, or as the process can have: a flood of them must not take the
/// descriptors that the journal needs.
std::size_t connection_limit(std::uint64_t wanted) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return static_cast<std::size_t>(wanted);
    }
    const rlim_t needed = static_cast<rlim_t>(wanted) + kSpareDescriptors;
    if (limit.rlim_cur < needed) {
        rlimit raised = limit;
        raised.rlim_cur = std::min(needed, limit.rlim_max);
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    const rlim_t spare = std::min(kSpareDescriptors, limit.rlim_cur / 2);
    const std::uint64_t possible = limit.rlim_cur - spare;
    if (possible < wanted) {
        log::warning("listen: the limit of open files allows " + std::to_string(possible) +
                     " connections; max_connections asks for " + std::to_string(wanted));
    }
    return static_cast<std::size_t>(std::min(wanted, possible));
}

const line::Admission& admission_of(Carrier& carrier) {
    return carrier.endpoint()->line()->admission();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(Node& node, const Config::Listen& config) {
    auto server = std::unique_ptr<Server>(new Server(node, config));
    net::ListenOptions options;
    options.address = config.address;
    options.max_connections = connection_limit(config.max_connections);
    options.share_port = config.share_port;
    options.tls_timeout = config.handshake_timeout;
    options.unacknowledged_timeout = config.idle_timeout;
    options.stream.send_limit_bytes = kSendLimitBytes;
    if (!config.tls_cert.empty()) {
        net::ServerTlsOptions tls;
        tls.cert_file = config.tls_cert;
        tls.key_file = config.tls_key;
        tls.client_ca_file = config.client_ca;
        Result<std::shared_ptr<net::TlsContext>> context = net::TlsContext::server(tls);
        if (!context) {
            return std::unexpected(std::move(context).error().context("listen"));
        }
        options.tls = *std::move(context);
    }
    const Result<hub::TokenTable> tokens = load_tokens(node.config().node.data_dir);
    if (!tokens) {
        return std::unexpected(tokens.error());
    }
    Server* self = server.get();
    Result<std::unique_ptr<net::Listener>> listener = net::Listener::open(
        node.io(), std::move(options),
        [self](std::unique_ptr<ports::Stream> stream) { self->accepted(std::move(stream)); },
        [self](const std::string& peer, const Error& error) {
            self->log_turned_away(peer + ": " + error.message);
        });
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

void Server::accepted(std::unique_ptr<ports::Stream> stream) {
    auto session = std::make_unique<Session>(*this, std::move(stream));
    Session* key = session.get();
    sessions_.emplace(key, std::move(session));
    key->start();
}

void Server::opened(Carrier& carrier) {
    std::vector<Carrier*>& lines = ungreeted_[admission_of(carrier).device];
    lines.push_back(&carrier);
    if (lines.size() <= kMostUngreetedLines) {
        return;
    }
    Carrier* const oldest = lines.front();
    log_turned_away(admission_of(*oldest).address + ": device " + admission_of(*oldest).device +
                    " has more than " + std::to_string(kMostUngreetedLines) +
                    " lines open that said no Hello; the oldest is closed");
    lines.erase(lines.begin());
    oldest->close(websocket::CloseCode::try_again_later, "too many lines without Hello");
}

void Server::greeted(Carrier& carrier) {
    const line::HubEnd& line = *carrier.endpoint()->line();
    const std::string& device = line.admission().device;
    const std::string& address = line.admission().address;
    forget_ungreeted(carrier);
    Carrier*& newest = lines_[device];
    Carrier* const older = std::exchange(newest, &carrier);
    if (older == nullptr || older == &carrier) {
        log::info("hub: device " + device + " is here, from " + address);
        return;
    }
    const std::string before = admission_of(*older).address;
    if (line.is_of_the_same_device(*older->endpoint()->line())) {
        log::info("hub: device " + device + " moves its line from " + before + " to " + address);
    } else {
        log::warning("hub: device " + device + " came from " + address + " while its line from " +
                     before + " was up: the newer stays. Do two devices share one id?");
    }
    older->goodbye("a newer line with this device id has come from " + address,
                   kRetryAfterSuperseded, true);
}

void Server::forget_ungreeted(Carrier& carrier) {
    const auto found = ungreeted_.find(admission_of(carrier).device);
    if (found != ungreeted_.end()) {
        std::erase(found->second, &carrier);
        if (found->second.empty()) {
            ungreeted_.erase(found);
        }
    }
}

void Server::left(Carrier& carrier) {
    waiting_.erase(&carrier);
    if (carrier.endpoint() == nullptr || carrier.endpoint()->line() == nullptr) {
        return;
    }
    forget_ungreeted(carrier);
    const std::string& device = admission_of(carrier).device;
    const auto line = lines_.find(device);
    if (line != lines_.end() && line->second == &carrier) {
        lines_.erase(line);
        log::info("hub: device " + device + " is gone");
    }
}

/// Destroyed in the next turn, since the session itself is calling.
void Server::ended(Session& session) {
    const auto found = sessions_.find(&session);
    if (found == sessions_.end()) {
        return;
    }
    left(session);
    listeners_.erase(&session);
    ended_.push_back(std::move(found->second));
    sessions_.erase(found);
}

void Server::journal_moved() {
    broadcast();
    // Those that go on waiting come back while their answers are sent.
    const std::vector<Carrier*> due(waiting_.begin(), waiting_.end());
    waiting_.clear();
    for (Carrier* carrier : due) {
        carrier->journal_moved();
    }
    if (held_back_ && node_.journal().room() > node_.config().journal.memory_bytes / 4) {
        held_back_ = false;
        for (const auto& [session, owned] : sessions_) {
            session->go_on();
        }
        sockjs_->go_on();
    }
}

Instant Server::turn(Now now) {
    ended_.clear();
    if (lines_.empty() && ungreeted_.empty()) {
        return sockjs_->turn(now);
    }
    check_tokens(now.monotonic);
    return std::min(next_token_check_, sockjs_->turn(now));
}

void Server::broadcast() {
    for (const hub::LiveFeed::Text& text : node_.live().take(node_.journal().durable_before())) {
        using websocket::encode_shared;
        constexpr auto kText = websocket::Opcode::text;
        const ByteView json = as_bytes(text.json);
        SharedBytes plain;
        SharedBytes deflated;
        for (Session* listener : listeners_) {
            const std::string& device = *listener->endpoint()->listens_to();
            if (!device.empty() && device != text.device) {
                continue;
            }
            if (listener->takes_shared_deflate()) {
                deflated = deflated ? deflated : encode_shared(kText, json, deflate_contexts_);
                listener->send_shared(deflated);
            } else {
                plain = plain ? plain : encode_shared(kText, json);
                listener->send_shared(plain);
            }
        }
    }
    if (node_.live().take_overflow()) {
        for (Session* listener : listeners_) {
            listener->close(websocket::CloseCode::try_again_later,
                            "more readings wait for the disk than the feed can hold");
        }
    }
}

void Server::hold_back() {
    if (std::exchange(held_back_, true)) {
        return;
    }
    for (const auto& [session, owned] : sessions_) {
        session->hold_back();
    }
}

// ---- Tokens

const hub::TokenTable& Server::tokens() {
    const TokenFileState state = token_file_state(node_.config().node.data_dir);
    if (tokens_state_ != state) {
        tokens_state_ = state;  // taken before the file is read: a later change is seen next time
        Result<hub::TokenTable> read = load_tokens(node_.config().node.data_dir);
        if (read) {
            tokens_ = *std::move(read);
        } else {
            log::error("hub: " + read.error().message + "; the tokens known before stay in force");
        }
    }
    return tokens_;
}

/// A line whose device has no token any more ends: it was revoked.
void Server::check_tokens(Instant now) {
    if (now < next_token_check_) {
        return;
    }
    next_token_check_ = now + kTokenCheckInterval;
    std::set<std::string_view> devices;
    for (const hub::Token& token : tokens().tokens()) {
        devices.insert(token.device);
    }
    std::vector<Carrier*> revoked;
    const auto look = [&](const std::string& device, Carrier* carrier) {
        if (!devices.contains(device) && carrier->by_token()) {
            revoked.push_back(carrier);
        }
    };
    for (const auto& [device, carrier] : lines_) {
        look(device, carrier);
    }
    for (const auto& [device, carriers] : ungreeted_) {
        for (Carrier* carrier : carriers) {
            look(device, carrier);
        }
    }
    for (Carrier* carrier : revoked) {
        log::warning("hub: the token of device " + admission_of(*carrier).device +
                     " was revoked: its line ends");
        carrier->goodbye("the device's token was revoked", kRetryAfterSuperseded, false);
    }
}

// ---- The rest

void Server::log_turned_away(const std::string& what) {
    const Instant now = system::monotonic_now();
    if (now < next_log_) {
        ++not_logged_;
        return;
    }
    next_log_ = now + kLogInterval;
    const std::uint64_t others = std::exchange(not_logged_, 0);
    log::warning(
        "listen: " + what +
        (others > 0 ? " (and " + std::to_string(others) + " more like it were not logged)" : ""));
}

void Server::stop() {
    listener_.reset();
    sockjs_->stop("this hub stops", kRetryAfterStop);
    std::vector<Session*> sessions;
    for (const auto& [session, owned] : sessions_) {
        sessions.push_back(session);
    }
    for (Session* session : sessions) {
        session->goodbye("this hub stops", kRetryAfterStop, false);
    }
}

}  // namespace holdfast::app
