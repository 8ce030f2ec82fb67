#include "firmware/app/uplink_driver.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "firmware/app/node.h"
#include "platform/net/connect.h"
#include "platform/system/log.h"
#include "platform/system/memory.h"

namespace holdfast::app {

namespace {

constexpr const char* kProtocol = "holdfast.v1";
constexpr Duration kFarewell = std::chrono::seconds(1);
/// Gathered before they are handed to the stream, so that small records share a TLS record and a
/// system call.
constexpr std::size_t kGatheredBytes = 64u << 10;
constexpr std::size_t kLineSendLimitBytes = 256u << 10;

uplink::UplinkOptions engine_options(Node& node, const Config::Uplink& config) {
    uplink::UplinkOptions options;
    options.device = node.config().node.id;
    options.software = kSoftware;
    options.boot = system::boot_id();
    options.heartbeat = config.heartbeat.value_or(std::chrono::seconds(25));
    options.pong_timeout = config.pong_timeout;
    options.retry_min = config.retry_min;
    options.retry_max = config.retry_max;
    options.welcome_timeout = config.connect_timeout;
    return options;
}

/// Read anew for every connection, so that a token can be replaced while the node runs.
Result<std::string> read_token(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string token;
    if (!(in >> token)) {
        return fail(
            ErrorCode::not_found,
            "the token file " + file.string() +
                " cannot be read or is empty; `holdfast token create` on the hub makes a token");
    }
    return token;
}

}  // namespace

Result<std::unique_ptr<UplinkDriver>> UplinkDriver::make(Node& node, const Config::Uplink& config) {
    Result<http::Url> url = http::parse_url(config.url);
    if (!url) {
        return std::unexpected(std::move(url).error().context("uplink.url"));
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

UplinkDriver::UplinkDriver(Node& node, const Config::Uplink& config, http::Url url)
    : node_(node),
      config_(config),
      url_(std::move(url)),
      engine_(node.journal(), engine_options(node, config), node.entropy()),
      alive_(std::make_shared<bool>(true)) {}

UplinkDriver::~UplinkDriver() {
    *alive_ = false;
}

// ---- Connecting

boost::asio::awaitable<void> UplinkDriver::connect(std::shared_ptr<bool> alive) {
    if (!*alive || stopped_) {
        co_return;
    }
    net::ConnectOptions options;
    options.host = url_.host;
    options.port = url_.port;
    options.tls = tls_;
    options.connect_timeout = options.tls_timeout = config_.connect_timeout;
    options.stream.send_limit_bytes = kLineSendLimitBytes;
    ++tries_;

    websocket::ClientOffer offer;
    offer.host = url_.authority();
    offer.target = url_.target == "/" ? "/v1/uplink" : url_.target;
    offer.protocols = {kProtocol};
    offer.deflate = config_.deflate;
    offer.headers.emplace_back("User-Agent", kSoftware);
    if (!config_.token_file.empty()) {
        const Result<std::string> token = read_token(config_.token_file);
        if (!token) {
            log_failure(token.error());
            engine_.disconnected(token.error(), system::monotonic_now());
            node_.poke();
            co_return;
        }
        offer.headers.emplace_back("Authorization", "Bearer " + *token);
    }
    Result<std::unique_ptr<net::Stream>> stream = co_await net::connect(std::move(options));
    if (!*alive || stopped_) {
        co_return;
    }
    if (!stream) {
        log_failure(stream.error());
        engine_.disconnected(stream.error(), system::monotonic_now());
        node_.poke();
        co_return;
    }
    link_ = std::make_unique<Link>(*this, *std::move(stream));
    handshake_.emplace(std::move(offer), node_.entropy());
    head_.emplace();
    upgrade_due_ = system::monotonic_now() + config_.connect_timeout;
    link_->stream->start(*link_);
    link_->stream->send(as_bytes(handshake_->request()));
    node_.poke();
}

void UplinkDriver::upgraded(const http::Response& response) {
    const Result<websocket::ClientHandshake::Agreed> agreed = handshake_->check(response);
    handshake_.reset();
    upgrade_due_ = kNever;
    if (!agreed) {
        end_line(agreed.error(), websocket::CloseCode::normal);
        return;
    }
    if (agreed->protocol != kProtocol) {
        end_line({ErrorCode::unsupported, "the server does not speak holdfast.v1"},
                 websocket::CloseCode::protocol_error);
        return;
    }
    websocket::Limits limits;
    limits.message_size_bytes = 1u << 20;
    std::unique_ptr<websocket::Deflate> deflate;
    if (agreed->deflate) {
        deflate = std::make_unique<websocket::Deflate>(deflate_contexts_, *agreed->deflate);
    }
    socket_.emplace(websocket::Role::client, limits, &node_.entropy(), std::move(deflate));
    engine_.connected(system::monotonic_now());
}

// ---- The line

void UplinkDriver::Link::on_bytes(std::span<std::byte> bytes) {
    if (!ended) {
        driver.received(bytes);
    }
}

void UplinkDriver::Link::on_writable() {
    if (!ended) {
        driver.writable_ = true;
        driver.node_.poke();
    }
}

void UplinkDriver::Link::on_closed(const Error& error) {
    if (ended) {
        driver.farewell_.reset();
        return;
    }
    driver.end_line(driver.engine_.give_up(system::monotonic_now()).value_or(error),
                    websocket::CloseCode::normal);
}

void UplinkDriver::received(std::span<std::byte> bytes) {
    const Now now = system::now();
    if (head_ && !socket_) {
        ByteView unread = bytes;
        Result<std::optional<http::Response>> response = head_->next(unread);
        if (!response) {
            end_line(std::move(response).error().context("the answer to the WebSocket handshake"),
                     websocket::CloseCode::protocol_error);
            return;
        }
        if (!*response) {
            return;
        }
        upgraded(**response);
        bytes = bytes.last(unread.size());
    }
    if (socket_) {
        receive(bytes, now);
    }
    node_.poke();
}

void UplinkDriver::receive(std::span<std::byte> bytes, Now now) {
    using Kind = websocket::Event::Kind;
    engine_.heard(now.monotonic);
    Bytes out;
    while (socket_) {
        const std::optional<websocket::Event> event = socket_->next(bytes, out);
        if (!event) {
            break;
        }
        if (event->kind == Kind::binary) {
            message_due_ = kNever;
            if (const Result<void> result = engine_.received(event->payload, now.monotonic);
                !result) {
                end_line(result.error(), websocket::CloseCode::protocol_error);
                return;
            }
        } else if (event->kind == Kind::text) {
            end_line({ErrorCode::invalid, "the hub sent text on a line of binary messages"},
                     websocket::CloseCode::unsupported_data);
            return;
        } else if (event->kind == Kind::close || event->kind == Kind::error) {
            const std::string who = event->kind == Kind::close
                                        ? "the hub closed the line"
                                        : "the hub broke the WebSocket protocol";
            const Error error{ErrorCode::closed, who + ": " + std::to_string(event->code) + " " +
                                                     std::string(event->reason)};
            link_->stream->send(out);
            end_line(engine_.give_up(now.monotonic).value_or(error), websocket::CloseCode::normal);
            return;
        }
    }
    if (!out.empty()) {
        link_->stream->send(out);
    }
    // A hub that never ends what it has begun is heard all the time, and yet says nothing.
    message_due_ = socket_ && socket_->in_message()
                       ? std::min(message_due_, now.monotonic + config_.message_timeout)
                       : kNever;
    if (const std::optional<std::int64_t> told = engine_.take_server_time()) {
        log::info("uplink: live at " + config_.url + " (" + link_->stream->peer() + ")");
        logged_.clear();
        tries_ = 0;
        node_.told_time(*told);
        system::give_back_memory();  // of the handshake
    }
}

void UplinkDriver::end_line(const Error& error, websocket::CloseCode code) {
    if (!link_) {
        return;
    }
    if (error.code != ErrorCode::closed || engine_.state() != uplink::Uplink::State::live) {
        log_failure(error);
    } else {
        log::info("uplink: the line ended: " + error.message);
    }
    if (socket_ && !socket_->closed() && error.code != ErrorCode::timeout) {
        Bytes out;
        socket_->close(code, code == websocket::CloseCode::normal ? "" : error.message, out);
        link_->stream->send(out);
    }
    link_->ended = true;
    link_->stream->shutdown(kFarewell);
    farewell_ = std::move(link_);
    socket_.reset();
    head_.reset();
    handshake_.reset();
    upgrade_due_ = message_due_ = kNever;
    writable_ = true;
    engine_.disconnected(error, system::monotonic_now());
    node_.poke();
}

Instant UplinkDriver::turn(Now now) {
    if (stopped_) {
        return kNever;
    }
    if (engine_.connect_due(now.monotonic)) {
        boost::asio::co_spawn(node_.io(), connect(alive_), boost::asio::detached);
    }
    if (upgrade_due_ <= now.monotonic) {
        end_line({ErrorCode::timeout, "no answer to the WebSocket handshake"},
                 websocket::CloseCode::normal);
    }
    if (message_due_ <= now.monotonic) {
        end_line({ErrorCode::timeout, "the hub did not finish a message in time"},
                 websocket::CloseCode::normal);
    }
    if (socket_) {
        if (const std::optional<Error> error = engine_.give_up(now.monotonic)) {
            end_line(*error, websocket::CloseCode::normal);
        } else {
            send_due(now);
            read_due(now);
        }
    }
    if (draining_ && node_.journal().first_position() >= node_.journal().store_end()) {
        draining_ = false;
        system::give_back_memory();
    }
    for (const std::string& notice : engine_.take_notices()) {
        log::warning("uplink: " + notice);
    }
    return std::min({engine_.deadline(), upgrade_due_, message_due_});
}

void UplinkDriver::send_due(Now now) {
    Bytes out;
    if (engine_.ping_due(now.monotonic)) {
        socket_->send_ping({}, out);
        engine_.ping_sent(now.monotonic);
    }
    while (writable_) {
        const std::optional<uplink::Outgoing> message = engine_.next_message(now.monotonic);
        if (!message) {
            break;
        }
        // The body is a record, whose columns are compressed already.
        socket_->send_binary(
            message->head, message->body ? ByteView(*message->body) : ByteView{}, out,
            message->body ? websocket::Compression::off : websocket::Compression::automatic);
        if (out.size() >= kGatheredBytes) {
            writable_ = link_->stream->send(out);
            out.clear();
        }
    }
    if (!out.empty()) {
        writable_ = link_->stream->send(out) && writable_;
    }
}

void UplinkDriver::read_due(Now now) {
    const std::optional<uplink::Uplink::Read> read = engine_.take_read(now.monotonic);
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
            engine_.fetched(std::move(records), system::monotonic_now());
            node_.poke();
        });
}

void UplinkDriver::stop() {
    stopped_ = true;
    if (link_) {
        end_line({ErrorCode::closed, "this node stops"}, websocket::CloseCode::going_away);
    }
}

/// Once in full for each kind of failure; the same again is only worth a debug line.
void UplinkDriver::log_failure(const Error& error) {
    if (logged_ == error.message) {
        log::debug("uplink: again (try " + std::to_string(tries_) + "): " + error.message);
        return;
    }
    logged_ = error.message;
    log::warning("uplink: " + config_.url + ": " + error.message +
                 "; readings are kept, and the next tries follow by themselves");
}

}  // namespace holdfast::app
