#include "platform/net/tls.h"

#include <cstdio>
#include <fstream>
#include <string>

#include <CppUTest/TestHarness.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "platform/net/tls_context.h"
#include "tests/platform/net/certificates.h"
#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;

namespace {

bool says(const std::string& message, const std::string& part) {
    if (message.find(part) == std::string::npos) {
        std::printf("\n\"%s\" does not say \"%s\"\n", message.c_str(), part.c_str());
        return false;
    }
    return true;
}

void only_tls12(TlsContext& context) {
    wolfSSL_CTX_set_options(static_cast<WolfTlsContext&>(context).get(), WOLFSSL_OP_NO_TLSv1_3);
}

}  // namespace

TEST_GROUP(Tls) {
    Loopback net;

    void listen(std::shared_ptr<TlsContext> tls, Duration timeout = 10s) {
        ListenOptions options;
        options.tls = std::move(tls);
        options.tls_timeout = timeout;
        CHECK(net.listen(options).has_value());
    }
    Result<void> connect(std::shared_ptr<TlsContext> tls, const std::string& host = "localhost") {
        ConnectOptions wanted = net.to(host);
        wanted.tls = std::move(tls);
        return net.connect(wanted);
    }
    /// What a client that trusts `ca` says of a server with certificate `name`.
    Error distrust(const std::string& name, const std::string& host = "localhost") {
        listen(server_tls(name));
        const Result<void> connected = connect(client_tls(), host);
        CHECK_FALSE(connected.has_value());
        CHECK(net.until([&] { return !net.failures.empty(); }));
        CHECK(net.failures[0].code == ErrorCode::refused);
        CHECK(says(connected.error().message,
                   "TLS with " + host + ":" + std::to_string(net.listener->port())));
        return connected.error();
    }
    /// A line with a server that requires a certificate; how it ends, seen by the client.
    Error client_refused(const std::string& name, bool tls12) {
        listen(server_tls("server", ClientCertificate::required));
        auto tls = client_tls(name);
        if (tls12) {
            only_tls12(*tls);
        }
        const Result<void> connected = connect(tls);
        CHECK(net.until([&] { return !net.failures.empty(); }));
        if (!connected) {
            return connected.error();
        }
        CHECK(net.until([&] { return net.client->closed.has_value(); }));
        return *net.client->closed;
    }
    bool echoes() {
        net.server->when_bytes = [this](std::span<std::byte> bytes) {
            net.server->stream->send(bytes);
        };
        net.client->stream->send(as_bytes("are you there?"));
        return net.until([this] { return net.client->received_size == 14; });
    }
    bool accepted() {
        return net.until([this] { return net.server != nullptr; });
    }
};

TEST(Tls, an_expired_certificate_is_untrusted) {
    const Error error = distrust("expired");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "has expired"));
}

TEST(Tls, a_certificate_not_yet_valid_is_untrusted) {
    const Error error = distrust("notyet");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "not yet valid"));
}

TEST(Tls, a_self_signed_certificate_is_untrusted) {
    const Error error = distrust("selfsigned");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "self-signed"));
}

TEST(Tls, a_certificate_of_an_unknown_issuer_is_untrusted) {
    const Error error = distrust("unknown");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "issuer we do not know"));
}

TEST(Tls, a_certificate_for_another_name_is_untrusted) {
    const Error error = distrust("wrongname");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "not for \"localhost\""));
}

TEST(Tls, a_certificate_for_another_address_is_untrusted) {
    const Error error = distrust("wrongname", "127.0.0.1");
    CHECK(error.code == ErrorCode::untrusted);
    CHECK(says(error.message, "not for \"127.0.0.1\""));
}

TEST(Tls, what_is_distrusted_in_tls_1_3_is_distrusted_in_tls_1_2) {
    for (const char* name : {"expired", "notyet", "selfsigned", "unknown", "wrongname"}) {
        listen(server_tls(name));
        auto tls = client_tls();
        only_tls12(*tls);
        const Result<void> connected = connect(tls);
        CHECK_FALSE(connected.has_value());
        CHECK(connected.error().code == ErrorCode::untrusted);
    }
}

TEST(Tls, without_verification_any_certificate_does) {
    listen(server_tls("expired"));
    CHECK(connect(
              TlsContext::client({.ca_file = {}, .cert_file = {}, .key_file = {}, .verify = false})
                  .value())
              .has_value());
    CHECK(accepted());
    CHECK(echoes());
    STRCMP_EQUAL("", net.client->stream->peer_certificate_name().c_str());
}

TEST(Tls, addresses_are_verified_as_addresses) {
    listen(server_tls());
    CHECK(connect(client_tls(), "127.0.0.1").has_value());
    CHECK(accepted());
    CHECK(echoes());
    net.listener.reset();
    ListenOptions options;
    options.address = "[::1]:0";
    options.tls = server_tls();
    if (net.listen(options)) {  // there are machines without IPv6
        CHECK(connect(client_tls(), "::1").has_value());
    }
}

TEST(Tls, version_1_2_is_spoken_too) {
    listen(server_tls());
    auto tls = client_tls();
    only_tls12(*tls);
    CHECK(connect(tls).has_value());
    CHECK(accepted());
    CHECK(echoes());
}

TEST(Tls, a_client_without_the_required_certificate_is_told_so) {
    const Error error = client_refused("", false);
    CHECK(error.code == ErrorCode::unauthorized || error.code == ErrorCode::refused);
    CHECK(says(error.message, "certificate"));
    CHECK(net.failures[0].code == ErrorCode::unauthorized);
    CHECK(says(net.failures[0].message, "showed no certificate"));
}

TEST(Tls, a_client_without_the_required_certificate_is_told_so_in_1_2) {
    const Error error = client_refused("", true);
    CHECK(error.code == ErrorCode::unauthorized || error.code == ErrorCode::refused);
    CHECK(says(error.message, "certificate"));
    CHECK(net.failures[0].code == ErrorCode::unauthorized);
}

TEST(Tls, a_client_certificate_of_an_unknown_issuer_is_untrusted) {
    const Error error = client_refused("client-other", false);
    CHECK(error.code == ErrorCode::unauthorized);
    CHECK(says(error.message, "does not know the issuer of our certificate"));
    CHECK(net.failures[0].code == ErrorCode::untrusted);
    CHECK(says(net.failures[0].message, "client's certificate is from an issuer we do not know"));
}

TEST(Tls, the_name_in_the_client_certificate_is_known) {
    listen(server_tls("server", ClientCertificate::required));
    for (const bool tls12 :
         {false, true, false}) {  // again: a resumed session must not lose the name
        net.server.reset();
        auto tls = client_tls("client");
        if (tls12) {
            only_tls12(*tls);
        }
        CHECK(connect(tls).has_value());
        CHECK(accepted());
        STRCMP_EQUAL("greenhouse-7", net.server->stream->peer_certificate_name().c_str());
        CHECK(echoes());
        net.server.reset();
        CHECK(connect(tls).has_value());
        CHECK(accepted());
        STRCMP_EQUAL("greenhouse-7", net.server->stream->peer_certificate_name().c_str());
    }
}

TEST(Tls, a_second_line_resumes_the_session_of_the_first_in_tls_1_3_only) {
    listen(server_tls("server-chain"));
    for (const bool tls12 : {false, true}) {
        auto tls = client_tls();
        if (tls12) {
            only_tls12(*tls);
        }
        net.server.reset();
        CHECK(connect(tls).has_value());
        CHECK(accepted());
        CHECK(echoes());
        const std::uint64_t full = net.client->stream->bytes_received();
        net.server.reset();
        net.client.reset();
        CHECK(connect(tls).has_value());
        CHECK(accepted());
        CHECK(echoes());
        // A resumed session is one in which no certificates were sent.
        CHECK((net.client->stream->bytes_received() + 800 < full) == !tls12);
    }
}

TEST(Tls, a_silent_client_is_dropped_after_the_timeout) {
    listen(server_tls(), 100ms);
    CHECK(net.connect(net.to()).has_value());  // plain, and says nothing
    CHECK(net.until([&] { return !net.failures.empty(); }));
    CHECK(net.failures[0].code == ErrorCode::timeout);
    CHECK(says(net.failures[0].message, "TLS handshake not done within 0.1 s"));
    CHECK_EQUAL(0u, net.listener->connections());
}

TEST(Tls, a_silent_server_is_given_up_after_the_timeout) {
    CHECK(net.listen().has_value());  // plain, and says nothing
    ConnectOptions wanted = net.to();
    wanted.tls = client_tls();
    wanted.tls_timeout = 100ms;
    const auto stream = net.connect_stream(wanted);
    CHECK_FALSE(stream.has_value());
    CHECK(stream.error().code == ErrorCode::timeout);
    CHECK(says(stream.error().message, "TLS with 127.0.0.1:"));
}

TEST(Tls, a_server_that_closes_during_the_handshake_is_reported) {
    net.when_accepted = [](Peer& peer) { peer.stream.reset(); };
    CHECK(net.listen().has_value());
    ConnectOptions wanted = net.to();
    wanted.tls = client_tls();
    const auto stream = net.connect_stream(wanted);
    CHECK_FALSE(stream.has_value());
    CHECK(stream.error().code == ErrorCode::closed || stream.error().code == ErrorCode::io);
}

TEST(Tls, what_is_not_tls_is_refused_as_invalid) {
    listen(server_tls());
    for (const char* text : {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                             "\x01\x02garbage that is no record at all"}) {
        net.failures.clear();
        CHECK(net.connect(net.to()).has_value());
        net.client->stream->send(as_bytes(text));
        CHECK(net.until([&] { return !net.failures.empty(); }));
        CHECK(net.failures[0].code == ErrorCode::invalid);
        CHECK(says(net.failures[0].message, "not TLS"));
        CHECK(net.until([&] { return net.client->closed.has_value(); }));
        CHECK_EQUAL(0u, net.listener->connections());
    }
}

TEST(Tls, a_plain_server_is_reported_as_not_speaking_tls) {
    net.when_accepted = [](Peer& peer) {
        peer.stream->send(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
    };
    CHECK(net.listen().has_value());
    ConnectOptions wanted = net.to();
    wanted.tls = client_tls();
    const auto stream = net.connect_stream(wanted);
    CHECK_FALSE(stream.has_value());
    CHECK(stream.error().code == ErrorCode::invalid);
}

TEST(Tls, garbage_after_the_handshake_ends_the_line) {
    listen(server_tls());
    // A relay between the two, which adds a record that nobody sealed.
    tcp::acceptor acceptor(net.io, {boost::asio::ip::make_address("127.0.0.1"), 0});
    tcp::socket from_client(net.io);
    tcp::socket to_server(net.io, tcp::v4());
    to_server.connect({boost::asio::ip::make_address("127.0.0.1"), net.listener->port()});
    bool relaying = true;
    std::function<void(tcp::socket&, tcp::socket&)> relay = [&](tcp::socket& from,
                                                                tcp::socket& to) {
        from.async_wait(tcp::socket::wait_read, [&](const boost::system::error_code& error) {
            boost::system::error_code ignored;
            std::vector<char> bytes(from.available(ignored));
            if (!error && relaying && !bytes.empty()) {
                from.read_some(boost::asio::buffer(bytes), ignored);
                boost::asio::write(to, boost::asio::buffer(bytes), ignored);
                relay(from, to);
            }
        });
    };
    acceptor.async_accept(from_client, [&](const boost::system::error_code&) {
        relay(from_client, to_server);
        relay(to_server, from_client);
    });
    ConnectOptions wanted = net.to("localhost");
    wanted.resolve = [](const std::string&) {
        return std::vector{boost::asio::ip::make_address("127.0.0.1")};
    };
    wanted.port = acceptor.local_endpoint().port();
    wanted.tls = client_tls();
    CHECK(net.connect(wanted).has_value());
    CHECK(accepted());
    CHECK(echoes());
    const std::string record("\x17\x03\x03\x00\x20this record was never encrypted!", 37);
    boost::asio::write(to_server, boost::asio::buffer(record));
    CHECK(net.until([&] { return net.server->closed.has_value(); }));
    CHECK(net.server->closed->code == ErrorCode::io ||
          net.server->closed->code == ErrorCode::invalid);
    CHECK(net.until([&] { return net.client->closed.has_value(); }));
    relaying = false;
    from_client.close();
    to_server.close();
    net.settle(5ms);
}

TEST(Tls, files_that_do_not_do_are_named) {
    const auto server = [](const std::string& cert, const std::string& key) {
        ServerTlsOptions options;
        options.cert_file = certificate_file(cert);
        options.key_file = certificate_file(key);
        return TlsContext::server(options).error();
    };
    std::ofstream(certificate_file("nonsense.pem")) << "this is not PEM\n";
    Error error = server("absent.pem", "server.key");
    CHECK(error.code == ErrorCode::not_found);
    CHECK(says(error.message, "absent.pem"));
    error = server("server.pem", "absent.key");
    CHECK(error.code == ErrorCode::not_found);
    CHECK(says(error.message, "absent.key"));
    error = server("nonsense.pem", "server.key");
    CHECK(error.code == ErrorCode::invalid);
    CHECK(says(error.message, "nonsense.pem"));
    error = server("server.pem", "nonsense.pem");
    CHECK(error.code == ErrorCode::invalid);
    CHECK(says(error.message, "nonsense.pem"));
    error = server("server.pem", "client.key");
    CHECK(error.code == ErrorCode::invalid);
    CHECK(says(error.message, "client.key does not belong to the certificate in"));
    CHECK(says(error.message, "server.pem"));

    ClientTlsOptions options;
    options.ca_file = certificate_file("nonsense.pem");
    error = TlsContext::client(options).error();
    CHECK(error.code == ErrorCode::invalid);
    CHECK(says(error.message, "nonsense.pem"));
    options.ca_file = certificate_file("");
    CHECK(TlsContext::client(options).error().code == ErrorCode::not_found);
}
