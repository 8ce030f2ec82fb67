#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/bytes.h"

namespace holdfast::websocket {

enum class Role { client, server };

/// RFC 6455, Section 5.2.
enum class Opcode : std::uint8_t {
    continuation = 0x0,
    text = 0x1,
    binary = 0x2,
    close = 0x8,
    ping = 0x9,
    pong = 0xa
};

/// RFC 6455, Section 7.4.1. Other values travel as they are.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    no_status = 1005,  ///< never on the wire
    abnormal = 1006,   ///< never on the wire
    invalid_payload = 1007,
    policy_violation = 1008,
    message_too_big = 1009,
    mandatory_extension = 1010,
    internal_error = 1011,
    service_restart = 1012,
    try_again_later = 1013,
};

/// Whether a peer may send this code in a close frame (Section 7.4).
[[nodiscard]] bool is_sendable(std::uint16_t code);

struct ProtocolError {
    CloseCode code;
    std::string_view reason;  ///< a literal; fits a close frame
};

struct FrameLimits {
    std::uint64_t payload_size_bytes = 16u << 20;
};

struct FrameHead {
    bool fin = true;
    bool rsv1 = false;
    Opcode opcode = Opcode::binary;
    std::uint64_t payload_size_bytes = 0;
};

/// A piece of a frame: its payload unmasked in place, and viewed. Control frames always come whole.
struct Frame {
    FrameHead head;
    std::span<std::byte> payload;  ///< valid as long as the bytes given to `next`; for a control
                                   ///< frame that came in pieces, until the following call
    bool first = true;             ///< the payload's first piece
    bool last = true;              ///< its last
};

/// Splits a byte stream into RFC 6455 frames. A data frame that is not complete is handed on in
/// pieces as they come, so the reader never buffers payload; only a head or a control frame (at
/// most 125 bytes) in pieces is kept inside.
class FrameReader {
public:
    FrameReader(Role role, const FrameLimits& limits, bool rsv1_allowed = false);

    /// The next frame or piece in `bytes`. Advances `bytes` past what was consumed.
    /// nullopt: nothing more to hand on; `bytes` is empty.
    /// ProtocolError{1002}: reserved bit or opcode, non-minimal length, fragmented or long control
    /// frame, wrong masking (Sections 5.1 to 5.5). ProtocolError{1009}: the payload would exceed
    /// the limit; found from the head alone. After an error the reader must not be used again.
    [[nodiscard]] std::expected<std::optional<Frame>, ProtocolError> next(
        std::span<std::byte>& bytes);

    /// Between frames: nothing has begun.
    [[nodiscard]] bool idle() const;

    /// The limit for the data frames that begin from now on: what a message that came in frames may
    /// still grow by.
    void limit_payload(std::uint64_t size_bytes) { payload_limit_ = size_bytes; }

    /// Gives back what the last control frame was viewed in, as the following `next` would.
    void release();

    /// Bytes owned beyond the object itself: 0 but for a control frame that comes in pieces.
    [[nodiscard]] std::size_t buffered_bytes() const;

private:
    enum class State : std::uint8_t { head, data, control };
    struct ControlPayload;

    [[nodiscard]] std::expected<bool, ProtocolError> take_head(std::span<std::byte>& bytes);
    [[nodiscard]] std::expected<std::size_t, ProtocolError> parse_head(ByteView bytes);
    [[nodiscard]] Frame take_data(std::span<std::byte>& bytes);
    [[nodiscard]] std::optional<Frame> take_control(std::span<std::byte>& bytes);

    std::uint64_t payload_limit_;
    FrameHead head_;
    std::uint64_t remaining_ = 0;  ///< of the payload
    struct FreeControlPayload {
        void operator()(ControlPayload* payload) const;
    };
    std::unique_ptr<ControlPayload, FreeControlPayload> control_;
    std::array<std::byte, 14> head_bytes_{};  ///< of a head that came in pieces
    std::uint8_t head_bytes_count_ = 0;
    std::array<std::byte, 4> mask_{};
    Role role_;
    State state_ = State::head;
    bool rsv1_allowed_;
};

inline constexpr std::size_t kMaxHeadSize = 14;

/// Writes a frame head; returns its size (2 to 14). `mask` only for clients.
std::size_t write_head(std::span<std::byte, kMaxHeadSize> out, const FrameHead& head,
                       const std::optional<std::array<std::byte, 4>>& mask);

/// XORs with the key, beginning at key byte `offset` modulo 4 (Section 5.3); in place.
void apply_mask(std::span<std::byte> bytes, std::array<std::byte, 4> key, std::size_t offset = 0);

}  // namespace holdfast::websocket
