#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "platform/simulated/clock.h"
#include "platform/simulated/network.h"

namespace holdfast::simulated {

/// One end that notes all it is told.
struct NotingEnd final : Handler {
    bool is_connected = false;
    std::string heard;
    std::vector<std::size_t> pieces;
    std::optional<ErrorCode> end;
    unsigned writables = 0;

    void connected(SocketId) override { is_connected = true; }
    void received(SocketId, std::span<std::byte> bytes) override {
        heard += as_text(bytes);
        pieces.push_back(bytes.size());
    }
    void writable(SocketId) override { ++writables; }
    void ended(SocketId, const Error& error) override { end = error.code; }
};

/// A device and a hub with a path between them.
struct TwoHosts {
    Clock clock;
    Network network{clock, 1};
    Path path;
    NotingEnd device, hub;
    SocketId up = 0, down = 0;

    TwoHosts() {
        path.to = "hub";
        listen();
    }
    void listen() {
        network.listen("hub", [this](SocketId socket, const std::string&) -> Handler* {
            down = socket;
            return &hub;
        });
    }
    void connect() {
        up = network.connect("device", path, device, std::chrono::seconds(10));
        pass(std::chrono::seconds(1));
    }
    void pass(Duration time) { clock.run_until(clock.now() + time); }
    void say_up(std::string_view text) { static_cast<void>(network.send(up, as_bytes(text))); }
    void say_down(std::string_view text) { static_cast<void>(network.send(down, as_bytes(text))); }
};

}  // namespace holdfast::simulated
