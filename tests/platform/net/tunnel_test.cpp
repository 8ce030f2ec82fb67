#include "platform/net/tunnel.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "tests/platform/net/certificates.h"
#include "tests/platform/net/little_proxy.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;

TEST_GROUP(Tunnel) {
    Loopback net;
    std::unique_ptr<LittleProxy> proxy = std::make_unique<LittleProxy>(net);

    std::string named() const {
        return "the proxy 127.0.0.1:" + std::to_string(proxy->port());
    }

    /// To a hub that only the proxy knows.
    ConnectOptions through_proxy(const std::string& host = "hub.example") {
        ConnectOptions wanted = net.to(host);
        wanted.proxy = proxy->settings();
        wanted.resolve = [](const std::string& name) {
            FAIL(("looked up " + name).c_str());
            return std::vector<boost::asio::ip::address>();
        };
        return wanted;
    }
    void expect_error(const ConnectOptions& wanted, ErrorCode code, const std::string& message) {
        const auto stream = net.connect_stream(wanted);
        STRCMP_EQUAL(message.c_str(), stream ? "connected" : stream.error().message.c_str());
        CHECK(!stream && stream.error().code == code);
    }
    /// To a listener here, by way of the proxy.
    Result<void> reach(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client,
                       const std::string& host) {
        ListenOptions options;
        options.tls = std::move(server);
        CHECK(net.listen(options).has_value());
        proxy->relays_to = net.listener->port();
        ConnectOptions wanted = through_proxy(host);
        wanted.tls = std::move(client);
        return net.connect(wanted);
    }
    bool echoes() {
        if (!net.until([&] { return net.server != nullptr; })) {
            return false;
        }
        net.server->when_bytes = [this](std::span<std::byte> bytes) {
            net.server->stream->send(bytes);
        };
        net.client->stream->send(as_bytes("are you there?"));
        return net.until([this] { return net.client->received_size == 14; });
    }
};

TEST(Tunnel, a_line_goes_through_and_the_proxy_looks_up_the_host) {
    CHECK(reach(nullptr, nullptr, "hub.example").has_value());
    CHECK(echoes());
    STRCMP_EQUAL(("CONNECT hub.example:" + std::to_string(net.listener->port()) + " HTTP/1.1\r\n" +
                  "Host: hub.example:" + std::to_string(net.listener->port()) +
                  "\r\nUser-Agent: holdfast\r\n\r\n")
                     .c_str(),
                 proxy->request.c_str());
}

TEST(Tunnel, tls_goes_through_with_the_hosts_name) {
    CHECK(reach(server_tls(), client_tls(), "localhost").has_value());
    CHECK(echoes());
}

TEST(Tunnel, a_wrong_certificate_behind_the_proxy_is_untrusted) {
    const auto connected = reach(server_tls("wrongname"), client_tls(), "localhost");
    CHECK(!connected && connected.error().code == ErrorCode::untrusted);
    STRCMP_CONTAINS(("TLS with localhost:" + std::to_string(net.listener->port()) + " through " +
                     named() + ": ")
                        .c_str(),
                    connected.error().message.c_str());
}

TEST(Tunnel, credentials_are_given) {
    ConnectOptions wanted = through_proxy();
    wanted.proxy->user = "kim";
    wanted.proxy->password = "secret";
    CHECK(net.connect(wanted).has_value());
    STRCMP_CONTAINS("\r\nProxy-Authorization: Basic a2ltOnNlY3JldA==\r\n", proxy->request.c_str());
}

TEST(Tunnel, what_comes_with_the_proxys_head_belongs_to_the_tunnel) {
    proxy->answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello";
    CHECK(net.connect(through_proxy()).has_value());
    CHECK(net.until([&] { return net.client->received_size == 5; }));
    STRCMP_EQUAL("hello", std::string(as_text(net.client->received)).c_str());
    net.client->stream->send(as_bytes("and you?"));
    CHECK(net.until([&] { return proxy->received == "and you?"; }));
}

TEST(Tunnel, an_answer_may_come_byte_by_byte) {
    proxy->answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nabc";
    proxy->piece_bytes = 1;
    CHECK(net.connect(through_proxy()).has_value());
    CHECK(net.until([&] { return net.client->received_size == 3; }));
}

TEST(Tunnel, a_head_longer_than_one_read_is_read_to_its_end_and_no_further) {
    proxy->answer =
        "HTTP/1.1 200 OK\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n" + std::string(5000, 'y');
    CHECK(net.connect(through_proxy()).has_value());
    CHECK(net.until([&] { return net.client->received_size == 5000; }));
    CHECK(as_text(net.client->received) == std::string(5000, 'y'));
}

TEST(Tunnel, a_proxy_that_is_down_is_named) {
    ConnectOptions wanted = through_proxy();
    const std::string name = named();
    proxy = nullptr;
    expect_error(wanted, ErrorCode::refused, "connecting to " + name + ": connection refused");
    proxy = std::make_unique<LittleProxy>(net);
}

TEST(Tunnel, a_proxy_that_is_unknown_is_named) {
    ConnectOptions wanted = through_proxy();
    wanted.proxy->host = "proxy.example";
    wanted.proxy->port = 3128;
    wanted.resolve = [](const std::string& name) {
        STRCMP_EQUAL("proxy.example", name.c_str());
        return std::vector<boost::asio::ip::address>();
    };
    expect_error(wanted, ErrorCode::not_found,
                 "looking up the proxy proxy.example:3128: it has no address");
}

TEST(Tunnel, what_the_proxy_refuses_is_told) {
    proxy->answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n";
    const ConnectOptions wanted = through_proxy();
    expect_error(wanted, ErrorCode::refused,
                 named() + " forbids the way to hub.example:" + std::to_string(wanted.port) +
                     " (403 Forbidden); its rules must allow CONNECT to this host and port");
    CHECK(net.until([&] { return proxy->client_gone; }));
}

TEST(Tunnel, a_proxy_that_hangs_up_is_told) {
    proxy->answer = "";
    proxy->hangs_up = true;
    expect_error(through_proxy(), ErrorCode::closed,
                 named() + " closes the connection without an answer to CONNECT");
}

TEST(Tunnel, a_proxy_that_hangs_up_amid_its_answer_is_told) {
    proxy->answer = "HTTP/1.1 200 OK\r\n";
    proxy->hangs_up = true;
    expect_error(through_proxy(), ErrorCode::closed,
                 named() + " closes the connection amid its answer to CONNECT");
}

TEST(Tunnel, a_proxy_that_resets_is_told) {
    proxy->answer = "";
    proxy->resets = true;
    expect_error(through_proxy(), ErrorCode::io, named() + ": Connection reset by peer");
}

TEST(Tunnel, a_silent_proxy_is_a_timeout) {
    proxy->answer = "HTTP/1.1 ";
    ConnectOptions wanted = through_proxy();
    wanted.proxy_timeout = 100ms;
    expect_error(wanted, ErrorCode::timeout, named() + ": no answer to CONNECT within 0.1 s");
}

TEST(Tunnel, an_endless_head_ends_in_time_however_it_dribbles) {
    proxy->answer = "HTTP/1.1 100 Continue\r\n\r\n";
    proxy->repeats = true;
    proxy->piece_bytes = 1;
    ConnectOptions wanted = through_proxy();
    wanted.proxy_timeout = 100ms;
    expect_error(wanted, ErrorCode::timeout, named() + ": no answer to CONNECT within 0.1 s");
    CHECK(net.until([&] { return proxy->client_gone; }));
}

TEST(Tunnel, an_endless_head_is_too_large) {
    proxy->answer = "HTTP/1.1 100 Continue\r\nX: " + std::string(4000, 'x') + "\r\n\r\n";
    proxy->repeats = true;
    expect_error(through_proxy(), ErrorCode::too_large,
                 named() + " answers with a head larger than 16384 bytes");
    CHECK(net.until([&] { return proxy->client_gone; }));
}

TEST(Tunnel, cancelling_releases_everything) {
    proxy->answer = "HTTP/1.1 ";
    boost::asio::cancellation_signal signal;
    bool ended = false;
    const auto task = [](ConnectOptions options) -> boost::asio::awaitable<void> {
        co_await holdfast::net::connect(std::move(options));
    };
    boost::asio::co_spawn(net.io, task(through_proxy()),
                          boost::asio::bind_cancellation_slot(
                              signal.slot(), [&](const std::exception_ptr&) { ended = true; }));
    CHECK(net.until([&] { return !proxy->request.empty(); }));
    net.settle(20ms);
    CHECK_FALSE(ended);
    signal.emit(boost::asio::cancellation_type::terminal);
    CHECK(net.until([&] { return ended; }, 2s));
    CHECK(net.until([&] { return proxy->client_gone; }, 2s));
}

TEST(Tunnel, an_io_context_may_end_while_the_proxy_is_waited_for) {
    proxy->answer = "HTTP/1.1 ";
    const auto task = [](ConnectOptions options) -> boost::asio::awaitable<void> {
        co_await holdfast::net::connect(std::move(options));
    };
    boost::asio::co_spawn(net.io, task(through_proxy()), boost::asio::detached);
    CHECK(net.until([&] { return !proxy->request.empty(); }));
}
