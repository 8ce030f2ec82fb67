#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "platform/net/listener.h"
#include "platform/system/entropy.h"
#include "tests/conformance/sockjs_line.h"

namespace {

using namespace holdfast;

int serve(const std::string& address) {
    boost::asio::io_context io;
    system::SystemEntropy entropy;
    conformance::SockjsServer server(io, entropy);
    net::ListenOptions options;
    options.address = address;
    const auto listener = net::Listener::open(
        io, std::move(options),
        [&server](std::unique_ptr<ports::Stream> stream) { server.accept(std::move(stream)); },
        [](const std::string&, const Error&) {});
    if (!listener) {
        std::fprintf(stderr, "sockjs_test_server: %s\n", listener.error().message.c_str());
        return 1;
    }
    boost::asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });
    std::printf("listening on %s\n", (*listener)->address().c_str());
    std::fflush(stdout);
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8081;
    CLI::App line{"The SockJS services that the protocol's public test suite expects."};
    line.add_option("--address", address, "where to listen")->capture_default_str();
    line.add_option("--port", port, "0 is any free one")->capture_default_str();
    CLI11_PARSE(line, argc, argv);
    const bool bare_v6 = address.find(':') != std::string::npos && address.front() != '[';
    return serve((bare_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port));
}
