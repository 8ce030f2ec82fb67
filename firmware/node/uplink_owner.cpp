#include "firmware/node/uplink_owner.h"

#include <algorithm>
#include <utility>

#include "firmware/base/text.h"
#include "firmware/node/node.h"

namespace holdfast::node {

namespace {

constexpr Duration kFarewell = std::chrono::seconds(1);
/// A ping and its pong: the frames, and what a record of TLS 1.3 adds to each.
constexpr std::uint32_t kBeatBytes = 6 + 2;
constexpr std::uint32_t kRecordBytes = 22;

uplink::ClientOptions client_options(Node& node, const Config::Uplink& config,
                                     const http::Url& url) {
    uplink::ClientOptions options;
    options.uplink.device = node.config().node.id;
    options.uplink.software = kSoftware;
    options.uplink.boot = node.ports().clock.boot_id();
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
    options.uplink.window_bytes = config.window_bytes;
    options.uplink.read_bytes = config.read_bytes;
    options.url = config.url;
    options.hub = url;
    options.proxy = config.proxy ? config.proxy->authority() : "";
    options.deflate = config.deflate;
    options.connect_timeout = config.connect_timeout;
    options.message_timeout = config.message_timeout;
    return options;
}

ports::Log::Level log_level(uplink::Action::Level level) {
    switch (level) {
        case uplink::Action::Level::warning:
            return ports::Log::Level::warning;
        case uplink::Action::Level::info:
            return ports::Log::Level::info;
        case uplink::Action::Level::debug:
            return ports::Log::Level::debug;
    }
    return ports::Log::Level::info;
}

/// Read anew for every connection, so that a token can be replaced while the node runs. "" if none
/// is configured.
Result<std::string> read_authorization(ports::Files& files, const std::filesystem::path& file) {
    if (file.empty()) {
        return "";
    }
    const Result<std::optional<std::string>> text = files.read(file);
    constexpr std::string_view kBlank = " \t\r\n";
    const std::string content = text && *text ? **text : "";
    const std::size_t begin = content.find_first_not_of(kBlank);
    if (begin == std::string::npos) {
        return fail(
            ErrorCode::not_found,
            "the token file " + file.string() +
                " cannot be read or is empty; `holdfast token create` on the hub makes a token");
    }
    return "Bearer " + content.substr(begin, content.find_first_of(kBlank, begin) - begin);
}

}  // namespace

struct UplinkOwner::Link final : ports::StreamHandler {
    UplinkOwner& owner;
    uplink::StreamId id;
    std::unique_ptr<ports::Stream> stream;
    bool leaving = false;

    Link(UplinkOwner& of, uplink::StreamId number, std::unique_ptr<ports::Stream> made)
        : owner(of), id(number), stream(std::move(made)) {}

    void on_bytes(std::span<std::byte> bytes) override {
        if (!leaving) {
            owner.client_.received(id, bytes, owner.node_.now());
            owner.node_.poke();
        }
    }
    void on_writable() override {
        if (!leaving) {
            owner.client_.writable(id);
            owner.node_.poke();
        }
    }
    void on_closed(const Error& error) override {
        UplinkOwner& of = owner;
        // It lives until the client has been told, for that may ask for other streams.
        const auto ended = (leaving ? of.leaving_ : of.links_).extract(id);
        if (!leaving) {
            of.client_.ended(id, error, of.node_.now());
        }
        of.node_.poke();
    }
};

Result<std::unique_ptr<UplinkOwner>> UplinkOwner::make(Node& node, const Config::Uplink& config) {
    const Result<http::Url> url = http::parse_url(config.url);
    if (!url) {
        return std::unexpected(Error(url.error()).context("uplink.url"));
    }
    Result<std::unique_ptr<ports::Connector>> connector = node.ports().make_connector();
    if (!connector) {
        return std::unexpected(std::move(connector).error().context("uplink"));
    }
    auto owner = std::unique_ptr<UplinkOwner>(new UplinkOwner(node, config, *url));
    owner->connector_ = *std::move(connector);
    return owner;
}

UplinkOwner::UplinkOwner(Node& node, const Config::Uplink& config, const http::Url& url)
    : node_(node),
      config_(config),
      client_(node.journal(), client_options(node, config, url), node.ports().entropy) {}

UplinkOwner::~UplinkOwner() = default;

void UplinkOwner::remember(const std::vector<journal::Note>& notes) {
    for (const journal::Note& note : notes) {
        client_.remember(note.name, note.text);
    }
}

// ---- Turns

Instant UplinkOwner::turn(Now now) {
    if (stopped_) {
        return kNever;
    }
    const uplink::Uplink& engine = client_.engine();
    if (engine.state() == uplink::Uplink::State::waiting && engine.deadline() <= now.monotonic) {
        client_.on_network(connector_->network_name(), now);
    }
    tell_progress(now);
    client_.turn(now);
    serve(now);
    tell_progress(now);
    read_due(now);
    if (draining_ && node_.journal().first_position() >= node_.journal().store_end()) {
        draining_ = false;
        node_.ports().supervisor.give_back_memory();
    }
    return client_.deadline();
}

void UplinkOwner::tell_progress(Now now) {
    if (const auto link = links_.find(client_.awaited()); link != links_.end()) {
        const ports::Stream& stream = *link->second->stream;
        client_.progress(link->first,
                         {.sent_bytes = stream.bytes_sent() + stream.unsent_bytes(),
                          .acknowledged_bytes = stream.bytes_acknowledged()},
                         now);
    }
}

void UplinkOwner::serve(Now now) {
    while (std::optional<uplink::Action> action = client_.next_action()) {
        serve(*std::move(action), now);
    }
}

void UplinkOwner::serve(uplink::Action action, Now now) {
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
                leaving_.emplace(action.stream, std::move(link->second));
            }
            links_.erase(link);
            break;
        case Kind::log:
            node_.log().write(log_level(action.level), "uplink: " + action.text);
            break;
        case Kind::note:
            if (const Result<void> kept = node_.journal().note(
                    std::move(action.name), std::move(action.text), now.monotonic);
                !kept) {
                node_.log().debug("uplink: a note was not kept: " + kept.error().message);
            }
            break;
        case Kind::told:
            node_.told_time(action.server_time_us);
            node_.ports().supervisor.give_back_memory();  // of the handshake
            break;
    }
}

void UplinkOwner::stop() {
    stopped_ = true;
    const Now now = node_.now();
    client_.stop(now);
    serve(now);
}

// ---- Connecting

void UplinkOwner::open(uplink::StreamId id, bool proxied) {
    Result<std::string> authorization = read_authorization(node_.ports().files, config_.token_file);
    if (!authorization) {
        client_.failed(id, authorization.error(), node_.now());
        return;
    }
    connecting_[id] =
        connector_->connect(proxied, [this, id, authorization = *std::move(authorization)](
                                         Result<std::unique_ptr<ports::Stream>> stream) {
            connected(id, authorization, std::move(stream));
        });
}

void UplinkOwner::connected(uplink::StreamId id, const std::string& authorization,
                            Result<std::unique_ptr<ports::Stream>> stream) {
    const auto attempt = connecting_.extract(id);  // the caller's own captures live until the end
    if (stream) {
        auto link = std::make_unique<Link>(*this, id, *std::move(stream));
        link->stream->start(*link);
        const std::string peer = link->stream->peer();
        links_.emplace(id, std::move(link));
        client_.opened(id, peer, authorization, node_.now());
    } else {
        client_.failed(id, stream.error(), node_.now());
    }
    node_.poke();
}

// ---- Reading the backlog

void UplinkOwner::read_due(Now now) {
    const std::optional<uplink::Uplink::Read> read = client_.engine().take_read(now.monotonic);
    if (!read) {
        return;
    }
    draining_ = true;
    node_.storage().run(
        [read = *read](journal::Store& store) { return store.read(read.position, read.max_bytes); },
        [this](Result<std::vector<journal::Record>> records) {
            if (!records && records.error().code == ErrorCode::corrupt) {
                // Read again it would say the same for ever, and the backlog would stand still.
                node_.log().error("journal: the backlog cannot be read: " +
                                  records.error().message);
                node_.journal_is_corrupt();
                return;
            }
            client_.engine().fetched(std::move(records), node_.now().monotonic);
            node_.poke();
        });
}

}  // namespace holdfast::node
