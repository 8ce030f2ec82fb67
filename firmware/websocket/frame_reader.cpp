#include <algorithm>
#include <cstring>

#include "firmware/websocket/frame.h"

namespace holdfast::websocket {
namespace {

constexpr std::size_t kMaxControlPayload = 125;  // Section 5.5

unsigned value(std::byte byte) {
    return std::to_integer<unsigned>(byte);
}

bool is_control(Opcode opcode) {
    return (static_cast<unsigned>(opcode) & 0x8u) != 0;
}

bool is_known(unsigned opcode) {
    return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

std::unexpected<ProtocolError> broken(std::string_view reason) {
    return std::unexpected(ProtocolError{CloseCode::protocol_error, reason});
}

std::uint64_t big_endian(ByteView bytes) {
    std::uint64_t number = 0;
    for (const std::byte byte : bytes) {
        number = number << 8u | value(byte);
    }
    return number;
}

std::size_t extended_length_size(std::byte second) {
    const unsigned length = value(second) & 0x7fu;
    return length == 126 ? 2 : length == 127 ? 8 : 0;
}

std::size_t head_size(std::byte second) {
    return 2 + extended_length_size(second) + ((value(second) & 0x80u) != 0 ? 4 : 0);
}

}  // namespace

struct FrameReader::ControlPayload {
    std::array<std::byte, kMaxControlPayload> bytes;
    std::size_t count = 0;
};

void FrameReader::FreeControlPayload::operator()(ControlPayload* payload) const {
    delete payload;
}

FrameReader::FrameReader(Role role, const FrameLimits& limits, bool rsv1_allowed)
    : payload_limit_(limits.payload_size_bytes), role_(role), rsv1_allowed_(rsv1_allowed) {}

bool FrameReader::idle() const {
    return state_ == State::head && head_bytes_count_ == 0;
}

void FrameReader::release() {
    if (state_ == State::head) {
        control_.reset();
    }
}

std::size_t FrameReader::buffered_bytes() const {
    return control_ ? sizeof(ControlPayload) : 0;
}

std::expected<std::optional<Frame>, ProtocolError> FrameReader::next(std::span<std::byte>& bytes) {
    release();
    if (state_ == State::head) {
        const auto whole = take_head(bytes);
        if (!whole) {
            return std::unexpected(whole.error());
        }
        if (!*whole) {
            return std::nullopt;
        }
        remaining_ = head_.payload_size_bytes;
        state_ = is_control(head_.opcode) ? State::control : State::data;
    }
    if (state_ == State::control) {
        return take_control(bytes);
    }
    if (remaining_ != 0 && bytes.empty()) {
        return std::nullopt;
    }
    return take_data(bytes);
}

/// True when `head_` and `mask_` are those of the next frame, and `bytes` begins with its payload.
std::expected<bool, ProtocolError> FrameReader::take_head(std::span<std::byte>& bytes) {
    if (head_bytes_count_ == 0) {
        const auto size = parse_head(bytes);
        if (!size) {
            return std::unexpected(size.error());
        }
        if (*size != 0) {
            bytes = bytes.subspan(*size);
            return true;
        }
    }
    while (!bytes.empty()) {
        head_bytes_[head_bytes_count_++] = bytes.front();
        bytes = bytes.subspan(1);
        const auto size = parse_head(std::span(head_bytes_).first(head_bytes_count_));
        if (!size) {
            return std::unexpected(size.error());
        }
        if (*size != 0) {
            head_bytes_count_ = 0;
            return true;
        }
    }
    return false;
}

/// The size of the head at the front of `bytes`; 0: it is not whole. What is wrong in its first two
/// bytes is found without the rest.
std::expected<std::size_t, ProtocolError> FrameReader::parse_head(ByteView bytes) {
    if (bytes.size() < 2) {
        return 0;
    }
    const unsigned first = value(bytes[0]);
    const unsigned second = value(bytes[1]);
    const unsigned opcode = first & 0x0fu;
    if (!is_known(opcode)) {
        return broken("reserved opcode");
    }
    FrameHead head{.fin = (first & 0x80u) != 0,
                   .rsv1 = (first & 0x40u) != 0,
                   .opcode = static_cast<Opcode>(opcode)};
    // RFC 7692, Section 6.1: RSV1 stands on the first frame of a message.
    const bool begins_message = head.opcode == Opcode::text || head.opcode == Opcode::binary;
    if ((first & 0x30u) != 0 || (head.rsv1 && !(rsv1_allowed_ && begins_message))) {
        return broken("reserved bit");
    }
    if (is_control(head.opcode) && (!head.fin || (second & 0x7fu) > kMaxControlPayload)) {
        return broken(head.fin ? "control frame too long" : "fragmented control frame");
    }
    const bool masked = (second & 0x80u) != 0;
    if (masked != (role_ == Role::server)) {
        return broken(masked ? "masked frame from a server" : "unmasked frame from a client");
    }

    const std::size_t size = head_size(bytes[1]);
    if (bytes.size() < size) {
        return 0;
    }
    const std::size_t length_size = extended_length_size(bytes[1]);
    head.payload_size_bytes =
        length_size == 0 ? second & 0x7fu : big_endian(bytes.subspan(2, length_size));
    if ((length_size == 2 && head.payload_size_bytes < 126) ||
        (length_size == 8 &&
         (head.payload_size_bytes <= 0xffff || head.payload_size_bytes >> 63u != 0))) {
        return broken("bad length");
    }
    if (!is_control(head.opcode) && head.payload_size_bytes > payload_limit_) {
        return std::unexpected(ProtocolError{CloseCode::message_too_big, "message too big"});
    }
    if (masked) {
        std::ranges::copy(bytes.subspan(size - 4, 4), mask_.begin());
    }
    head_ = head;
    return size;
}

Frame FrameReader::take_data(std::span<std::byte>& bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    const std::uint64_t offset = head_.payload_size_bytes - remaining_;
    Frame frame{.head = head_, .payload = bytes.first(size), .first = offset == 0};
    if (role_ == Role::server) {
        apply_mask(frame.payload, mask_, static_cast<std::size_t>(offset % 4));
    }
    bytes = bytes.subspan(size);
    remaining_ -= size;
    frame.last = remaining_ == 0;
    if (frame.last) {
        state_ = State::head;
    }
    return frame;
}

std::optional<Frame> FrameReader::take_control(std::span<std::byte>& bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    Frame frame{.head = head_, .payload = bytes.first(size)};
    bytes = bytes.subspan(size);
    if (size != head_.payload_size_bytes) {
        if (!control_) {
            control_.reset(new ControlPayload);
        }
        std::ranges::copy(frame.payload,
                          control_->bytes.begin() + static_cast<std::ptrdiff_t>(control_->count));
        control_->count += size;
        remaining_ -= size;
        if (remaining_ != 0) {
            return std::nullopt;
        }
        frame.payload = std::span(control_->bytes).first(control_->count);
    }
    if (role_ == Role::server) {
        apply_mask(frame.payload, mask_);
    }
    state_ = State::head;
    return frame;
}

}  // namespace holdfast::websocket
