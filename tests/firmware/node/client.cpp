#include "tests/firmware/node/client.h"

#include "firmware/websocket/handshake.h"
#include "tests/firmware/line/device_messages.h"

// Redefines new, so it comes last.
#include <CppUTest/TestHarness.h>

namespace holdfast::node {

namespace {

using namespace std::chrono_literals;

}  // namespace

Client::Client(World& world, const std::string& hub) : world_(world), path_(world.make_path(hub)) {}

Client::~Client() {
    if (connected_ && !ended_here) {
        world_.network.abort(socket_);
    }
}

void Client::connect() {
    heard.clear();
    ended_here = false;
    socket_ = world_.network.connect("laptop", path_, *this, 10s);
    world_.settle();
    CHECK_TRUE(connected_);
}

void Client::say(ByteView bytes) {
    static_cast<void>(world_.network.send(socket_, bytes));
    world_.settle();
}

void Client::ask(const std::string& method, const std::string& target, const Headers& headers,
                 const std::string& body) {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: hub\r\n";
    for (const auto& [name, value] : headers) {
        request += name + ": " + value + "\r\n";
    }
    if (!body.empty() || method == "POST") {
        request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    say(request + "\r\n" + body);
}

http::Response Client::response() {
    http::ResponseReader reader({.body_size_bytes = 1u << 20});
    ByteView bytes = as_bytes(heard);
    Result<std::optional<http::Response>> response = reader.next(bytes);
    if (!response || !*response) {
        http::Response none;
        none.status = 0;
        return none;
    }
    heard = as_text(bytes);
    return **std::move(response);
}

void Client::shut() {
    world_.network.shut(socket_);
    ended_here = true;
    world_.settle();
}

void Client::received(simulated::SocketId, std::span<std::byte> bytes) {
    heard += as_text(bytes);
}

void Client::ended(simulated::SocketId, const Error& /*error*/) {
    ended_here = true;
    ended_at = world_.clock.now();
}

// ---- A WebSocket

int SocketClient::open(const std::string& target, Headers headers) {
    websocket::ClientOffer offer{.host = "hub", .target = target};
    if (target == "/v1/uplink") {
        offer.protocols = {"holdfast.v1"};
    }
    offer.headers = std::move(headers);
    const websocket::ClientHandshake handshake(std::move(offer), world_.random);
    connect();
    say(handshake.request());
    return answer.status;
}

void SocketClient::received(simulated::SocketId socket, std::span<std::byte> bytes) {
    if (socket_) {
        listen(bytes);
        return;
    }
    Client::received(socket, bytes);
    answer = response();
    if (answer.status == 101) {
        socket_.emplace(websocket::Role::client, websocket::Limits{}, &world_.random);
        Bytes rest;
        append(rest, heard);
        heard.clear();
        listen(rest);
    }
}

void SocketClient::listen(std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    heard += as_text(bytes);
    if (close_code && !bytes.empty()) {
        ++frames_after_close;
    }
    Bytes out;
    while (const auto event = socket_->next(bytes, out)) {
        switch (event->kind) {
            case Kind::text:
            case Kind::binary:
                messages.emplace_back(as_text(event->payload));
                break;
            case Kind::ping:
                ++pings;
                pinged_at = world_.clock.now();
                break;
            case Kind::pong:
                ++pongs;
                break;
            case Kind::close:
            case Kind::error:
                close_code = event->code;
                close_reason = std::string(event->reason);
                frames_after_close += bytes.empty() ? 0 : 1;
                bytes = {};
                break;
        }
    }
    if (answers_pings && !out.empty()) {
        put(out);
    }
}

void SocketClient::put(const Bytes& frame) {
    if (corked_) {
        append(cork_, frame);
    } else {
        send_now(frame);
    }
}

void SocketClient::say_corked() {
    corked_ = false;
    say(std::exchange(cork_, {}));
}

void SocketClient::put_text(std::string_view message) {
    Bytes out;
    socket_->send_text(message, out);
    put(out);
}

void SocketClient::text(std::string_view message) {
    put_text(message);
    world_.settle();
}

void SocketClient::binary(ByteView message) {
    Bytes out;
    socket_->send_binary(message, out);
    put(out);
    world_.settle();
}

void SocketClient::ping(ByteView payload) {
    Bytes out;
    socket_->send_ping(payload, out);
    put(out);
    world_.settle();
}

void SocketClient::close(std::uint16_t code, std::string_view reason) {
    Bytes out;
    socket_->close(static_cast<websocket::CloseCode>(code), reason, out);
    put(out);
    world_.settle();
}

void SocketClient::begin_message() {
    Bytes out;
    socket_->send_binary(Bytes(1000), out);
    out.resize(out.size() / 2);
    say(out);
}

// ---- A line

int LineClient::open_line(const std::string& token) {
    return open("/v1/uplink", {{"Authorization", "Bearer " + token}});
}

void LineClient::greet(const std::string& device, std::uint64_t journal, std::uint64_t boot) {
    line::HelloMessage hello = line::hello(device, {line::opened(1, device, {journal, 1})});
    hello.boot = boot;
    binary(line::to_wire(hello));
}

void LineClient::send_batch(std::uint64_t first, std::size_t count) {
    binary(line::batch(1, first, count));
}

std::uint64_t LineClient::acknowledged() const {
    const std::vector<line::AckMessage> acks = heard_of<line::AckMessage>();
    return acks.empty() ? 0 : acks.back().through;
}

}  // namespace holdfast::node
