#pragma once

#include <deque>

#include "firmware/uplink/path/carrier.h"
#include "firmware/websocket/handshake.h"

namespace holdfast::uplink {

/// A WebSocket `holdfast.v1` on one stream. An answer that is not 101, or a 101 after which nothing
/// comes, is told by name.
class WebSocketCarrier final : public Carrier {
public:
    WebSocketCarrier(CarrierOptions options, ports::Entropy& entropy,
                     websocket::DeflateContexts& contexts, Instant now);

    [[nodiscard]] std::optional<Order> next_order(Instant now) override;
    void greet(Bytes hello) override { hello_ = std::move(hello); }
    void opened(Lane lane, const std::string& authorization, Instant now) override;
    void received(Lane lane, std::span<std::byte> bytes, Instant now) override;
    void ended(Lane lane, const Error& error, Instant now) override;
    [[nodiscard]] std::optional<Event> next_event(Instant now) override;
    void send(ByteView head, ByteView body, websocket::Compression compression) override;
    void ping(std::optional<Duration> silence) override;
    void speak() override;
    void close(websocket::CloseCode code, std::string_view reason) override;
    void abort() override;
    [[nodiscard]] std::size_t gathered_bytes() const override { return out_.size(); }
    [[nodiscard]] Instant deadline() const override;
    void tick(Instant now) override;
    void give_up(Instant now) override;

private:
    [[nodiscard]] bool over() const { return end_.has_value() || silent_; }
    void read_head(Instant now);
    [[nodiscard]] std::optional<http::Response> unfinished_refusal() const;
    void upgraded(const http::Response& response, Instant now);
    [[nodiscard]] std::optional<Event> next_frame(Instant now);
    /// What is no WebSocket right after 101 is hardly the hub's.
    [[nodiscard]] Trouble whose_fault() const {
        return passes_ ? Trouble::hub : Trouble::transport;
    }
    void fail(const Error& error, Trouble trouble, LineEnd end, bool at_once);

    CarrierOptions options_;
    ports::Entropy& entropy_;
    websocket::DeflateContexts& contexts_;
    Instant began_at_;
    Duration patience_;
    bool connected_ = false;
    Bytes hello_;
    http::ResponseReader head_;
    std::optional<websocket::ClientHandshake> handshake_;
    std::optional<websocket::Connection> socket_;
    std::span<std::byte> unread_;
    Instant sign_due_ = kNever;     ///< the answer to the handshake, then the first pong
    Instant message_due_ = kNever;  ///< when the one that is unfinished must be whole
    bool passes_ = false;
    Bytes out_;
    std::deque<Order> orders_;
    std::deque<Event> events_;
    std::optional<Event> end_;  ///< told last
    bool silent_ = false;       ///< nothing more is told
};

}  // namespace holdfast::uplink
