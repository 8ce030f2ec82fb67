#include "firmware/app/host.h"

#include <algorithm>
#include <utility>

#include "firmware/http/message.h"
#include "firmware/node/node.h"
#include "platform/net/connector.h"
#include "platform/net/listener.h"
#include "platform/net/network_thread.h"
#include "platform/net/tls.h"
#include "platform/sensors/driver.h"
#include "platform/sensors/lines.h"
#include "platform/system/open_files.h"
#include "platform/system/worker_thread.h"

namespace holdfast::app {

namespace {

/// What may wait for a peer before it is not read from any more: answers of the listener, records
/// of the uplink.
constexpr std::size_t kSendLimitBytes = 256u << 10;
/// Open files that connections leave to the journal, the sensors, the uplink and the status.
constexpr std::uint64_t kSpareFiles = 64;

/// As many connections as are wanted, or as the process can have: a flood of them must not take the
/// files that the journal needs.
std::size_t connection_limit(std::uint64_t wanted) {
    const std::uint64_t limit = system::raise_open_files(wanted + kSpareFiles);
    const std::uint64_t possible = limit - std::min(kSpareFiles, limit / 2);
    if (possible < wanted) {
        log::warning("listen: the limit of open files allows " + std::to_string(possible) +
                     " connections; max_connections asks for " + std::to_string(wanted));
    }
    return static_cast<std::size_t>(std::min(wanted, possible));
}

}  // namespace

Host::Host(boost::asio::io_context& io, node::Config config)
    : io_(io), config_(std::move(config)), loop_(io) {}

Result<void> Host::make_data_directory() const {
    std::error_code error;
    std::filesystem::create_directories(config_.node.data_dir, error);
    if (error) {
        return fail(ErrorCode::io, "node.data_dir " + config_.node.data_dir.string() +
                                       " cannot be made: " + error.message());
    }
    return {};
}

node::Ports Host::ports() {
    return {
        .loop = loop_,
        .clock = clock_,
        .entropy = entropy_,
        .files = files_,
        .log = log_,
        .supervisor = supervisor_,
        .make_worker =
            [this] {
                auto& thread = net::NetworkThread::of(io_);
                return std::make_unique<system::WorkerThread>(
                    [&thread](ports::Worker::Task task) { thread.post(std::move(task)); });
            },
        .listen = [this](ports::Acceptor& acceptor) { return listen(acceptor); },
        .make_connector = [this] { return make_connector(); },
        .make_driver =
            [](const std::string& name) { return sensors::find_driver_type(name)->make({}); },
        .open_lines =
            [this](const std::string& path, ports::LinePosition start,
                   ports::LineSource::Handler handler) {
                return sensors::open_lines(io_, path, start, std::move(handler));
            },
    };
}

Result<std::unique_ptr<ports::Listener>> Host::listen(ports::Acceptor& acceptor) {
    const node::Config::Listen& config = *config_.listen;
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
            return std::unexpected(std::move(context).error());
        }
        options.tls = *std::move(context);
    }
    return net::Listener::open(
        io_, std::move(options),
        [&acceptor](std::unique_ptr<ports::Stream> stream) {
            acceptor.accepted(std::move(stream));
        },
        [&acceptor](const std::string& peer, const Error& error) { acceptor.failed(peer, error); });
}

Result<std::unique_ptr<ports::Connector>> Host::make_connector() {
    const node::Config::Uplink& config = *config_.uplink;
    const Result<http::Url> url = http::parse_url(config.url);
    if (!url) {
        return std::unexpected(Error(url.error()).context("uplink.url"));
    }
    net::ConnectOptions options;
    options.host = url->host;
    options.port = url->port;
    options.connect_timeout = options.tls_timeout = options.proxy_timeout = config.connect_timeout;
    options.stream.send_limit_bytes = kSendLimitBytes;
    options.proxy = config.proxy;
    options.user_agent = node::kSoftware;
    if (url->scheme == "wss") {
        net::ClientTlsOptions tls;
        tls.ca_file = config.ca_file;
        tls.cert_file = config.cert_file;
        tls.key_file = config.key_file;
        Result<std::shared_ptr<net::TlsContext>> context = net::TlsContext::client(tls);
        if (!context) {
            return std::unexpected(std::move(context).error());
        }
        options.tls = *std::move(context);
    }
    return std::make_unique<net::Connector>(io_, std::move(options));
}

}  // namespace holdfast::app
