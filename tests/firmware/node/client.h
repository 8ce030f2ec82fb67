#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/http/message.h"
#include "firmware/line/messages.h"
#include "firmware/websocket/connection.h"
#include "tests/firmware/node/node_desk.h"

namespace holdfast::node {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A client that says byte for byte what a test tells it, and notes what it hears.
class Client : public simulated::Handler {
public:
    explicit Client(World& world, const std::string& hub = "hub");
    ~Client() override;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void connect();
    void say(ByteView bytes);
    void say(std::string_view text) { say(as_bytes(text)); }
    /// A request without a body, and time for its answer.
    void ask(const std::string& method, const std::string& target, const Headers& headers = {},
             const std::string& body = "");
    /// The next whole response in what was heard, which is taken out of it. The status is 0 if
    /// there is none.
    [[nodiscard]] http::Response response();
    [[nodiscard]] int status() { return response().status; }
    void pause() { world_.network.pause(socket_); }
    void resume() { world_.network.resume(socket_); }
    /// FIN.
    void shut();

    std::string heard;
    bool ended_here = false;  ///< the connection is over
    Instant ended_at{};

protected:
    void connected(simulated::SocketId) override { connected_ = true; }
    void received(simulated::SocketId, std::span<std::byte> bytes) override;
    void ended(simulated::SocketId, const Error& error) override;

    /// Without time for an answer.
    void send_now(ByteView bytes) { static_cast<void>(world_.network.send(socket_, bytes)); }

    World& world_;

private:
    simulated::Path& path_;
    simulated::SocketId socket_ = 0;
    bool connected_ = false;
};

/// A client that opens a WebSocket.
class SocketClient : public Client {
public:
    using Client::Client;

    /// Connects, asks for the upgrade, and waits for the answer; its status.
    int open(const std::string& target, Headers headers = {});
    void text(std::string_view message);
    /// Without time for an answer.
    void put_text(std::string_view message);
    void binary(ByteView message);
    void ping(ByteView payload = {});
    void close(std::uint16_t code, std::string_view reason);
    /// The frames of what follows are said in one piece by `say_corked`.
    void cork() { corked_ = true; }
    void say_corked();
    /// Half of a binary message's frame.
    void begin_message();
    /// A byte of it.
    void go_on_with_message() { say(std::string_view("x")); }

    http::Response answer;
    std::vector<std::string> messages;
    unsigned pings = 0, pongs = 0;
    Instant pinged_at{};
    std::optional<std::uint16_t> close_code;
    std::string close_reason;
    unsigned frames_after_close = 0;
    bool answers_pings = true;

protected:
    void received(simulated::SocketId, std::span<std::byte> bytes) override;

private:
    void listen(std::span<std::byte> bytes);
    void put(const Bytes& frame);

    std::string offered_;
    std::optional<websocket::Connection> socket_;
    bool corked_ = false;
    Bytes cork_;
};

/// A device's line by hand.
class LineClient : public SocketClient {
public:
    using SocketClient::SocketClient;

    /// Opens the line with a token; the status of the answer.
    int open_line(const std::string& token);
    /// Hello with one stream of that journal, and time for Welcome.
    void greet(const std::string& device, std::uint64_t journal = 9, std::uint64_t boot = 1);
    void send_batch(std::uint64_t first, std::size_t count);
    /// The messages so far of one kind.
    template <class Kind>
    [[nodiscard]] std::vector<Kind> heard_of() const {
        std::vector<Kind> out;
        for (const std::string& text : messages) {
            const Result<line::Message> message = line::from_wire(as_bytes(text));
            if (message && std::holds_alternative<Kind>(*message)) {
                out.push_back(std::get<Kind>(*message));
            }
        }
        return out;
    }
    [[nodiscard]] bool welcomed() const { return !heard_of<line::WelcomeMessage>().empty(); }
    /// What the last Ack says; 0: there was none.
    [[nodiscard]] std::uint64_t acknowledged() const;
};

}  // namespace holdfast::node
