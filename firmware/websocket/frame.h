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
#include "firmware/websocket/mask.h"

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

/// The size limit on the wire of a message that may have `size_bytes` when inflated. It is larger,
/// because data that cannot be compressed grows when it is deflated.
[[nodiscard]] constexpr std::uint64_t most_deflated_bytes(std::uint64_t size_bytes) {
    const std::uint64_t more = size_bytes / 8 + 64;
    return size_bytes > UINT64_MAX - more ? UINT64_MAX : size_bytes + more;
}

/// A piece of a frame: its payload unmasked in place, and viewed. Control frames always come whole.
struct Frame {
    FrameHead head;
    std::span<std::byte> payload;  ///< valid as long as the bytes given to `next`; for a control
                                   ///< frame that came in pieces, until the following call
    bool first = true;             ///< the payload's first piece
    bool last = true;              ///< its last
    bool ascii = false;            ///< unmasking saw that all of this piece is ASCII
};

/// Splits a byte stream into RFC 6455 frames. A data frame that is not complete is passed on in
/// pieces as they arrive, so the reader never buffers payload. It keeps only an unfinished head or
/// an unfinished control frame (at most 125 bytes).
class FrameReader {
public:
    FrameReader(Role role, const FrameLimits& limits, bool rsv1_allowed = false);

    /// The next frame or piece in `bytes`. Advances `bytes` past what was consumed.
    /// nullopt: nothing more to pass on; `bytes` is empty.
    /// ProtocolError{1002}: reserved bit or opcode, non-minimal length, fragmented or long control
    /// frame, wrong masking (Sections 5.1 to 5.5). ProtocolError{1009}: the payload would exceed
    /// the limit; found from the head alone. After an error the reader must not be used again.
    [[nodiscard]] std::expected<std::optional<Frame>, ProtocolError> next(
        std::span<std::byte>& bytes);

    /// The fast case of `next`, inlined into the caller's loop: true when nothing is unfinished and
    /// `bytes` begins with a whole, well-formed text or binary frame of less than 64 KiB. The
    /// result is then that of `next`. False: nothing has changed; call `next`.
    [[nodiscard]] bool take_whole(std::span<std::byte>& bytes, Frame& frame);

    /// Between frames: nothing has begun.
    [[nodiscard]] bool idle() const;

    /// The limit for data frames that begin from now on: how much an unfinished message may still
    /// grow.
    void limit_payload(std::uint64_t size_bytes) { payload_limit_ = size_bytes; }

    /// Frees the memory that the last control frame was viewed in, as the following `next` would.
    void release();

    /// Bytes owned beyond the object itself: 0 but for a control frame that comes in pieces.
    [[nodiscard]] std::size_t buffered_bytes() const;

private:
    enum class State : std::uint8_t {
        between,  ///< nothing has begun, nothing is kept
        viewed,   ///< as `between`, but the last frame views `control_`
        head,     ///< `head_bytes_` has begun
        data,     ///< `head_bytes_` is whole, `remaining_` of the payload is to come
        control,  ///< the same, and what came of it is in `control_`
    };
    struct ControlPayload;
    struct FreeControlPayload {
        void operator()(ControlPayload* payload) const;
    };

    [[nodiscard]] std::expected<std::optional<Frame>, ProtocolError> next_piece(
        std::span<std::byte>& bytes);
    [[nodiscard]] std::expected<bool, ProtocolError> take_head(std::span<std::byte>& bytes);
    [[nodiscard]] std::optional<ProtocolError> check_first_bytes() const;
    [[nodiscard]] std::optional<ProtocolError> check_length() const;
    [[nodiscard]] FrameHead head() const;
    [[nodiscard]] std::array<std::byte, 4> mask() const;
    [[nodiscard]] bool masked() const { return (fixed_bits_ & 0x80u) != 0; }
    [[nodiscard]] Frame take_data(std::span<std::byte>& bytes);
    [[nodiscard]] std::optional<Frame> take_control(std::span<std::byte>& bytes);

    std::uint64_t payload_limit_;
    std::uint64_t remaining_ = 0;
    std::unique_ptr<ControlPayload, FreeControlPayload> control_;
    /// Of the frame that is unfinished: length and mask are read from here when they are needed.
    std::array<std::byte, 14> head_bytes_{};
    State state_ : 4 = State::between;
    std::uint8_t head_bytes_count_ : 4 = 0;
    /// Bit 7: the mask bit that every frame from this peer has. Bits 6 to 4: the reserved bits that
    /// must be 0.
    std::uint8_t fixed_bits_;
};

inline bool FrameReader::take_whole(std::span<std::byte>& bytes, Frame& frame) {
    if (state_ != State::between || bytes.size() < 4) {
        return false;
    }
    std::byte* const at = bytes.data();
    const auto first = std::to_integer<unsigned>(at[0]);
    const auto second = std::to_integer<unsigned>(at[1]);
    const unsigned opcode = first & 0x0fu;
    const unsigned wrong_bits = (first & fixed_bits_ & 0x70u) | ((second ^ fixed_bits_) & 0x80u);
    if (wrong_bits != 0 || opcode - 1 > 1) {
        return false;
    }
    std::size_t length = second & 0x7fu;
    std::size_t head_size = masked() ? 6 : 2;
    if (length >= 126) {
        if (length == 127) {
            return false;
        }
        length = std::to_integer<std::size_t>(at[2]) << 8u | std::to_integer<std::size_t>(at[3]);
        if (length < 126) {
            return false;
        }
        head_size += 2;
    }
    if (bytes.size() < head_size + length || length > payload_limit_) {
        return false;
    }
    frame.head = {.fin = (first & 0x80u) != 0,
                  .rsv1 = (first & 0x40u) != 0,
                  .opcode = static_cast<Opcode>(opcode),
                  .payload_size_bytes = length};
    frame.payload = {at + head_size, length};
    frame.first = true;
    frame.last = true;
    frame.ascii = false;
    if (masked()) {
        std::array<std::byte, 4> key;
        std::memcpy(key.data(), at + head_size - key.size(), key.size());
        frame.ascii = apply_mask(frame.payload, key);
    }
    bytes = bytes.subspan(head_size + length);
    return true;
}

inline std::expected<std::optional<Frame>, ProtocolError> FrameReader::next(
    std::span<std::byte>& bytes) {
    if (Frame frame; take_whole(bytes, frame)) {
        return frame;
    }
    return next_piece(bytes);
}

inline constexpr std::size_t kMaxHeadSize = 14;

/// Writes a frame head; returns its size (2 to 14). `mask` only for clients.
std::size_t write_head(std::span<std::byte, kMaxHeadSize> out, const FrameHead& head,
                       const std::optional<std::array<std::byte, 4>>& mask);

}  // namespace holdfast::websocket
