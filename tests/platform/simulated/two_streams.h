#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/simulated/connector.h"
#include "platform/simulated/listener.h"

namespace holdfast::simulated {

/// The owner of a stream, which notes all it is told.
struct NotingOwner final : ports::StreamHandler {
    std::unique_ptr<ports::Stream> stream;
    std::string heard;
    std::size_t calls = 0;
    unsigned writables = 0;
    std::optional<Error> end;
    std::function<void()> then;  ///< within on_bytes
    std::function<void()> when_writable;

    void take(std::unique_ptr<ports::Stream> made) {
        stream = std::move(made);
        stream->start(*this);
    }
    void say(std::string_view text) { static_cast<void>(stream->send(as_bytes(text))); }

    void on_bytes(std::span<std::byte> bytes) override {
        heard += as_text(bytes);
        ++calls;
        if (then) {
            then();
        }
    }
    void on_writable() override {
        ++writables;
        if (when_writable) {
            when_writable();
        }
    }
    void on_closed(const Error& error) override { end = error; }
};

/// A device with a connector and a hub with a listener, and a path between them.
struct TwoStreams : ports::Acceptor {
    Clock clock;
    Network network{clock, 1};
    Path path;
    SimulatedStreamOptions options{.stream = {.send_limit_bytes = 10'000}, .kernel_bytes = 4000};
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Connector> connector;
    std::unique_ptr<ports::Connector::Attempt> attempt;
    std::unique_ptr<ports::Stream> waiting;  ///< accepted, if `starts` is false
    bool starts = true;
    NotingOwner device, hub;
    std::optional<Error> failure;

    TwoStreams() {
        path.to = "hub";
        path.latency = std::chrono::milliseconds(20);
        path.jitter = Duration{};
        listen();
        connector = std::make_unique<Connector>(
            clock, network, ConnectorOptions{.from = "device", .direct = &path, .stream = options});
    }
    void listen() { listener = std::make_unique<Listener>(clock, network, "hub", *this, options); }
    void accepted(std::unique_ptr<ports::Stream> stream) override {
        starts ? hub.take(std::move(stream)) : void(waiting = std::move(stream));
    }
    void failed(const std::string&, const Error&) override {}

    void begin(bool proxied = false) {
        attempt = connector->connect(proxied, [this](Result<std::unique_ptr<ports::Stream>> made) {
            attempt.reset();
            made ? device.take(*std::move(made)) : void(failure = made.error());
        });
    }
    void connect() {
        begin();
        pass(std::chrono::seconds(1));
    }
    void pass(Duration time) { clock.run_until(clock.now() + time); }
};

}  // namespace holdfast::simulated
