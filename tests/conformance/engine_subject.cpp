#include "tests/conformance/engine_subject.h"

namespace holdfast::conformance {
namespace {

constexpr std::uint64_t kMessageLimitBytes = 64u << 20;

/// The same bytes in every run, so that a failure can be repeated.
class CountingEntropy final : public ports::Entropy {
public:
    void fill(std::span<std::byte> bytes) override {
        for (std::byte& one : bytes) {
            one = static_cast<std::byte>(next_ += 37);
        }
    }

private:
    unsigned char next_ = 0;
};

CountingEntropy& entropy() {
    static CountingEntropy one;
    return one;
}

websocket::DeflatePolicy deflate_policy(Mode mode) {
    return {.enabled = mode != Mode::plain, .context_takeover = mode == Mode::takeover};
}

}  // namespace

std::string EngineSubject::feed(std::string_view bytes) {
    Bytes copy;
    append(copy, bytes);
    ByteView unread = copy;
    std::string out;
    if (!connection_ && !refused_) {
        out = shake_hands(unread);
    }
    if (connection_) {
        out += echo(std::span(copy).last(unread.size()));
    }
    return out;
}

std::string EngineSubject::echo(std::span<std::byte> bytes) {
    using Kind = websocket::Event::Kind;
    Bytes out;
    while (const std::optional<websocket::Event> event = connection_->next(bytes, out)) {
        if (event->kind == Kind::text) {
            connection_->send_text(as_text(event->payload), out);
        } else if (event->kind == Kind::binary) {
            connection_->send_binary(event->payload, out);
        }
    }
    return std::string(as_text(out));
}

void EngineSubject::begin(websocket::Role role,
                          const std::optional<websocket::DeflateAgreement>& agreed) {
    connection_.emplace(
        role, websocket::Limits{kMessageLimitBytes}, &entropy(),
        agreed ? std::make_unique<websocket::Deflate>(contexts_, *agreed) : nullptr);
}

std::string EngineServer::shake_hands(ByteView& bytes) {
    const auto request = reader_.next(bytes);
    if (!request) {
        refused_ = true;
        http::Response response;
        const bool large = request.error().code == ErrorCode::too_large;
        response.status = large ? 431 : 400;
        return to_wire(response);
    }
    if (!*request) {
        return "";
    }
    websocket::ServerPolicy policy;
    policy.allowed_origins = {"*"};
    policy.deflate = deflate_policy(mode_);
    const websocket::ServerAnswer answer = websocket::answer(**request, policy);
    if (answer.accepted) {
        begin(websocket::Role::server, answer.deflate);
    } else {
        refused_ = true;
    }
    return to_wire(answer.response);
}

EngineClient::EngineClient(Mode mode) {
    websocket::ClientOffer offer;
    offer.host = "localhost";
    offer.target = "/case";
    offer.deflate = deflate_policy(mode);
    handshake_.emplace(std::move(offer), entropy());
}

std::string EngineClient::shake_hands(ByteView& bytes) {
    const auto response = reader_.next(bytes);
    if (!response) {
        refused_ = true;
    } else if (*response) {
        const auto agreed = handshake_->check(**response);
        if (agreed) {
            begin(websocket::Role::client, agreed->deflate);
        } else {
            refused_ = true;
        }
    }
    return "";
}

}  // namespace holdfast::conformance
