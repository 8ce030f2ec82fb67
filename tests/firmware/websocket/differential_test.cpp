#include <array>
#include <cstdlib>
#include <random>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/support.h"

// A client and a server talk to each other through a line that cuts anywhere; each must report what
// the other sent.
namespace holdfast::websocket {
namespace {

using Generator = std::mt19937_64;

std::size_t below(Generator& random, std::size_t limit) {
    return static_cast<std::size_t>(random() % limit);
}

std::string random_text(Generator& random, std::size_t size) {
    constexpr std::array<std::string_view, 6> kCharacters{"a", "Z", " ",
                                                          "é", "€", "\xf0\x9f\x8c\x8a"};
    std::string text;
    while (text.size() < size) {
        text += kCharacters[below(random, kCharacters.size())];
    }
    return text;
}

std::size_t random_size(Generator& random) {
    constexpr std::array<std::size_t, 6> kEdges{0, 1, 125, 126, 65535, 65536};
    switch (below(random, 8)) {
        case 0:
            return kEdges[below(random, kEdges.size())];
        case 1:
            return below(random, 20000);
        default:
            return below(random, 200);
    }
}

struct Peer {
    Connection connection;
    Bytes sending;
    std::vector<Seen> expected;  ///< what the other one must see, but for pongs
    std::vector<Seen> seen;
};

void send_one(Peer& peer, Generator& random) {
    const std::size_t kind = below(random, 4);
    if (kind == 0) {
        const std::string payload = random_text(random, below(random, 100));
        peer.connection.send_ping(as_bytes(payload), peer.sending);
        peer.expected.push_back({Event::Kind::ping, payload});
        return;
    }
    const std::string message = random_text(random, random_size(random));
    if (kind == 1) {
        peer.connection.send_text(message, peer.sending);
        peer.expected.push_back({Event::Kind::text, message});
        return;
    }
    const std::size_t cut = below(random, message.size() + 1);
    peer.connection.send_binary(as_bytes(message).first(cut), as_bytes(message).subspan(cut),
                                peer.sending);
    peer.expected.push_back({Event::Kind::binary, message});
}

void deliver(Peer& from, Peer& to, Generator& random) {
    Bytes bytes;
    std::swap(bytes, from.sending);
    ByteView rest = bytes;
    while (!rest.empty()) {
        const std::size_t most = below(random, 3) == 0 ? 8 : rest.size();
        const std::size_t size = std::min(rest.size(), 1 + below(random, most));
        feed(to.connection, rest.first(size), to.seen, to.sending);
        rest = rest.subspan(size);
    }
    LONGS_EQUAL(0, to.connection.buffered_bytes());
}

void check_seen(const Peer& sender, const Peer& receiver) {
    std::vector<Seen> seen = receiver.seen;
    std::erase_if(seen, [](const Seen& event) { return event.kind == Event::Kind::pong; });
    CHECK_TRUE(seen == sender.expected);
    const auto pings = std::ranges::count(receiver.expected, Event::Kind::ping, &Seen::kind);
    const auto pongs = std::ranges::count(receiver.seen, Event::Kind::pong, &Seen::kind);
    LONGS_EQUAL(pings, pongs);
}

std::uint64_t seed() {
    const char* given = std::getenv("HOLDFAST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

}  // namespace

TEST_GROUP(Differential){};

TEST(Differential, each_side_reports_what_the_other_sent_however_the_line_cuts) {
    const std::uint64_t started_with = seed();
    UT_PRINT(("HOLDFAST_SEED=" + std::to_string(started_with)).c_str());
    Generator random(started_with);
    for (int round = 0; round < 60; ++round) {
        SeededEntropy entropy(random());
        Peer client{Connection(Role::client, {}, &entropy), {}, {}, {}};
        Peer server{Connection(Role::server, {}, nullptr), {}, {}, {}};
        for (int turn = 0; turn < 20; ++turn) {
            for (std::size_t i = below(random, 4); i > 0; --i) {
                send_one(client, random);
            }
            for (std::size_t i = below(random, 4); i > 0; --i) {
                send_one(server, random);
            }
            deliver(client, server, random);
            deliver(server, client, random);
        }
        client.connection.close(CloseCode::normal, "done", client.sending);
        client.expected.push_back({Event::Kind::close, "", 1000, "done"});
        server.expected.push_back({Event::Kind::close, "", 1000, ""});
        deliver(client, server, random);
        deliver(server, client, random);
        CHECK_TRUE(client.connection.closed());
        CHECK_TRUE(server.connection.closed());
        check_seen(client, server);
        check_seen(server, client);
    }
}

TEST(Differential, random_bytes_never_do_more_than_end_the_connection) {
    const std::uint64_t started_with = seed();
    UT_PRINT(("HOLDFAST_SEED=" + std::to_string(started_with)).c_str());
    Generator random(started_with);
    for (int round = 0; round < 3000; ++round) {
        Bytes bytes(below(random, 300));
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(random() & 0xffu);
        }
        if (bytes.size() >= 2) {
            // So that heads are often right and the rest is reached.
            bytes[0] &= std::byte{0x8b};
            bytes[1] |= std::byte{0x80};
        }
        const Limits limits{.message_size_bytes = 200};
        const std::size_t cut = below(random, bytes.size() + 1);
        const Outcome whole = feed_in_pieces(Connection(Role::server, limits, nullptr), bytes, {});
        const Outcome split =
            feed_in_pieces(Connection(Role::server, limits, nullptr), bytes, {cut});
        CHECK_TRUE(whole.events == split.events);
        CHECK_TRUE(whole.out == split.out);
    }
}

}  // namespace holdfast::websocket
