#include "platform/net/listener.h"

#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>
#include <boost/asio/ip/tcp.hpp>

#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;

TEST_GROUP(Listener) {
    Loopback net;

    Error refusal(const std::string& address) {
        ListenOptions options;
        options.address = address;
        const auto opened = Listener::open(net.io, options, nullptr, nullptr);
        CHECK_FALSE(opened.has_value());
        return opened.error();
    }
};

TEST(Listener, a_taken_port_is_refused_with_advice) {
    CHECK(net.listen().has_value());
    const std::string address = net.listener->address();
    const Error error = refusal(address);
    CHECK(error.code == ErrorCode::refused);
    STRCMP_EQUAL(
        (address +
         " is already in use: is another holdfast running? choose another [listen] address")
            .c_str(),
        error.message.c_str());
}

TEST(Listener, listeners_that_agree_to_share_a_port_do) {
    ListenOptions options;
    options.share_port = true;
    CHECK(net.listen(options).has_value());
    options.address = net.listener->address();
    std::vector<std::unique_ptr<Stream>> streams;
    auto other = Listener::open(
        net.io, options,
        [&](std::unique_ptr<Stream> stream) { streams.push_back(std::move(stream)); }, nullptr);
    CHECK(other.has_value());
    CHECK(refusal(options.address).code == ErrorCode::refused);  // who does not share may not
    std::vector<std::unique_ptr<Stream>> clients;
    for (int i = 0; i < 64; ++i) {
        auto client = net.connect_stream(net.to());
        CHECK(client.has_value());
        clients.push_back(std::move(*client));
    }
    CHECK(net.until([&] { return net.listener->connections() + streams.size() == 64; }));
    CHECK(!streams.empty());
    CHECK(net.listener->connections() > 0);
    streams.clear();
}

TEST(Listener, what_is_no_address_is_invalid) {
    for (const char* text :
         {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:8x",
          "localhost:8080", "::1:8080", "[127.0.0.1]:8080", "[::1]"}) {
        const Error error = refusal(text);
        CHECK(error.code == ErrorCode::invalid);
        CHECK(error.message.find("is not an address with a port") != std::string::npos);
    }
}

TEST(Listener, an_address_of_another_machine_is_an_error) {
    CHECK(refusal("192.0.2.77:8080").code == ErrorCode::io);
}

TEST(Listener, the_unspecified_ipv6_address_takes_ipv4_too) {
    ListenOptions options;
    options.address = "[::]:0";
    if (!net.listen(options)) {
        return;  // there are machines without IPv6
    }
    CHECK(net.connect(net.to("127.0.0.1")).has_value());
    CHECK(net.connect(net.to("::1")).has_value());
    CHECK(net.listener->address().starts_with("[::]:"));
}

TEST(Listener, beyond_the_limit_connections_wait_until_one_ends) {
    ListenOptions options;
    options.max_connections = 1;
    CHECK(net.listen(options).has_value());
    auto first = net.connect_stream(net.to());
    CHECK(net.until([&] { return net.server != nullptr; }));
    auto second = net.connect_stream(net.to());
    CHECK(second.has_value());  // by the kernel
    (*second)->send(as_bytes("me too"));
    net.settle(30ms);
    CHECK_EQUAL(1u, net.listener->connections());
    CHECK_EQUAL(0u, net.earlier.size());
    net.server.reset();
    CHECK(net.until([&] { return net.server && net.server->received_size == 6; }));
    CHECK_EQUAL(1u, net.listener->connections());
}

TEST(Listener, goes_on_when_file_descriptors_were_used_up) {
    CHECK(net.listen().has_value());
    net.settle(1ms);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(client) + 1;  // every number up to this one may be in use
    std::vector<int> fillers;
    ::setrlimit(RLIMIT_NOFILE, &tight);
    for (int filler = ::dup(0); filler >= 0; filler = ::dup(0)) {
        fillers.push_back(filler);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(net.listener->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int connected = ::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    net.settle(30ms);
    const bool refused = net.server == nullptr;
    for (const int filler : fillers) {
        ::close(filler);
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK_EQUAL(0, connected);
    CHECK(refused);
    CHECK(net.until([&] { return net.server != nullptr; }));
    ::close(client);
}

TEST(Listener, may_be_destroyed_while_a_stream_is_handed_over) {
    net.when_accepted = [&](Peer&) { net.listener.reset(); };
    CHECK(net.listen().has_value());
    CHECK(net.connect(net.to()).has_value());
    CHECK(net.until([&] { return net.server != nullptr; }));
    net.server->stream->send(as_bytes("still here"));
    CHECK(net.until([&] { return net.client->received_size == 10; }));
}

TEST(Listener, nothing_stays_pending_after_it_is_destroyed) {
    CHECK(net.listen().has_value());
    net.listener.reset();
    net.io.restart();
    net.io.run_for(2s);
    CHECK(net.io.stopped());
}
