#include "platform/net/stream.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <sys/socket.h>

#include <CppUTest/TestHarness.h>
#include <boost/asio/ip/tcp.hpp>

#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;

namespace {

Bytes random_bytes(std::mt19937& random, std::size_t size) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random());
    }
    return bytes;
}

}  // namespace

TEST_GROUP(Stream){};

TEST(Stream, bytes_arrive_exactly_and_in_order_both_ways) {
    const unsigned seed = std::random_device{}();
    std::mt19937 random(seed);
    Loopback net;
    net.when_accepted = [&](Peer& peer) {
        peer.when_bytes = [&](std::span<std::byte> bytes) { net.server->stream->send(bytes); };
    };
    CHECK(net.establish());
    Bytes sent;
    for (const std::size_t size : {1ul, 2ul, 511ul, 65'536ul, 262'144ul, 3'000'017ul}) {
        const Bytes bytes = random_bytes(random, size);
        append(sent, bytes);
        if (size % 2 == 0) {
            net.client->stream->send(std::make_shared<const Bytes>(bytes));
        } else {
            net.client->stream->send(ByteView(bytes));
        }
        if (random() % 2 == 0) {
            net.settle(5ms);
        }
    }
    CHECK(net.until([&] { return net.client->received.size() >= sent.size(); }));
    CHECK_TEXT(net.client->received == sent, ("seed " + std::to_string(seed)).c_str());
    CHECK(net.server->received == sent);
    CHECK_EQUAL(sent.size(), net.client->stream->bytes_sent());
    CHECK_EQUAL(sent.size(), net.client->stream->bytes_received());
    CHECK_EQUAL(0u, net.client->stream->unsent_bytes());
}
