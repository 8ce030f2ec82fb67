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

ProtocolError broken(std::string_view reason) {
    return {CloseCode::protocol_error, reason};
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
    : payload_limit_(limits.payload_size_bytes),
      fixed_bits_(static_cast<std::uint8_t>((role == Role::server ? 0x80u : 0u) |
                                            (rsv1_allowed ? 0x30u : 0x70u))) {}

bool FrameReader::idle() const {
    return state_ == State::between || state_ == State::viewed;
}

void FrameReader::release() {
    if (state_ == State::viewed) {
        control_.reset();
        state_ = State::between;
    }
}

std::size_t FrameReader::buffered_bytes() const {
    return control_ ? sizeof(ControlPayload) : 0;
}

std::expected<std::optional<Frame>, ProtocolError> FrameReader::next_piece(
    std::span<std::byte>& bytes) {
    release();
    if (state_ == State::between || state_ == State::head) {
        const auto whole = take_head(bytes);
        if (!whole) {
            return std::unexpected(whole.error());
        }
        if (!*whole) {
            return std::nullopt;
        }
        remaining_ = head().payload_size_bytes;
        state_ = is_control(head().opcode) ? State::control : State::data;
    }
    if (state_ == State::control) {
        return take_control(bytes);
    }
    if (remaining_ != 0 && bytes.empty()) {
        return std::nullopt;
    }
    return take_data(bytes);
}

/// True when `head_bytes_` is the head of the next frame, and `bytes` begins with its payload. What
/// is wrong in the first two bytes is found without the rest.
std::expected<bool, ProtocolError> FrameReader::take_head(std::span<std::byte>& bytes) {
    while (head_bytes_count_ < 2 || head_bytes_count_ < head_size(head_bytes_[1])) {
        if (bytes.empty()) {
            return false;
        }
        state_ = State::head;
        head_bytes_[head_bytes_count_++] = bytes.front();
        bytes = bytes.subspan(1);
        if (head_bytes_count_ == 2) {
            if (const auto error = check_first_bytes()) {
                return std::unexpected(*error);
            }
        }
    }
    head_bytes_count_ = 0;
    if (const auto error = check_length()) {
        return std::unexpected(*error);
    }
    return true;
}

std::optional<ProtocolError> FrameReader::check_first_bytes() const {
    const unsigned first = value(head_bytes_[0]);
    const unsigned second = value(head_bytes_[1]);
    const unsigned opcode_bits = first & 0x0fu;
    if (!is_known(opcode_bits)) {
        return broken("reserved opcode");
    }
    // RFC 7692, Section 6.1: RSV1 stands on the first frame of a message.
    const auto opcode = static_cast<Opcode>(opcode_bits);
    const bool begins_message = opcode == Opcode::text || opcode == Opcode::binary;
    if ((first & fixed_bits_ & 0x70u) != 0 || ((first & 0x40u) != 0 && !begins_message)) {
        return broken("reserved bit");
    }
    const bool fin = (first & 0x80u) != 0;
    if (is_control(opcode) && (!fin || (second & 0x7fu) > kMaxControlPayload)) {
        return broken(fin ? "control frame too long" : "fragmented control frame");
    }
    if (((second ^ fixed_bits_) & 0x80u) != 0) {
        return broken(masked() ? "unmasked frame from a client" : "masked frame from a server");
    }
    return std::nullopt;
}

std::optional<ProtocolError> FrameReader::check_length() const {
    const std::uint64_t length = head().payload_size_bytes;
    const std::size_t length_size = extended_length_size(head_bytes_[1]);
    if ((length_size == 2 && length < 126) ||
        (length_size == 8 && (length <= 0xffff || length >> 63u != 0))) {
        return broken("bad length");
    }
    const std::uint64_t limit = head().rsv1 ? most_deflated_bytes(payload_limit_) : payload_limit_;
    if (!is_control(head().opcode) && length > limit) {
        return ProtocolError{CloseCode::message_too_big, "message too big"};
    }
    return std::nullopt;
}

FrameHead FrameReader::head() const {
    const unsigned first = value(head_bytes_[0]);
    const std::size_t length_size = extended_length_size(head_bytes_[1]);
    return {.fin = (first & 0x80u) != 0,
            .rsv1 = (first & 0x40u) != 0,
            .opcode = static_cast<Opcode>(first & 0x0fu),
            .payload_size_bytes = length_size == 0
                                      ? value(head_bytes_[1]) & 0x7fu
                                      : big_endian(ByteView(head_bytes_).subspan(2, length_size))};
}

std::array<std::byte, 4> FrameReader::mask() const {
    std::array<std::byte, 4> key;
    std::memcpy(key.data(), &head_bytes_[2 + extended_length_size(head_bytes_[1])], key.size());
    return key;
}

Frame FrameReader::take_data(std::span<std::byte>& bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    Frame frame{.head = head(), .payload = bytes.first(size)};
    const std::uint64_t offset = frame.head.payload_size_bytes - remaining_;
    frame.first = offset == 0;
    if (masked()) {
        frame.ascii = apply_mask(frame.payload, mask(), static_cast<std::size_t>(offset % 4));
    }
    bytes = bytes.subspan(size);
    remaining_ -= size;
    frame.last = remaining_ == 0;
    if (frame.last) {
        state_ = State::between;
    }
    return frame;
}

std::optional<Frame> FrameReader::take_control(std::span<std::byte>& bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    Frame frame{.head = head(), .payload = bytes.first(size)};
    bytes = bytes.subspan(size);
    if (size != frame.head.payload_size_bytes) {
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
    if (masked()) {
        frame.ascii = apply_mask(frame.payload, mask());
    }
    state_ = control_ ? State::viewed : State::between;
    return frame;
}

}  // namespace holdfast::websocket
