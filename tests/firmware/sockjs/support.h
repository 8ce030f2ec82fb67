#pragma once

#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/http/message.h"
#include "firmware/ports/entropy.h"
#include "firmware/sockjs/response_stream.h"
#include "firmware/sockjs/server.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

namespace holdfast::sockjs {

class SeededEntropy final : public ports::Entropy {
public:
    explicit SeededEntropy(std::uint64_t seed) : generator_(seed) {}
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(generator_() & 0xffu);
        }
    }

private:
    std::mt19937_64 generator_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

inline http::Request make_request(std::string method, std::string target, Headers headers = {},
                                  std::string body = {}) {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = std::move(headers);
    request.headers.emplace_back("Host", "here:8081");
    request.body = std::move(body);
    return request;
}

/// A server with prefix "/s", and what it writes to each connection.
struct Desk {
    ServerOptions options{.prefix = "/s", .allowed_origins = {"*"}};
    ServerLimits limits;
    SeededEntropy entropy{1};
    Instant now{std::chrono::hours(1)};
    std::optional<Server> made;
    std::map<ExchangeId, std::string> written;
    std::map<ExchangeId, Output::Then> then;
    std::vector<Event> events;
    bool echo = false;

    Server& server() {
        if (!made) {
            made.emplace(options, limits, entropy);
        }
        return *made;
    }
    void restart() {
        made.reset();
        written.clear();
        then.clear();
        events.clear();
    }
    Now both() const { return {now, WallTime(std::chrono::seconds(1'795'262'400))}; }

    void drain() {
        while (auto event = server().next_event()) {
            if (echo && event->kind == Event::Kind::message) {
                static_cast<void>(server().send(event->session, event->text));
            }
            events.push_back(*std::move(event));
        }
        while (const auto output = server().next_output(now)) {
            written[output->exchange] += as_text(output->bytes);
            then[output->exchange] = output->then;
        }
    }
    void advance(Duration time) {
        const Instant end = now + time;
        while (server().deadline() <= end) {
            now = std::max(now, server().deadline());
            server().tick(now);
            drain();
        }
        now = end;
    }
    std::string take(ExchangeId id) { return std::exchange(written[id], {}); }

    void ask(ExchangeId id, const http::Request& request) {
        then.erase(id);
        server().request(id, request, both());
        drain();
    }
    /// The whole response on a connection of its own.
    http::Response answer(const http::Request& request) {
        static ExchangeId last = 1000;
        const ExchangeId id = ++last;
        ask(id, request);
        http::ResponseReader reader;
        const std::string text = take(id);
        ByteView bytes = as_bytes(text);
        auto response = reader.next(bytes);
        CHECK(response && *response);
        return **response;
    }
    http::Response post(std::string target, std::string body = {}, Headers headers = {}) {
        return answer(make_request("POST", std::move(target), std::move(headers), std::move(body)));
    }
    http::Response get(std::string target, Headers headers = {}) {
        return answer(make_request("GET", std::move(target), std::move(headers)));
    }
    /// Begins a streaming response, and takes its head and its prelude away.
    void stream(ExchangeId id, std::string session = "/s/0/a") {
        ask(id, make_request("POST", session + "/xhr_streaming"));
        const std::string text = take(id);
        const std::size_t prelude = text.find("h\n\r\n");
        written[id] = prelude == std::string::npos ? text : text.substr(prelude + 4);
    }
    SessionId session() const { return events.empty() ? 0 : events.front().session; }
    /// "opened", "message x", "closed 1006 …" since the last time.
    std::string told() {
        std::string out;
        for (const Event& event : std::exchange(events, {})) {
            out += out.empty() ? "" : ", ";
            switch (event.kind) {
                case Event::Kind::opened:
                    out += "opened";
                    break;
                case Event::Kind::message:
                    out += "message " + event.text;
                    break;
                case Event::Kind::closed:
                    out += "closed " + std::to_string(event.code);
                    break;
            }
        }
        return out;
    }
};

inline std::string chunk(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string size;
    for (std::size_t rest = text.size(); rest > 0; rest /= 16) {
        size.insert(size.begin(), kDigits[rest % 16]);
    }
    return size + "\r\n" + std::string(text) + "\r\n";
}
inline const std::string kLastChunk = "0\r\n\r\n";

}  // namespace holdfast::sockjs
