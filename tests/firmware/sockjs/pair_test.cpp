// Client and server against each other, over connections that cut their bytes anywhere.
#include <cstdio>
#include <deque>
#include <memory>

#include "firmware/sockjs/client.h"
#include "firmware/sockjs/frames.h"
#include "tests/firmware/sockjs/support.h"

using namespace holdfast;
using namespace holdfast::sockjs;
using namespace std::chrono_literals;
using Lane = Client::Lane;

namespace {

/// A connection from a lane of the client to the server.
struct Line {
    ExchangeId id;
    Bytes to_server;
    Bytes to_client;
    http::RequestReader reader{http::Limits{.body_size_bytes = 1u << 20}};
    bool answering = false;
    bool ends = false;
};

class Pair {
public:
    Pair(std::uint64_t seed, bool streaming) : random_(seed) {
        desk.limits.response_bytes = 1 + below(5000);
        ClientLimits limits;
        limits.request_bytes = 1 + below(5000);
        client.emplace(ClientOptions{.authority = "here", .prefix = "/s", .streaming = streaming},
                       limits, desk.entropy, desk.now);
    }

    /// One step of something, whatever comes.
    void step() {
        while (const auto request = client->next_request(desk.now)) {
            auto& line = lines[request->lane];
            if (request->fresh || !line) {
                CHECK(request->fresh);
                drop(request->lane);
                line =
                    std::make_unique<Line>(Line{.id = ++last_, .to_server = {}, .to_client = {}});
            }
            append(line->to_server, request->bytes);
        }
        for (auto& [lane, line] : lines) {
            if (line) {
                serve(*line);
            }
        }
        desk.drain();
        for (auto& [lane, line] : lines) {
            if (line) {
                deliver(lane, *line);
                if (line->ends && line->to_client.empty()) {
                    line.reset();
                    client->disconnected(lane, desk.now);
                }
            }
        }
    }
    void drop(Lane lane) {
        if (lines[lane]) {
            desk.server().disconnected(lines[lane]->id, desk.now);
            lines[lane].reset();
        }
    }
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

    Desk desk;
    std::optional<Client> client;
    std::map<Lane, std::unique_ptr<Line>> lines;

private:
    void serve(Line& line) {
        const std::size_t size = std::min(line.to_server.size(), below(600));
        if (!line.answering && size > 0) {
            ByteView bytes = ByteView(line.to_server).first(size);
            const auto request = line.reader.next(bytes);
            CHECK(request.has_value());
            const auto taken = static_cast<std::ptrdiff_t>(size - bytes.size());
            line.to_server.erase(line.to_server.begin(), line.to_server.begin() + taken);
            if (*request) {
                line.answering = true;
                desk.then.erase(line.id);
                desk.server().request(line.id, **request, desk.both());
                desk.drain();
            }
        }
        append(line.to_client, std::exchange(desk.written[line.id], {}));
        if (const auto then = desk.then.find(line.id);
            then != desk.then.end() && then->second != Output::Then::more) {
            line.answering = false;
            line.ends = then->second == Output::Then::end;
            desk.then.erase(then);
        }
    }
    void deliver(Lane lane, Line& line) {
        const std::size_t size = std::min(line.to_client.size(), 1 + below(3000));
        client->receive(lane, ByteView(line.to_client).first(size), desk.now);
        line.to_client.erase(line.to_client.begin(),
                             line.to_client.begin() + static_cast<std::ptrdiff_t>(size));
    }

    std::mt19937_64 random_;
    ExchangeId last_ = 0;
};

void converse(std::uint64_t seed, bool streaming) {
    std::printf("(seed %llu) ", static_cast<unsigned long long>(seed));
    Pair pair(seed, streaming);
    constexpr int kCount = 300;
    int sent = 0;
    int answered = 0;
    int received = 0;
    const auto envelope = [seed](int number) {
        Bytes bytes;
        SeededEntropy noise(seed * 1000 + static_cast<std::uint64_t>(number));
        bytes.resize(static_cast<std::size_t>(noise.number() % 2000));
        noise.fill(bytes);
        return bytes;
    };
    for (int steps = 0; steps < 200'000 && received < kCount; ++steps) {
        if (sent < kCount && pair.below(3) == 0) {
            CHECK(pair.client->send(envelope_text(envelope(sent))).has_value());
            ++sent;
        }
        pair.step();
        for (const Event& event : std::exchange(pair.desk.events, {})) {
            CHECK(event.kind != Event::Kind::closed);
            if (event.kind == Event::Kind::message) {
                CHECK(envelope_bytes(event.text).value() == envelope(answered));
                CHECK(pair.desk.server().send(event.session, event.text).has_value());
                ++answered;
            }
        }
        while (const auto event = pair.client->next_event()) {
            STRCMP_EQUAL("", event->kind == Client::Event::Kind::closed ? event->text.c_str() : "");
            if (event->kind == Client::Event::Kind::message) {
                CHECK(envelope_bytes(event->text).value() == envelope(received));
                ++received;
            }
        }
        if (pair.below(50) == 0) {
            pair.desk.advance(std::chrono::milliseconds(pair.below(900)));
        }
    }
    LONGS_EQUAL(kCount, received);
    LONGS_EQUAL(kCount, answered);
}

}  // namespace

TEST_GROUP(SockjsPair){};

TEST(SockjsPair, every_envelope_arrives_once_and_in_order_by_xhr_streaming) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        converse(seed, true);
    }
}

TEST(SockjsPair, every_envelope_arrives_once_and_in_order_by_xhr) {
    for (std::uint64_t seed = 11; seed <= 14; ++seed) {
        converse(seed, false);
    }
}

TEST(SockjsPair, an_idle_session_lives_by_heartbeats) {
    for (const bool streaming : {true, false}) {
        Pair pair(21, streaming);
        for (int i = 0; i < 400; ++i) {
            for (int steps = 0; steps < 30; ++steps) {
                pair.step();
            }
            pair.desk.advance(1s);
            pair.client->tick(pair.desk.now);
        }
        CHECK(pair.client->is_open());
        STRCMP_EQUAL("opened", pair.desk.told().c_str());
    }
}

TEST(SockjsPair, a_lost_receiver_ends_the_session_at_both_ends) {
    Pair pair(22, true);
    for (int steps = 0; steps < 50; ++steps) {
        pair.step();
    }
    CHECK(pair.client->is_open());
    pair.drop(Lane::receive);
    pair.client->disconnected(Lane::receive, pair.desk.now);
    pair.desk.drain();
    CHECK(pair.client->is_closed());
    STRCMP_EQUAL("opened, closed 1002", pair.desk.told().c_str());
}
