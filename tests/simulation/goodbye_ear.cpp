#include "tests/simulation/goodbye_ear.h"

#include <utility>

namespace holdfast::simulation {

std::optional<line::GoodbyeMessage> GoodbyeEar::hear(ByteView bytes) {
    if (deaf_) {
        return std::nullopt;
    }
    if (!socket_) {
        const Result<std::optional<http::Response>> response = head_.next(bytes);
        if (response && !*response) {
            return std::nullopt;
        }
        if (!response || (*response)->status != 101) {
            deaf_ = true;
            return std::nullopt;
        }
        socket_.emplace(websocket::Role::client, websocket::Limits{}, &masks_);
    }
    Bytes copy(bytes.begin(), bytes.end());
    std::span<std::byte> rest(copy);
    Bytes answers;
    std::optional<line::GoodbyeMessage> goodbye;
    while (const std::optional<websocket::Event> event = socket_->next(rest, answers)) {
        if (event->kind == websocket::Event::Kind::binary) {
            auto message = line::from_wire(event->payload);
            welcomed_ |= message && std::holds_alternative<line::WelcomeMessage>(*message);
            if (welcomed_ && message && std::holds_alternative<line::GoodbyeMessage>(*message)) {
                goodbye = std::get<line::GoodbyeMessage>(std::move(*message));
            }
        }
    }
    return goodbye;
}

}  // namespace holdfast::simulation
