#include "firmware/ports/stream.h"

#include <algorithm>
#include <random>
#include <string>
#include <sys/socket.h>

#include <CppUTest/TestHarness.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "tests/platform/net/certificates.h"
#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;

namespace {

Bytes random_bytes(std::mt19937& random, std::size_t size) {
    Bytes bytes(size);
    std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
    return bytes;
}

/// A client that is only a socket, for what a Stream would never do.
struct RawClient {
    tcp::socket socket;
    explicit RawClient(Loopback& net) : socket(net.io) {
        socket.connect({boost::asio::ip::make_address("127.0.0.1"), net.listener->port()});
    }
    void reset() {
        socket.set_option(boost::asio::socket_base::linger(true, 0));
        socket.close();
    }
};

}  // namespace

/// Each property holds on a plain line and on TLS: the tests run `both`.
TEST_GROUP(Stream) {
    std::unique_ptr<Loopback> net;

    void establish(bool tls, std::size_t send_limit_bytes = 4u << 20,
                   std::function<void(Peer&)> when_accepted = {}) {
        net = std::make_unique<Loopback>();
        net->when_accepted = std::move(when_accepted);
        ListenOptions options;
        options.stream.send_limit_bytes = send_limit_bytes;
        if (tls) {
            options.tls = server_tls();
        }
        CHECK(net->establish(options, tls ? client_tls() : nullptr));
    }
    void echo(bool tls) {
        const unsigned seed = std::random_device{}();
        std::mt19937 random(seed);
        establish(tls);
        net->server->when_bytes = [&](std::span<std::byte> bytes) {
            net->server->stream->send(bytes);
        };
        Bytes sent;
        for (const std::size_t size :
             {1u, 2u, 511u, 16'383u, 16'384u, 16'385u, 65'536u, 262'144u, 3'000'017u}) {
            const Bytes bytes = random_bytes(random, size);
            append(sent, bytes);
            if (random() % 2 == 0) {
                net->client->stream->send(std::make_shared<const Bytes>(bytes));
            } else {
                net->client->stream->send(ByteView(bytes));
            }
            net->settle(std::chrono::milliseconds(random() % 8));
        }
        CHECK(net->until([&] { return net->client->received.size() >= sent.size(); }));
        CHECK_TEXT(net->client->received == sent, ("seed " + std::to_string(seed)).c_str());
        CHECK(net->server->received == sent);
        CHECK(net->until([&] { return net->client->stream->unsent_bytes() == 0; }));
        CHECK(net->client->stream->bytes_sent() >= sent.size());
        CHECK(net->client->stream->bytes_received() >= sent.size());
        CHECK(tls || net->client->stream->bytes_sent() == sent.size());
    }
    void back_pressure(bool tls) {
        constexpr std::size_t kLimit = 256u << 10;
        constexpr std::size_t kPiece = 10'000;
        constexpr std::size_t kTotal = 24u << 20;
        establish(tls, kLimit);
        net->client->keeps_bytes = false;
        net->client->stream->pause();
        const Bytes piece(kPiece);
        std::size_t given = 0;
        std::size_t most_unsent = 0;
        const auto send_on = [&] {
            while (given < kTotal) {
                given += kPiece;
                const bool more = net->server->stream->send(ByteView(piece));
                most_unsent = std::max(most_unsent, net->server->stream->unsent_bytes());
                if (!more) {
                    break;
                }
            }
        };
        net->server->when_writable = send_on;
        send_on();
        net->settle(50ms);
        CHECK(given < kTotal);  // the paused reader holds the sender back
        CHECK_EQUAL(0u, net->client->received_size);
        const ports::Stream& sender = *net->server->stream;
        const std::uint64_t taken = sender.bytes_acknowledged();
        CHECK(taken < sender.bytes_sent());
        net->client->stream->resume();
        CHECK(net->until([&] { return net->client->received_size >= kTotal; }));
        CHECK(net->until([&] { return sender.bytes_acknowledged() >= kTotal; }));
        CHECK(taken < sender.bytes_acknowledged());
        CHECK_EQUAL(sender.bytes_sent(), sender.bytes_acknowledged());
        CHECK(net->server->writable > 0);
        CHECK(most_unsent <= kLimit + 2 * kPiece + 1000);
    }
    void coalescing(bool tls) {
        establish(tls);
        const std::uint64_t before = net->client->stream->bytes_sent();
        for (int i = 0; i < 1000; ++i) {
            net->client->stream->send(as_bytes("twenty bytes exactly"));
        }
        CHECK(net->until([&] { return net->server->received_size == 20'000; }));
        // Two records' heads and tags at most; and the peer gets it in one piece, or nearly.
        CHECK(net->client->stream->bytes_sent() - before <= 20'000 + (tls ? 2 * 22 : 0));
        CHECK(net->server->pieces.size() <= 2);
        // Answers given while bytes are handled leave together too.
        net->server->when_bytes = [&](std::span<std::byte>) {
            for (int i = 0; i < 500; ++i) {
                net->server->stream->send(as_bytes("twenty bytes exactly"));
            }
        };
        net->client->stream->send(as_bytes("?"));
        CHECK(net->until([&] { return net->client->received_size == 10'000; }));
        CHECK_EQUAL(1u, net->client->pieces.size());
    }
    void pausing(bool tls) {
        establish(tls);
        net->server->when_bytes = [&](std::span<std::byte>) { net->server->stream->pause(); };
        net->client->stream->send(as_bytes("first"));
        CHECK(net->until([&] { return net->server->received_size == 5; }));
        net->client->stream->send(as_bytes("second"));
        net->settle(30ms);
        CHECK_EQUAL(5u, net->server->received_size);
        net->server->stream->resume();
        CHECK(net->until([&] { return net->server->received_size == 11; }));
    }
    void ending(bool tls) {
        establish(tls);
        const Bytes bytes(5'000'000);
        net->client->stream->send(ByteView(bytes));
        net->client->stream->shutdown(10s);
        CHECK(net->until([&] { return net->server->closed && net->client->closed; }));
        CHECK_EQUAL(bytes.size(), net->server->received_size);
        CHECK(net->server->closed->code == ErrorCode::closed);
        CHECK(net->client->closed->code == ErrorCode::closed);
        CHECK(net->server->closed->message.find("close_notify") == std::string::npos);
        CHECK(net->server->stream->send(as_bytes("into the void")));  // harmless
        net->server->stream->abort();
    }
    void destroying(bool tls) {
        establish(tls);
        net->server->when_bytes = [&](std::span<std::byte>) {
            net->server->stream->send(as_bytes("never"));
            net->server->stream.reset();
        };
        net->client->when_closed = [&] { net->client->stream.reset(); };
        net->client->stream->send(as_bytes("bye"));
        CHECK(net->until([&] { return net->client->closed.has_value(); }));

        establish(tls, 1000);
        const Bytes bytes(4'000'000);
        net->server->when_writable = [&] { net->server->stream.reset(); };
        CHECK_FALSE(net->server->stream->send(ByteView(bytes)));
        CHECK(net->until([&] { return net->server->stream == nullptr; }));

        // Before it is started, and with a flush under way.
        establish(tls, 1000, [](Peer& peer) {
            peer.stream->send(as_bytes("hello"));
            peer.stream.reset();
        });
        CHECK(net->until([&] { return net->client->closed.has_value(); }));
        net->client->stream->send(as_bytes("hello"));
        net->client->stream.reset();
        net->settle(5ms);
    }
    void sending_before_start(bool tls) {
        net = std::make_unique<Loopback>();
        ListenOptions options;
        options.tls = tls ? server_tls() : nullptr;
        CHECK(net->listen(options).has_value());
        ConnectOptions wanted = net->to("localhost");
        wanted.tls = tls ? client_tls() : nullptr;
        auto stream = net->connect_stream(wanted);
        CHECK(stream.has_value());
        (*stream)->send(as_bytes("early"));
        CHECK(net->until([&] { return net->server && net->server->received_size == 5; }));
        net->server->stream->send(as_bytes("answer"));
        net->server->stream->shutdown(1s);
        net->settle(20ms);
        Peer late;
        late.stream = std::move(*stream);
        late.stream->start(late);
        CHECK(net->until([&] { return late.closed.has_value(); }));
        CHECK(as_text(late.received) == "answer");
        late.stream.reset();
    }
};

TEST(Stream, bytes_arrive_exactly_and_in_order_both_ways) {
    echo(false);
    echo(true);
}

TEST(Stream, what_waits_stays_bounded_when_the_sender_obeys) {
    back_pressure(false);
    back_pressure(true);
}

TEST(Stream, many_small_sends_leave_together) {
    coalescing(false);
    coalescing(true);
}

TEST(Stream, a_paused_stream_receives_nothing_until_resumed) {
    pausing(false);
    pausing(true);
}

TEST(Stream, shutdown_sends_all_and_ends_both_sides_orderly) {
    ending(false);
    ending(true);
}

TEST(Stream, the_owner_may_destroy_it_in_any_callback) {
    destroying(false);
    destroying(true);
}

TEST(Stream, what_is_sent_and_received_before_the_start_is_not_lost) {
    sending_before_start(false);
    sending_before_start(true);
}

TEST(Stream, shared_bytes_are_released_once_sent) {
    establish(false);
    const auto bytes = std::make_shared<const Bytes>(Bytes(100'000));
    net->client->stream->send(bytes);
    CHECK_EQUAL(2, bytes.use_count());  // by reference, not copied
    CHECK(net->until([&] { return net->server->received_size == 100'000; }));
    CHECK_EQUAL(1, bytes.use_count());
}

TEST(Stream, a_peer_that_resets_in_mid_transfer_is_an_io_error) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    const Bytes bytes(8u << 20);
    net->server->stream->send(ByteView(bytes));
    net->settle(10ms);
    CHECK(net->server->stream->unsent_bytes() > 0);
    raw.reset();
    CHECK(net->until([&] { return net->server->closed.has_value(); }));
    CHECK(net->server->closed->code == ErrorCode::io);
    STRCMP_EQUAL("connection reset by peer", net->server->closed->message.c_str());
}

TEST(Stream, a_peer_that_vanishes_from_tls_without_saying_so_is_told_apart) {
    establish(true);
    net->settle(20ms);  // the session tickets are read: unread bytes would make it a reset
    // The kernel's FIN, without TLS having said anything.
    net->client->stream.reset();
    CHECK(net->until([&] { return net->server->closed.has_value(); }));
    CHECK(net->server->closed->code == ErrorCode::closed);
    CHECK(net->server->closed->message.find("without TLS close_notify") != std::string::npos);
}

TEST(Stream, shutdown_waits_for_a_silent_peer_no_longer_than_linger) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    net->server->stream->shutdown(50ms);
    CHECK(net->until([&] { return net->server->closed.has_value(); }, 5s));
    CHECK(net->server->closed->code == ErrorCode::closed);
}

TEST(Stream, shutdown_reports_what_the_peer_did_not_take) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    const Bytes bytes(16u << 20);
    net->server->stream->send(ByteView(bytes));
    net->server->stream->shutdown(50ms);
    CHECK(net->until([&] { return net->server->closed.has_value(); }, 5s));
    CHECK(net->server->closed->code == ErrorCode::timeout);
}

TEST(Stream, a_peer_that_has_only_closed_its_half_gets_the_rest) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    const Bytes bytes(8u << 20);
    net->server->stream->send(ByteView(bytes));
    net->server->stream->shutdown(10s);
    raw.socket.shutdown(tcp::socket::shutdown_send);
    std::size_t got = 0;
    std::vector<char> buffer(1u << 20);
    raw.socket.non_blocking(true);
    boost::system::error_code error;
    net->until([&] {
        const std::size_t size = raw.socket.read_some(boost::asio::buffer(buffer), error);
        got += size;
        return error == boost::asio::error::eof;
    });
    CHECK_EQUAL(bytes.size(), got);
    CHECK(net->until([&] { return net->server->closed.has_value(); }));
    CHECK(net->server->closed->code == ErrorCode::closed);
}

TEST(Stream, abort_resets_what_still_waits_and_calls_no_more) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    const Bytes bytes(16u << 20);
    net->server->stream->send(ByteView(bytes));
    net->settle(5ms);
    net->server->stream->abort();
    net->settle(20ms);
    CHECK_FALSE(net->server->closed.has_value());
    std::vector<char> buffer(1u << 20);
    boost::system::error_code error;
    while (!error) {
        raw.socket.read_some(boost::asio::buffer(buffer), error);
    }
    CHECK(error == boost::asio::error::connection_reset);
}

TEST(Stream, what_came_while_paused_is_told_on_resuming_without_more) {
    net = std::make_unique<Loopback>();
    net->when_accepted = [](Peer& peer) { peer.stream->pause(); };
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    boost::asio::write(raw.socket, boost::asio::buffer("all there is", 12));
    raw.socket.shutdown(tcp::socket::shutdown_send);
    net->settle(20ms);
    CHECK_EQUAL(0u, net->server->received_size);
    net->server->stream->resume();
    CHECK(net->until([&] { return net->server->closed.has_value(); }));
    CHECK(as_text(net->server->received) == "all there is");
}

TEST(Stream, a_pause_amid_a_flood_loses_and_delays_nothing) {
    for (const bool tls : {false, true}) {
        establish(tls);
        constexpr std::size_t kTotal = 6'000'000;
        net->server->keeps_bytes = false;
        net->server->when_bytes = [&](std::span<std::byte>) {
            net->server->stream->pause();
            boost::asio::post(net->io, [&] { net->server->stream->resume(); });
        };
        const Bytes bytes(kTotal);
        net->client->stream->send(ByteView(bytes));
        CHECK(net->until([&] { return net->server->received_size == kTotal; }));
    }
}

TEST(Stream, one_that_floods_leaves_the_others_their_turns) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient flooding(*net);
    CHECK(net->until([&] { return net->server != nullptr; }));
    RawClient quiet(*net);
    CHECK(net->until([&] { return !net->earlier.empty(); }));
    Peer& flooded = *net->earlier[0];
    flooded.keeps_bytes = false;
    const std::vector<char> much(1u << 20);
    flooding.socket.non_blocking(true);
    boost::system::error_code full;
    const auto flood = [&] {
        for (full = {}; !full;) {
            flooding.socket.write_some(boost::asio::buffer(much), full);
        }
    };
    flood();
    boost::asio::write(quiet.socket, boost::asio::buffer("hello", 5));
    std::size_t taken_before = 0;
    flooded.when_bytes = [&](std::span<std::byte>) {
        flood();  // as long as it is read there is more
        if (net->server->received_size == 0) {
            taken_before = flooded.received_size;
        }
    };
    CHECK(net->until([&] { return net->server->received_size == 5; }));
    CHECK(taken_before < (16u << 20));
}

TEST(Stream, a_callback_may_destroy_another_stream_that_has_news_as_well) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(std::make_unique<RawClient>(*net));
    }
    CHECK(net->until([&] { return net->earlier.size() == 7; }));
    net->earlier.push_back(std::move(net->server));
    net->settle(5ms);
    std::size_t told = 0;
    for (const auto& peer : net->earlier) {
        peer->when_bytes = [&, self = peer.get()](std::span<std::byte>) {
            ++told;
            for (const auto& other : net->earlier) {
                if (other.get() != self) {
                    other->stream.reset();
                }
            }
        };
    }
    for (const auto& client : clients) {
        boost::asio::write(client->socket, boost::asio::buffer("news", 4));
    }
    net->settle(20ms);
    CHECK_EQUAL(1u, told);
    net->earlier.clear();
}

TEST(Stream, what_is_sent_in_place_keeps_its_order_and_survives_its_buffer) {
    const unsigned seed = std::random_device{}();
    std::mt19937 random(seed);
    for (const bool tls : {false, true}) {
        establish(tls);
        Bytes sent;
        net->server->when_bytes = [&](std::span<std::byte>) {
            for (int i = 0; i < 40; ++i) {
                Bytes piece = random_bytes(random, 1 + random() % 100'000);
                append(sent, piece);
                switch (random() % 4) {
                    case 0:
                        net->server->stream->send(ByteView(piece));
                        break;
                    case 1:
                        net->server->stream->send(std::make_shared<const Bytes>(piece));
                        break;
                    case 2:
                        append(net->server->stream->cork(), piece);
                        net->server->stream->send_corked();
                        break;
                    default:
                        net->server->stream->send_in_place(piece);
                        break;
                }
                std::ranges::fill(piece, std::byte{0});
            }
        };
        net->client->stream->pause();  // so that the kernel soon takes no more
        net->client->stream->send(as_bytes("go"));
        CHECK(net->until([&] { return !sent.empty(); }));
        net->settle(20ms);
        net->client->stream->resume();
        CHECK(net->until([&] { return net->client->received.size() >= sent.size(); }));
        CHECK_TEXT(net->client->received == sent, ("seed " + std::to_string(seed)).c_str());
    }
}

/// A read ends at the urgent byte, short, though more has come.
TEST(Stream, what_lies_behind_urgent_data_is_read_without_waiting_for_more) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    RawClient raw(*net);
    boost::asio::write(raw.socket, boost::asio::buffer("before", 6));
    CHECK_EQUAL(1u, raw.socket.send(boost::asio::buffer("!", 1),
                                    boost::asio::socket_base::message_out_of_band));
    boost::asio::write(raw.socket, boost::asio::buffer("behind", 6));
    CHECK(net->until([&] { return net->server && net->server->received_size == 12; }));
    CHECK(as_text(net->server->received) == "beforebehind");
}

TEST(Stream, answers_are_gathered_in_one_block_also_outside_of_an_event) {
    for (const bool tls : {false, true}) {
        establish(tls);
        append(net->client->stream->cork(), "one ");
        CHECK(net->client->stream->send_corked());
        net->client->stream->send(as_bytes("two "));
        append(net->client->stream->cork(), "three");
        CHECK(net->client->stream->send_corked());
        CHECK_EQUAL(13u, net->client->stream->unsent_bytes());
        CHECK(net->until([&] { return net->server->received_size == 13; }));
        CHECK(as_text(net->server->received) == "one two three");
        CHECK_EQUAL(1u, net->server->pieces.size());
        net->client->stream->shutdown(1s);
        append(net->client->stream->cork(), "too late");
        CHECK(net->client->stream->send_corked());
        CHECK(net->until([&] { return net->server->closed.has_value(); }));
        CHECK_EQUAL(13u, net->server->received_size);
    }
}

TEST(Stream, many_that_vanish_while_much_waits_for_them_disturb_nobody) {
    for (const bool tls : {false, true}) {
        establish(tls);
        Peer* const bystander = net->server.get();
        std::vector<std::unique_ptr<RawClient>> clients;
        if (!tls) {
            for (int i = 0; i < 20; ++i) {
                clients.push_back(std::make_unique<RawClient>(*net));
            }
            CHECK(net->until([&] { return net->earlier.size() == 20; }));
        }
        const auto much = std::make_shared<const Bytes>(Bytes(1u << 20));
        for (const auto& peer : net->earlier) {
            if (peer.get() != bystander) {
                for (int i = 0; i < 8; ++i) {
                    peer->stream->send(much);
                }
            }
        }
        net->settle(10ms);
        for (const auto& client : clients) {
            client->reset();
        }
        for (const auto& peer : net->earlier) {
            peer->stream->send(as_bytes("once more"));  // into a socket that is gone
        }
        net->client->stream->send(as_bytes("alive?"));
        CHECK(net->until([&] { return bystander->received_size == 6; }));
        CHECK_FALSE(bystander->closed.has_value());
    }
}

TEST(Stream, one_message_shared_by_many_is_copied_for_none) {
    net = std::make_unique<Loopback>();
    CHECK(net->listen().has_value());
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 50; ++i) {
        clients.push_back(std::make_unique<RawClient>(*net));
    }
    CHECK(net->until([&] { return net->earlier.size() == 49; }));
    net->settle(5ms);
    const auto message = std::make_shared<const Bytes>(Bytes(20));
    for (const auto& peer : net->earlier) {
        peer->stream->send(message);
    }
    CHECK_EQUAL(50, message.use_count());
    CHECK(net->until([&] { return message.use_count() == 1; }));
    for (const auto& peer : net->earlier) {
        CHECK_EQUAL(20u, peer->stream->bytes_sent());
    }
}

TEST(Stream, the_peer_is_named) {
    establish(false);
    STRCMP_EQUAL(net->listener->address().c_str(), net->client->stream->peer().c_str());
    CHECK(net->server->stream->peer().starts_with("127.0.0.1:"));
}
