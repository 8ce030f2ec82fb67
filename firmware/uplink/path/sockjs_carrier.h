#pragma once

#include <array>
#include <deque>

#include "firmware/sockjs/client.h"
#include "firmware/uplink/path/carrier.h"

namespace holdfast::uplink {

/// A SockJS session on two streams, by xhr_streaming or xhr. Envelopes travel as base64 text, Hello
/// in a header of the request that opens the session.
class SockJsCarrier final : public Carrier {
public:
    SockJsCarrier(CarrierOptions options, ports::Entropy& entropy, Instant now);

    [[nodiscard]] std::optional<Order> next_order(Instant now) override;
    void greet(Bytes hello) override { hello_ = std::move(hello); }
    void opened(Lane which, const std::string& authorization, Instant now) override;
    void received(Lane which, std::span<std::byte> bytes, Instant now) override;
    void ended(Lane which, const Error& error, Instant now) override;
    [[nodiscard]] std::optional<Event> next_event(Instant now) override;
    void send(ByteView head, ByteView body, websocket::Compression compression) override;
    void ping(std::optional<Duration> silence) override;
    void speak() override {}
    void close(websocket::CloseCode code, std::string_view reason) override;
    void abort() override;
    [[nodiscard]] std::size_t gathered_bytes() const override {
        return client_ ? client_->unsent_bytes() : 0;
    }
    [[nodiscard]] Instant deadline() const override;
    void tick(Instant now) override;
    void give_up(Instant now) override;

private:
    struct LaneState {
        bool asked = false;  ///< a stream was asked for and is not there yet
        bool is_open = false;
        bool used = false;  ///< a request went out on it
        Bytes waiting;      ///< a request for the stream that was asked for
    };
    [[nodiscard]] LaneState& lane(Lane which) { return lanes_[static_cast<std::size_t>(which)]; }
    void serve(const sockjs::Client::Request& request);
    void ask_for(Lane which);
    [[nodiscard]] std::optional<Event> translate(const sockjs::Client::Event& event);
    void end_streams(Order::Kind kind);

    CarrierOptions options_;
    ports::Entropy& entropy_;
    Instant began_at_;
    std::optional<sockjs::Client> client_;  ///< once the receiving stream is there
    std::array<LaneState, kLanes> lanes_;
    Bytes hello_;
    Bytes payload_;
    bool proven_ = false;  ///< an Envelope came whole; before that the path may mangle them
    std::optional<Error> no_route_;
    std::deque<Order> orders_;
    std::deque<Event> events_;
    bool over_ = false;
};

}  // namespace holdfast::uplink
