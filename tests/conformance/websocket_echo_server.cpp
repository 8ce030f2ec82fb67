#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "firmware/base/text.h"
#include "platform/net/listener.h"
#include "tests/conformance/echo_session.h"

namespace {

using namespace holdfast;

struct Options {
    std::string address = "127.0.0.1:9001";
    std::string tls_cert;
    std::string tls_key;
    std::string max_message = "64 MiB";
    std::string handshake_timeout = "10 s";
    std::string frame_timeout = "60 s";
    bool deflate = false;
    bool deflate_takeover = false;
    bool share_port = false;
};

int failed(const Error& error) {
    std::fprintf(stderr, "websocket_echo_server: %s\n", error.message.c_str());
    return 1;
}

/// As many connections as the process may have.
std::size_t connection_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    constexpr rlim_t kOwnDescriptors = 16;
    constexpr rlim_t kMost = 1'000'000;
    return static_cast<std::size_t>(std::min(limit.rlim_max, kMost) - kOwnDescriptors);
}

Result<net::ListenOptions> listen_options(const Options& options) {
    net::ListenOptions listen;
    listen.address = options.address;
    listen.max_connections = connection_limit();
    listen.share_port = options.share_port;
    listen.stream.send_limit_bytes = 1u << 20;
    if (!options.tls_cert.empty()) {
        auto context = net::TlsContext::server({options.tls_cert, options.tls_key, {}});
        if (!context) {
            return std::unexpected(context.error());
        }
        listen.tls = *std::move(context);
    }
    return listen;
}

Result<void> apply(const Options& options, conformance::EchoServer& server) {
    const Result<std::uint64_t> size = parse_size(options.max_message);
    const Result<Duration> handshake = parse_duration(options.handshake_timeout);
    const Result<Duration> frame = parse_duration(options.frame_timeout);
    for (const auto& [name, error] :
         {std::pair{"--max-message", size ? nullptr : &size.error()},
          std::pair{"--handshake-timeout", handshake ? nullptr : &handshake.error()},
          std::pair{"--frame-timeout", frame ? nullptr : &frame.error()}}) {
        if (error != nullptr) {
            return std::unexpected(Error(*error).context(name));
        }
    }
    server.limits.message_size_bytes = *size;
    server.handshake_timeout = *handshake;
    server.message_timeout = *frame;
    server.deflate.enabled = options.deflate || options.deflate_takeover;
    server.deflate.context_takeover = options.deflate_takeover;
    return {};
}

int serve(const Options& options) {
    boost::asio::io_context io;
    conformance::EchoServer server(io);
    if (const Result<void> applied = apply(options, server); !applied) {
        return failed(applied.error());
    }
    Result<net::ListenOptions> listen = listen_options(options);
    if (!listen) {
        return failed(listen.error());
    }
    listen->tls_timeout = server.handshake_timeout;
    const auto listener = net::Listener::open(
        io, *std::move(listen),
        [&server](std::unique_ptr<ports::Stream> stream) { server.accept(std::move(stream)); },
        [](const std::string&, const Error&) {});
    if (!listener) {
        return failed(listener.error());
    }
    boost::asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });
    std::printf("listening on %s\n", (*listener)->address().c_str());
    std::fflush(stdout);
    server.thread.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App line{"Sends every WebSocket message back, on any path."};
    line.add_option("--address", options.address, "where to listen; port 0 is any free one")
        ->capture_default_str();
    line.add_flag("--deflate", options.deflate, "agree to permessage-deflate");
    line.add_flag("--deflate-takeover", options.deflate_takeover,
                  "as --deflate, with contexts that outlive a message");
    line.add_flag("--share-port", options.share_port,
                  "several of these processes listen on one address");
    CLI::Option* cert = line.add_option("--tls-cert", options.tls_cert, "PEM chain: speak TLS");
    CLI::Option* key = line.add_option("--tls-key", options.tls_key, "its key")->needs(cert);
    cert->needs(key);
    line.add_option("--max-message", options.max_message, "a longer one is refused with 1009")
        ->capture_default_str();
    line.add_option("--handshake-timeout", options.handshake_timeout,
                    "for the request head, and for TLS")
        ->capture_default_str();
    line.add_option("--frame-timeout", options.frame_timeout,
                    "for a frame or a message that has begun")
        ->capture_default_str();
    CLI11_PARSE(line, argc, argv);
    return serve(options);
}
