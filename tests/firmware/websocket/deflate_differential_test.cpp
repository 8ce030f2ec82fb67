#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "tests/firmware/websocket/plain_zlib.h"
#include "tests/firmware/websocket/support.h"
#include "tests/stride.h"

// permessage-deflate between our own client and server, and between us and zlib used plainly, over
// all windows, with and without context takeover, messages of all sizes cut in all ways.
namespace holdfast::websocket {
namespace {

using Generator = std::mt19937_64;

std::uint64_t seed() {
    const char* given = std::getenv("HOLDFAST_SEED");
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    UT_PRINT(("HOLDFAST_SEED=" + std::to_string(value)).c_str());
    return value;
}

std::size_t below(Generator& random, std::size_t limit) {
    return static_cast<std::size_t>(random() % limit);
}

/// Readings, noise or one letter; always ASCII.
std::string random_message(Generator& random) {
    constexpr std::array<std::size_t, 14> kEdges{0,   1,   15,   16,   125,  126,   256,
                                                 257, 512, 2047, 2048, 2049, 32768, 65536};
    const std::size_t size =
        below(random, 3) == 0 ? kEdges[below(random, kEdges.size())] : below(random, 3000);
    const std::size_t kind = below(random, 3);
    std::string message;
    while (message.size() < size) {
        if (kind == 0) {
            message += R"({"channel":"t)" + std::to_string(below(random, 8)) + R"(","value":)" +
                       std::to_string(below(random, 1000)) + "},";
        } else {
            message += kind == 1 ? static_cast<char>(below(random, 128)) : 'a';
        }
    }
    message.resize(size);
    return message;
}

struct Peer {
    DeflateContexts contexts;
    std::unique_ptr<SeededEntropy> entropy = std::make_unique<SeededEntropy>(7);
    std::optional<Connection> connection;

    void begin(Role role, const DeflateAgreement& agreement) {
        connection.emplace(role, Limits{}, entropy.get(),
                           std::make_unique<Deflate>(contexts, agreement));
    }
};

/// Gives `bytes` in pieces of random sizes.
void deliver(Connection& to, ByteView bytes, Generator& random, std::vector<Seen>& events) {
    Bytes answers;
    while (!bytes.empty()) {
        const std::size_t most = below(random, 2) == 0 ? 50 : bytes.size();
        const std::size_t size = std::min(bytes.size(), 1 + below(random, most));
        feed(to, bytes.first(size), events, answers);
        bytes = bytes.subspan(size);
    }
}

void exchange(Peer& from, Peer& to, Generator& random) {
    std::vector<Seen> expected;
    std::vector<Seen> seen;
    Bytes sending;
    for (int i = 0; i < 6; ++i) {
        const std::string message = random_message(random);
        if (below(random, 2) == 0) {
            from.connection->send_text(message, sending);
            expected.push_back({Event::Kind::text, message});
        } else {
            const std::size_t cut = below(random, message.size() + 1);
            from.connection->send_binary(as_bytes(message).first(cut),
                                         as_bytes(message).subspan(cut), sending);
            expected.push_back({Event::Kind::binary, message});
        }
        if (below(random, 8) == 0) {
            from.connection->release_compressor();
        }
    }
    deliver(*to.connection, sending, random, seen);
    CHECK_TRUE(seen == expected);
    LONGS_EQUAL(0, to.connection->buffered_bytes());
}

DeflateAgreement agreement(int send_bits, bool send_takeover, int receive_bits,
                           bool receive_takeover) {
    return {.send = {send_takeover, send_bits}, .receive = {receive_takeover, receive_bits}};
}

/// `payload` as the frames of a client, cut at random places.
Bytes fragments(const std::string& payload, Generator& random) {
    Bytes out;
    std::size_t at = 0;
    while (true) {
        const bool last = below(random, 3) == 0;
        const std::size_t size =
            last ? payload.size() - at : below(random, payload.size() - at + 1);
        append(out, raw({.opcode = at == 0 && out.empty() ? 2u : 0u,
                         .payload = payload.substr(at, size),
                         .fin = last,
                         .rsv = out.empty() ? 4u : 0u,
                         .masked = true}));
        at += size;
        if (last) {
            return out;
        }
    }
}

struct ServerFrame {
    bool rsv1;
    std::string payload;
};

ServerFrame parse(ByteView bytes) {
    const auto number = [&bytes](std::size_t at) {
        return std::to_integer<std::size_t>(bytes[at]);
    };
    std::size_t head = 2;
    if (number(1) == 126) {
        head = 4;
        LONGS_EQUAL(bytes.size() - head, number(2) << 8u | number(3));
        CHECK_TRUE(bytes.size() - head >= 126);
    } else if (number(1) == 127) {
        head = 10;
        CHECK_TRUE(bytes.size() - head > 0xffff);
    } else {
        LONGS_EQUAL(bytes.size() - head, number(1));
    }
    return {(number(0) & 0x40u) != 0, std::string(as_text(bytes.subspan(head)))};
}

}  // namespace

TEST_GROUP(DeflateDifferential){};

TEST(DeflateDifferential, client_and_server_understand_each_other_with_all_windows) {
    Generator random(seed());
    for (int bits = 8; bits <= 15; ++bits) {
        for (int takeover = 0; takeover < 4; ++takeover) {
            const bool up = (takeover & 1) != 0;
            const bool down = (takeover & 2) != 0;
            Peer client;
            Peer server;
            client.begin(Role::client, agreement(bits, up, 23 - bits, down));
            server.begin(Role::server, agreement(23 - bits, down, bits, up));
            for (int round = 0; round < 3; ++round) {
                exchange(client, server, random);
                exchange(server, client, random);
            }
        }
    }
}

TEST(DeflateDifferential, what_we_send_zlib_inflates_with_the_agreed_window) {
    Generator random(seed());
    for (int bits = 8; bits <= 15; ++bits) {
        for (const bool takeover : {false, true}) {
            Peer server;
            server.begin(Role::server, agreement(bits, takeover, 15, false));
            PlainInflater zlib(bits);
            std::size_t compressed = 0;
            for (std::size_t i = 0; i < 60 / kStride; ++i) {
                const std::string message = random_message(random);
                Bytes out;
                server.connection->send_binary(as_bytes(message), out);
                const ServerFrame frame = parse(out);
                CHECK_TRUE(frame.payload.size() <= message.size() + (takeover ? 16 : 0));
                if (frame.rsv1) {
                    if (!takeover) {
                        zlib.reset();
                    }
                    CHECK_TRUE(zlib.message(frame.payload, message.size()) == message);
                    ++compressed;
                } else {
                    CHECK_TRUE(frame.payload == message);
                }
            }
            CHECK_TRUE(compressed > 0);
        }
    }
}

TEST(DeflateDifferential, what_zlib_sends_we_inflate_however_it_is_cut) {
    Generator random(seed());
    for (int bits = 8; bits <= 15; ++bits) {
        for (const bool takeover : {false, true}) {
            for (const int level : {0, 1, 6, 9}) {
                Peer server;
                server.begin(Role::server, agreement(15, false, bits, takeover));
                // For 8 zlib takes 9, which is what we must be ready for.
                PlainDeflater zlib(std::max(bits, 9), level);
                for (int i = 0; i < 8; ++i) {
                    const std::string message = random_message(random);
                    if (!takeover) {
                        zlib.reset();
                    }
                    std::vector<Seen> seen;
                    deliver(*server.connection, fragments(zlib.message(message), random), random,
                            seen);
                    CHECK_TRUE((seen == std::vector<Seen>{{Event::Kind::binary, message}}));
                }
            }
        }
    }
}

TEST(DeflateDifferential, damaged_data_never_passes_for_what_zlib_refuses) {
    Generator random(seed());
    PlainDeflater zlib;
    for (std::size_t i = 0; i < 400 / kStride; ++i) {
        zlib.reset();
        std::string payload = zlib.message(random_message(random));
        payload[below(random, payload.size())] ^= static_cast<char>(1u << below(random, 8));
        Peer server;
        server.begin(Role::server, {});
        std::vector<Seen> seen;
        deliver(*server.connection, fragments(payload, random), random, seen);
        LONGS_EQUAL(1, seen.size());
        PlainInflater inflater;
        const auto expected = inflater.message(payload, std::size_t{1} << 20);
        // A block that became a final one is beyond the plain reference.
        if (expected) {
            CHECK_TRUE((seen[0] == Seen{Event::Kind::binary, *expected}));
        } else if (seen[0].kind == Event::Kind::error) {
            LONGS_EQUAL(1007, seen[0].code);
        }
    }
}

}  // namespace holdfast::websocket
