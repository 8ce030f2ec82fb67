#include "platform/net/connect.h"

#include <string>
#include <sys/socket.h>
#include <vector>

#include <CppUTest/TestHarness.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

boost::asio::ip::address address(const char* text) {
    return boost::asio::ip::make_address(text);
}

/// An address that answers nothing: a listener whose backlog is full, so that the kernel drops what
/// comes.
struct DeadAddress {
    tcp::acceptor acceptor;
    std::vector<tcp::socket> filling;

    DeadAddress(Loopback& net, std::uint16_t port) : acceptor(net.io) {
        const tcp::endpoint endpoint(address("127.0.0.2"), port);
        acceptor.open(endpoint.protocol());
        acceptor.bind(endpoint);
        acceptor.listen(0);
        for (int i = 0; i < 8; ++i) {
            filling.emplace_back(net.io, tcp::v4());
            // Not Asio's connect, which waits even where the socket does not.
            filling.back().native_non_blocking(true);
            const tcp::endpoint full = acceptor.local_endpoint();
            ::connect(filling.back().native_handle(), full.data(),
                      static_cast<socklen_t>(full.size()));
        }
    }
    [[nodiscard]] std::uint16_t port() const { return acceptor.local_endpoint().port(); }
};

}  // namespace

TEST_GROUP(Connect) {
    Loopback net;
};

TEST(Connect, nobody_listening_is_refused_and_named) {
    CHECK(net.listen().has_value());
    ConnectOptions wanted = net.to();
    net.listener.reset();
    const auto stream = net.connect_stream(wanted);
    CHECK_FALSE(stream.has_value());
    CHECK(stream.error().code == ErrorCode::refused);
    STRCMP_EQUAL(
        ("connecting to 127.0.0.1:" + std::to_string(wanted.port) + ": connection refused").c_str(),
        stream.error().message.c_str());
}

TEST(Connect, a_dead_first_address_delays_by_one_attempt_only) {
    CHECK(net.listen().has_value());
    const DeadAddress dead(net, net.listener->port());
    ConnectOptions wanted = net.to("two.example");
    wanted.attempt_delay = 60ms;
    wanted.resolve = [](const std::string&) {
        return std::vector{address("127.0.0.2"), address("127.0.0.1")};
    };
    const auto begin = Clock::now();
    auto stream = net.connect_stream(wanted);
    const auto took = Clock::now() - begin;
    CHECK(stream.has_value());
    STRCMP_EQUAL(net.listener->address().c_str(), (*stream)->peer().c_str());
    CHECK(took >= 60ms);
    CHECK(took < 5s);
}

TEST(Connect, a_refused_address_is_followed_by_the_next_at_once) {
    CHECK(net.listen().has_value());
    ConnectOptions wanted = net.to("two.example");
    wanted.attempt_delay = 10s;
    wanted.resolve = [](const std::string&) {
        return std::vector{address("127.0.0.3"), address("127.0.0.1")};
    };
    CHECK(net.connect(wanted).has_value());
}

TEST(Connect, families_are_tried_in_turn) {
    CHECK(net.listen().has_value());
    const DeadAddress dead(net, net.listener->port());
    ConnectOptions wanted = net.to("many.example");
    wanted.attempt_delay = 10s;
    // ::1 is second though it comes last: it refuses at once, and so does 127.0.0.1's turn come.
    wanted.resolve = [](const std::string&) {
        return std::vector{address("127.0.0.1"), address("127.0.0.2"), address("::1")};
    };
    CHECK(net.connect(wanted).has_value());
    wanted.connect_timeout = 2s;
    wanted.resolve = [](const std::string&) {
        return std::vector{address("::1"), address("::1"), address("127.0.0.1")};
    };
    CHECK(net.connect(wanted).has_value());
}

TEST(Connect, a_silent_address_is_a_timeout) {
    const DeadAddress dead(net, 0);
    ConnectOptions wanted;
    wanted.host = "127.0.0.2";
    wanted.port = dead.port();
    wanted.connect_timeout = 100ms;
    const auto stream = net.connect_stream(wanted);
    CHECK_FALSE(stream.has_value());
    CHECK(stream.error().code == ErrorCode::timeout);
    CHECK(stream.error().message.find(": no answer within 0.1 s") != std::string::npos);
}

TEST(Connect, a_host_without_address_is_not_found) {
    ConnectOptions wanted = net.to("nowhere.example");
    wanted.resolve = [](const std::string&) { return std::vector<boost::asio::ip::address>(); };
    const auto stream = net.connect_stream(wanted);
    CHECK(stream.error().code == ErrorCode::not_found);
    STRCMP_EQUAL("looking up nowhere.example: it has no address", stream.error().message.c_str());
}

TEST(Connect, the_system_resolves_localhost) {
    CHECK(net.listen().has_value());
    CHECK(net.connect(net.to("localhost")).has_value());
}

TEST(Connect, cancelling_releases_everything) {
    const DeadAddress dead(net, 0);
    ConnectOptions wanted;
    wanted.host = "127.0.0.2";
    wanted.port = dead.port();
    boost::asio::cancellation_signal signal;
    bool ended = false;
    const auto task = [](ConnectOptions options) -> boost::asio::awaitable<void> {
        co_await holdfast::net::connect(std::move(options));
    };
    boost::asio::co_spawn(net.io, task(wanted),
                          boost::asio::bind_cancellation_slot(
                              signal.slot(), [&](std::exception_ptr) { ended = true; }));
    net.settle(20ms);
    CHECK_FALSE(ended);
    signal.emit(boost::asio::cancellation_type::terminal);
    CHECK(net.until([&] { return ended; }, 2s));
    net.io.restart();
    CHECK(net.io.run_for(2s) < 10);
    CHECK(net.io.stopped());  // nothing is pending any more
}

TEST(Connect, an_io_context_may_end_while_connecting) {
    Loopback inner;
    const DeadAddress dead(net, 0);
    ConnectOptions wanted;
    wanted.host = "127.0.0.2";
    wanted.port = dead.port();
    const auto task = [](ConnectOptions options) -> boost::asio::awaitable<void> {
        co_await holdfast::net::connect(std::move(options));
    };
    boost::asio::co_spawn(inner.io, task(wanted), boost::asio::detached);
    inner.settle(10ms);
}
