#pragma once

#include <memory>
#include <optional>
#include <string>

#include "firmware/http/message.h"
#include "firmware/websocket/connection.h"
#include "firmware/websocket/handshake.h"
#include "tests/conformance/case.h"

namespace holdfast::conformance {

/// The engine without IO, doing what the programs do: opening handshake, then an echo.
class EngineSubject {
public:
    virtual ~EngineSubject() = default;
    /// What it says to these bytes.
    [[nodiscard]] std::string feed(std::string_view bytes);
    /// Nothing more will be said.
    [[nodiscard]] bool over() const { return refused_ || (connection_ && connection_->closed()); }
    /// The opening handshake is done.
    [[nodiscard]] bool open() const { return connection_.has_value(); }

protected:
    [[nodiscard]] virtual std::string shake_hands(ByteView& bytes) = 0;
    void begin(websocket::Role role, const std::optional<websocket::DeflateAgreement>& agreed);

    websocket::DeflateContexts contexts_;
    std::optional<websocket::Connection> connection_;
    bool refused_ = false;

private:
    [[nodiscard]] std::string echo(std::span<std::byte> bytes);
};

class EngineServer final : public EngineSubject {
public:
    explicit EngineServer(Mode mode) : mode_(mode) {}

private:
    [[nodiscard]] std::string shake_hands(ByteView& bytes) override;

    Mode mode_;
    http::RequestReader reader_;
};

class EngineClient final : public EngineSubject {
public:
    explicit EngineClient(Mode mode);
    [[nodiscard]] std::string request() const { return handshake_->request(); }

private:
    [[nodiscard]] std::string shake_hands(ByteView& bytes) override;

    std::optional<websocket::ClientHandshake> handshake_;
    http::ResponseReader reader_;
};

}  // namespace holdfast::conformance
