// Requests, bytes of sockets, ends of connections and time into a SockJS server whose application
// sends everything back. What it writes are whole HTTP responses of known frames; sessions open,
// speak and close in this order; queues and sessions stay within their limits.
#include <algorithm>
#include <map>

#include "firmware/sockjs/frames.h"
#include "firmware/sockjs/response_stream.h"
#include "firmware/sockjs/server.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::sockjs;

namespace {

constexpr ServerLimits kLimits{.response_bytes = 300,
                               .queue_bytes = 400,
                               .payload_bytes = 200,
                               .messages_per_payload = 8,
                               .sessions = 4,
                               .session_name_bytes = 8,
                               .callback_bytes = 8};
constexpr std::size_t kConnections = 6;

class Zero final : public ports::Entropy {
public:
    void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, std::byte{}); }
};

http::Request built(fuzz::Input& input) {
    static constexpr std::array<const char*, 14> kPaths{"/0/a/xhr",           "/0/a/xhr_send",
                                                        "/0/a/xhr_streaming", "/0/a/eventsource",
                                                        "/0/a/htmlfile?c=",   "/0/a/jsonp?c=",
                                                        "/0/a/jsonp_send",    "/0/b/xhr",
                                                        "/0/b/xhr_send",      "/0/c/websocket",
                                                        "/websocket",         "/info",
                                                        "/iframe.html",       "/"};
    static constexpr std::array<const char*, 4> kMethods{"POST", "GET", "OPTIONS", "HEAD"};
    const unsigned path = input.byte();
    const unsigned mode = input.byte();
    http::Request request;
    const std::size_t which = path % (kPaths.size() + 1);
    request.target = which == kPaths.size() ? "/s" + std::string(as_text(input.take(20)))
                                            : std::string("/s") + kPaths[which];
    if (request.target.ends_with('=')) {
        request.target += as_text(input.take(mode % 8));
    }
    const bool posts =
        request.target.find("xhr") != std::string::npos || request.target.ends_with("_send");
    request.method = mode < 16 ? kMethods[mode % 4] : posts ? "POST" : "GET";
    request.version = (mode & 16u) != 0 ? 10 : 11;
    request.keep_alive = (mode & 32u) != 0;
    request.headers = {{"Host", "h"}};
    if (request.target.ends_with("websocket")) {
        request.headers.insert(
            request.headers.end(),
            {{"Upgrade", "WebSocket"}, {"Connection", "Upgrade"}, {"Origin", "http://h"}});
        if ((mode & 64u) != 0) {
            request.headers.emplace_back("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5");
            request.headers.emplace_back("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00");
        } else {
            request.version = 11;
            request.headers.emplace_back("Sec-WebSocket-Version", (mode & 1u) != 0 ? "13" : "8");
            request.headers.emplace_back("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==");
        }
    }
    if ((mode & 128u) != 0) {
        request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
        request.headers.emplace_back("Cookie", std::string(as_text(input.take(mode % 16))));
    }
    if ((mode & 128u) != 0 && request.target.find("/xhr") != std::string::npos) {
        request.headers.emplace_back("Greeting", std::string(as_text(input.take(mode % 16))));
    }
    if (request.target.ends_with("_send")) {
        request.body = as_text(input.take(input.byte()));
    }
    return request;
}

class World {
public:
    World()
        : server_({.prefix = "/s",
                   .cookie_needed = true,
                   .hixie76 = true,
                   .greeting_header = {"Greeting", "taken"}},
                  kLimits, entropy_) {}

    void step(fuzz::Input& input) {
        const unsigned what = input.byte();
        const ExchangeId id = what / 8 % kConnections;
        Line& line = lines_[id];
        switch (what % 8) {
            case 0:
            case 1:
            case 2:
                if (!line.busy && !line.socket) {
                    const http::Request request = built(input);
                    line = {.busy = true, .head = request.method == "HEAD"};
                    server_.request(id, request, {now_, WallTime{}});
                }
                break;
            case 3:
                if (line.socket) {
                    const ByteView bytes = input.take(input.byte());
                    Bytes copy(bytes.begin(), bytes.end());
                    server_.receive(id, copy, now_);
                }
                break;
            case 4:
                server_.disconnected(id, now_);
                line = {};
                break;
            case 5:
                now_ += std::chrono::milliseconds(input.number(2));
                server_.tick(now_);
                HOLDFAST_CHECK(server_.deadline() > now_);
                break;
            case 6:
                line.held = (what & 64u) != 0;
                line.held ? server_.hold(id) : server_.go_on(id);
                break;
            case 7:
                if (!states_.empty()) {
                    const SessionId session = 1 + input.byte() % (states_.rbegin()->first);
                    server_.close(session, 3000, "enough");
                    if (states_.contains(session)) {
                        states_[session] = false;
                    }
                }
                break;
        }
        drain();
    }

private:
    struct Line {
        bool busy = false;  ///< a request is being answered
        bool socket = false;
        bool head = false;
        bool held = false;  ///< may be cut short
        ResponseStream response = ResponseStream(1u << 14);
        std::string body = {};
        bool whole = false;
    };

    void drain() {
        while (const auto event = server_.next_event()) {
            if (event->kind == Event::Kind::opened) {
                HOLDFAST_CHECK(!states_.contains(event->session));
                states_[event->session] = true;
            } else {
                HOLDFAST_CHECK(states_.at(event->session) || event->kind == Event::Kind::message);
                if (event->kind == Event::Kind::closed) {
                    states_[event->session] = false;
                } else {
                    static_cast<void>(server_.send(event->session, event->text));
                }
            }
            HOLDFAST_CHECK(server_.queued_bytes(event->session) <= kLimits.queue_bytes);
        }
        HOLDFAST_CHECK(server_.sessions() <= kLimits.sessions);
        while (const auto output = server_.next_output(now_)) {
            write(lines_[output->exchange], *output);
        }
    }

    void write(Line& line, const Output& output) {
        using Then = Output::Then;
        if (line.socket) {
            if (output.then == Then::end) {
                line = {};
            }
            return;
        }
        HOLDFAST_CHECK(line.busy);
        ByteView bytes = output.bytes;
        if (!line.head) {
            const Result<bool> whole = line.response.feed(bytes, line.body);
            HOLDFAST_CHECK(whole.has_value());
            line.whole = line.whole || *whole;
        }
        if (output.then == Then::more) {
            return;
        }
        if (output.then == Then::socket) {
            HOLDFAST_CHECK(line.response.status() == 101 && bytes.empty());
            line.socket = true;
            return;
        }
        if (!line.head && !line.held) {
            HOLDFAST_CHECK(bytes.empty() && (line.whole || line.response.finish().has_value()));
            HOLDFAST_CHECK(line.response.keep_alive() == (output.then == Then::next_request));
        }
        line = {};
    }

    Zero entropy_;
    Server server_;
    Instant now_{};
    std::map<ExchangeId, Line> lines_;
    std::map<SessionId, bool> states_;  ///< open, as far as the application knows
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    World world;
    while (!input.empty()) {
        world.step(input);
    }
    return 0;
}
