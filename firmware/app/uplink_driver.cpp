#include "firmware/app/uplink_driver.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "firmware/app/node.h"
#include "platform/net/connect.h"
#include "platform/net/network_name.h"
#include "platform/system/log.h"
#include "platform/system/memory.h"

namespace holdfast::app {

namespace {

constexpr Duration kFarewell = std::chrono::seconds(1);
constexpr std::size_t kLineSendLimitBytes = 256u << 10;
/// A ping and its pong: the frames, and what a record of TLS 1.3 adds to each.
constexpr std::uint32_t kBeatBytes = 6 + 2;
constexpr std::uint32_t kRecordBytes = 22;

uplink::ClientOptions client_options(Node& node, const Config::Uplink& config,
                                     const http::Url& url) {
    uplink::ClientOptions options;
    options.uplink.device = node.config().node.id;
    options.uplink.software = kSoftware;
    options.uplink.boot = system::boot_id();
    options.uplink.pong_timeout = config.pong_timeout;
    options.uplink.retry_min = config.retry_min;
    options.uplink.retry_max = config.retry_max;
    options.uplink.welcome_timeout = config.connect_timeout;
    if (config.heartbeat) {
        options.uplink.heartbeat = *config.heartbeat;
    } else {
        uplink::AdaptiveOptions adaptive;
        adaptive.min = config.heartbeat_min;
        adaptive.max = config.heartbeat_max;
        adaptive.blind = std::clamp(adaptive.blind, adaptive.min, adaptive.max);
        adaptive.pong_timeout = config.pong_timeout;
        adaptive.beat_bytes = kBeatBytes + (url.scheme == "wss" ? 2 * kRecordBytes : 0);
        options.uplink.adaptive = adaptive;
    }
    options.url = config.url;
    options.hub = url;
    options.proxy = config.proxy ? config.proxy->authority() : "";
    options.deflate = config.deflate;
    options.connect_timeout = config.connect_timeout;
    options.message_timeout = config.message_timeout;
    return options;
}

/// Read anew for every connection, so that a token can be replaced while the node runs. "" if none
/// is configured.
Result<std::string> read_authorization(const std::filesystem::path& file) {
    if (file.empty()) {
        return "";
    }
    std::ifstream in(file);
    std::string token;
    if (!(in >> token)) {
        return fail(
            ErrorCode::not_found,
            "the token file " + file.string() +
                " cannot be read or is empty; `holdfast token create` on the hub makes a token");
    }
    return "Bearer " + token;
}

}  // namespace

struct UplinkDriver::Link final : ports::StreamHandler {
    UplinkDriver& driver;
    uplink::StreamId id;
    std::unique_ptr<ports::Stream> stream;
    bool leaving = false;

    Link(UplinkDriver& owner, uplink::StreamId number, std::unique_ptr<ports::Stream> made)
        : driver(owner), id(number), stream(std::move(made)) {}

    void on_bytes(std::span<std::byte> bytes) override {
        if (!leaving) {
            driver.client_.received(id, bytes, system::now());
            driver.node_.poke();
        }
    }
    void on_writable() override {
        if (!leaving) {
            driver.client_.writable(id);
            driver.node_.poke();
        }
    }
    void on_closed(const Error& error) override {
        UplinkDriver& owner = driver;
        if (leaving) {
            std::erase_if(owner.leaving_, [this](const auto& link) { return link.get() == this; });
        } else {
            // It lives until the client has been told, for that may ask for other streams.
            const auto ended = owner.links_.extract(id);
            owner.client_.ended(id, error, system::now());
        }
        owner.node_.poke();
    }
};

Result<std::unique_ptr<UplinkDriver>> UplinkDriver::make(Node& node, const Config::Uplink& config) {
    const Result<http::Url> url = http::parse_url(config.url);
    if (!url) {
        return std::unexpected(Error(url.error()).context("uplink.url"));
    }
    auto driver = std::unique_ptr<UplinkDriver>(new UplinkDriver(node, config, *url));
    if (url->scheme == "wss") {
        net::ClientTlsOptions options;
        options.ca_file = config.ca_file;
        options.cert_file = config.cert_file;
        options.key_file = config.key_file;
        Result<std::shared_ptr<net::TlsContext>> tls = net::TlsContext::client(options);
        if (!tls) {
            return std::unexpected(std::move(tls).error().context("uplink"));
        }
        driver->tls_ = *std::move(tls);
    }
    return driver;
}

UplinkDriver::UplinkDriver(Node& node, const Config::Uplink& config, const http::Url& url)
    : node_(node),
      config_(config),
      url_(url),
      client_(node.journal(), client_options(node, config, url), node.entropy()),
      alive_(std::make_shared<bool>(true)) {}

UplinkDriver::~UplinkDriver() {
    *alive_ = false;
}

void UplinkDriver::remember(const std::vector<journal::Note>& notes) {
    for (const journal::Note& note : notes) {
        client_.remember(note.name, note.text);
    }
}

// ---- Turns

Instant UplinkDriver::turn(Now now) {
    if (stopped_) {
        return kNever;
    }
    const uplink::Uplink& engine = client_.engine();
    if (engine.state() == uplink::Uplink::State::waiting && engine.deadline() <= now.monotonic) {
        client_.on_network(net::network_name(), now);
    }
    tell_progress(now);
    client_.turn(now);
    serve(now);
    tell_progress(now);
    read_due(now);
    if (draining_ && node_.journal().first_position() >= node_.journal().store_end()) {
        draining_ = false;
        system::give_back_memory();
    }
    return client_.deadline();
}

void UplinkDriver::tell_progress(Now now) {
    if (const auto link = links_.find(client_.awaited()); link != links_.end()) {
        const ports::Stream& stream = *link->second->stream;
        client_.progress(link->first,
                         {.sent_bytes = stream.bytes_sent() + stream.unsent_bytes(),
                          .acknowledged_bytes = stream.bytes_acknowledged()},
                         now);
    }
}

void UplinkDriver::serve(Now now) {
    while (std::optional<uplink::Action> action = client_.next_action()) {
        serve(*std::move(action), now);
    }
}

void UplinkDriver::serve(uplink::Action action, Now now) {
    using Kind = uplink::Action::Kind;
    const auto link = links_.find(action.stream);
    switch (action.kind) {
        case Kind::open:
            open(action.stream, action.proxied);
            break;
        case Kind::send:
            if (link != links_.end() && !link->second->stream->send(std::move(action.bytes))) {
                client_.congested(action.stream);
            }
            break;
        case Kind::shut:
        case Kind::abort:
            connecting_.erase(action.stream);
            if (link == links_.end()) {
                break;
            }
            if (action.kind == Kind::abort) {
                link->second->stream->abort();
            } else {
                link->second->leaving = true;
                link->second->stream->shutdown(kFarewell);
                leaving_.insert(std::move(link->second));
            }
            links_.erase(link);
            break;
        case Kind::log:
            action.level == uplink::Action::Level::warning ? log::warning("uplink: " + action.text)
            : action.level == uplink::Action::Level::info  ? log::info("uplink: " + action.text)
                                                           : log::debug("uplink: " + action.text);
            break;
        case Kind::note:
            if (const Result<void> kept = node_.journal().note(
                    std::move(action.name), std::move(action.text), now.monotonic);
                !kept) {
                log::debug("uplink: a note was not kept: " + kept.error().message);
            }
            break;
        case Kind::told:
            node_.told_time(action.server_time_us);
            system::give_back_memory();  // of the handshake
            break;
    }
}

void UplinkDriver::stop() {
    stopped_ = true;
    const Now now = system::now();
    client_.stop(now);
    serve(now);
}

// ---- Connecting

void UplinkDriver::open(uplink::StreamId id, bool proxied) {
    connecting_.insert(id);
    boost::asio::co_spawn(node_.io(), connect(id, proxied, alive_), boost::asio::detached);
}

boost::asio::awaitable<void> UplinkDriver::connect(uplink::StreamId id, bool proxied,
                                                   std::shared_ptr<bool> alive) {
    if (!*alive || !connecting_.contains(id)) {
        co_return;
    }
    net::ConnectOptions options;
    options.host = url_.host;
    options.port = url_.port;
    options.tls = tls_;
    options.connect_timeout = options.tls_timeout = config_.connect_timeout;
    options.stream.send_limit_bytes = kLineSendLimitBytes;
    if (proxied) {
        options.proxy = config_.proxy;
        options.proxy_timeout = config_.connect_timeout;
        options.user_agent = kSoftware;
    }
    const Result<std::string> authorization = read_authorization(config_.token_file);
    Result<std::unique_ptr<ports::Stream>> stream = std::unique_ptr<ports::Stream>();
    if (authorization) {
        stream = co_await net::connect(std::move(options));
    } else {
        stream = std::unexpected(authorization.error());
    }
    if (!*alive || connecting_.erase(id) == 0) {
        co_return;
    }
    if (stream) {
        auto link = std::make_unique<Link>(*this, id, *std::move(stream));
        link->stream->start(*link);
        const std::string peer = link->stream->peer();
        links_.emplace(id, std::move(link));
        client_.opened(id, peer, *authorization, system::now());
    } else {
        client_.failed(id, stream.error(), system::now());
    }
    node_.poke();
}

// ---- Reading the backlog

void UplinkDriver::read_due(Now now) {
    const std::optional<uplink::Uplink::Read> read = client_.engine().take_read(now.monotonic);
    if (!read) {
        return;
    }
    draining_ = true;
    node_.storage().run(
        [read = *read](journal::Store& store) { return store.read(read.position, read.max_bytes); },
        [this, alive = alive_](Result<std::vector<journal::Record>> records) {
            if (!*alive) {
                return;
            }
            if (!records && records.error().code == ErrorCode::corrupt) {
                // Read again it would say the same for ever, and the backlog would stand still.
                log::error("journal: the backlog cannot be read: " + records.error().message);
                node_.journal_is_corrupt();
                return;
            }
            client_.engine().fetched(std::move(records), system::monotonic_now());
            node_.poke();
        });
}

}  // namespace holdfast::app
