#include "firmware/websocket/connection.h"

#include <algorithm>
#include <cstring>

#include "firmware/base/check.h"
#include "firmware/websocket/utf8.h"

namespace holdfast::websocket {
namespace {

constexpr std::size_t kMaxControlPayload = 125;
constexpr std::size_t kMaxCloseReason = kMaxControlPayload - 2;

bool is_utf8(ByteView bytes) {
    Utf8Validator validator;
    return validator.feed(bytes) && validator.complete();
}

/// The longest beginning of at most `most` bytes that does not end inside a character.
std::string_view cut_at_character(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return text;
    }
    while (most != 0 && (static_cast<unsigned char>(text[most]) & 0xc0u) == 0x80u) {
        --most;
    }
    return text.substr(0, most);
}

/// Without the mask.
std::size_t head_size(std::uint64_t payload_size_bytes) {
    return payload_size_bytes < 126 ? 2 : payload_size_bytes <= 0xffff ? 4 : 10;
}

void append_head(const FrameHead& head, const std::optional<std::array<std::byte, 4>>& mask,
                 Bytes& out) {
    std::array<std::byte, kMaxHeadSize> bytes;
    append(out, ByteView(bytes).first(write_head(bytes, head, mask)));
}

/// Room for a piece: twice of what came, as a vector grows by itself, but no more than the frame
/// has. So a large message that comes in two pieces is copied once.
void make_room(Bytes& bytes, const Frame& frame) {
    const std::size_t needed = bytes.size() + frame.payload.size();
    if (needed > bytes.capacity() && frame.head.opcode != Opcode::continuation) {
        bytes.reserve(static_cast<std::size_t>(
            std::min<std::uint64_t>(2 * needed, frame.head.payload_size_bytes)));
    }
}

}  // namespace

/// A message that did not come whole in one piece of input.
struct Connection::Message {
    Opcode opcode;
    bool deflated;
    bool delivered = false;  ///< the last event views it
    Utf8Validator utf8;
    std::uint64_t received_bytes = 0;  ///< as on the wire
    Bytes bytes;
};

Connection::Connection(Role role, const Limits& limits, ports::Entropy* entropy,
                       std::unique_ptr<Deflate> deflate)
    : reader_(role, {limits.message_size_bytes}, deflate != nullptr),
      message_limit_(limits.message_size_bytes),
      entropy_(entropy),
      deflate_(std::move(deflate)),
      role_(role) {
    HOLDFAST_CHECK(role == Role::server || entropy != nullptr);
}

Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

bool Connection::close_sent() const {
    return close_sent_;
}

bool Connection::in_message() const {
    return !closed() && (!reader_.idle() || (message_ && !message_->delivered));
}

bool Connection::takes_shared_deflate() const {
    return deflate_ && deflate_->sends_for_all();
}

void Connection::release_compressor() {
    if (deflate_) {
        deflate_->release_compressor();
    }
}

std::size_t Connection::buffered_bytes() const {
    return reader_.buffered_bytes() +
           (message_ ? sizeof(Message) + message_->bytes.capacity() : std::size_t{0});
}

std::optional<Event> Connection::next_after(const Frame& frame, std::span<std::byte>& bytes,
                                            Bytes& out) {
    auto event = on_data(frame, out);
    return event ? event : next_other(bytes, out);
}

std::optional<Event> Connection::next_other(std::span<std::byte>& bytes, Bytes& out) {
    if (message_ && (message_->delivered || closed())) {
        message_.reset();
    }
    if (deflate_) {
        deflate_->trim();
    }
    while (!closed()) {
        const auto frame = reader_.next(bytes);
        if (!frame) {
            return fail(frame.error(), out);
        }
        if (!*frame) {
            return std::nullopt;
        }
        switch ((*frame)->head.opcode) {
            case Opcode::continuation:
            case Opcode::text:
            case Opcode::binary:
                if (auto event = on_data(**frame, out)) {
                    return event;
                }
                break;
            case Opcode::close:
            case Opcode::ping:
            case Opcode::pong:
                return on_control(**frame, out);
        }
    }
    reader_.release();
    bytes = bytes.last(0);
    return std::nullopt;
}

std::optional<Event> Connection::on_data(const Frame& frame, Bytes& out) {
    const bool continues = frame.head.opcode == Opcode::continuation;
    if (frame.first && continues != (message_ != nullptr)) {
        return fail({CloseCode::protocol_error,
                     continues ? "continuation of no message" : "message within a message"},
                    out);
    }
    const bool whole = frame.first && frame.last && frame.head.fin && !continues;
    if (whole) {
        return on_whole_message(frame, out);
    }
    if (const auto error = gather(frame)) {
        return fail(*error, out);
    }
    if (!message_->delivered) {
        return std::nullopt;
    }
    return Event{.kind = message_->opcode == Opcode::text ? Event::Kind::text : Event::Kind::binary,
                 .payload = message_->bytes};
}

/// Nothing is allocated for it but what the shared contexts keep.
Event Connection::on_whole_message(const Frame& frame, Bytes& out) {
    const bool text = frame.head.opcode == Opcode::text;
    const auto kind = text ? Event::Kind::text : Event::Kind::binary;
    if (frame.head.rsv1) {
        const auto inflated = deflate_->inflate(frame.payload, text, inflated_limit());
        return inflated ? Event{.kind = kind, .payload = *inflated} : fail(inflated.error(), out);
    }
    if (text && !frame.ascii && !is_utf8(frame.payload)) {
        return fail({CloseCode::invalid_payload, "text is not UTF-8"}, out);
    }
    return {.kind = kind, .payload = frame.payload};
}

std::size_t Connection::inflated_limit() const {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(message_limit_, Bytes().max_size() - 1));
}

/// Adds a piece to the unfinished message, whose buffer grows with what came and never with what a
/// head claims.
std::optional<ProtocolError> Connection::gather(const Frame& frame) {
    if (!message_) {
        message_.reset(new Message{
            .opcode = frame.head.opcode, .deflated = frame.head.rsv1, .utf8 = {}, .bytes = {}});
    }
    Message& message = *message_;
    const bool ends = frame.last && frame.head.fin;
    Utf8Validator* const text = message.opcode == Opcode::text ? &message.utf8 : nullptr;
    message.received_bytes += frame.payload.size();
    if (message.deflated) {
        const auto inflated =
            deflate_->inflate(frame.payload, ends, text, message.bytes, inflated_limit());
        if (!inflated) {
            return inflated.error();
        }
    } else {
        make_room(message.bytes, frame);
        append(message.bytes, frame.payload);
        if (text != nullptr && (!text->feed(frame.payload) || (ends && !text->complete()))) {
            return ProtocolError{CloseCode::invalid_payload, "text is not UTF-8"};
        }
    }
    if (frame.last) {
        const std::uint64_t most =
            message.deflated ? most_deflated_bytes(message_limit_) : message_limit_;
        reader_.limit_payload(ends ? message_limit_ : most - message.received_bytes);
    }
    message.delivered = ends;
    return std::nullopt;
}

std::optional<Event> Connection::on_control(const Frame& frame, Bytes& out) {
    if (frame.head.opcode == Opcode::close) {
        return on_close(frame.payload, out);
    }
    if (frame.head.opcode == Opcode::pong) {
        return Event{.kind = Event::Kind::pong, .payload = frame.payload};
    }
    // Section 5.5.1: nothing follows our close frame, not even a pong.
    if (!close_sent_) {
        write_frame({.opcode = Opcode::pong}, frame.payload, {}, out);
    }
    return Event{.kind = Event::Kind::ping, .payload = frame.payload};
}

Event Connection::on_close(std::span<std::byte> payload, Bytes& out) {
    auto code = static_cast<std::uint16_t>(CloseCode::no_status);
    std::string_view reason;
    if (!payload.empty()) {
        if (payload.size() == 1) {
            return fail({CloseCode::protocol_error, "close frame of one byte"}, out);
        }
        code = static_cast<std::uint16_t>(std::to_integer<unsigned>(payload[0]) << 8u |
                                          std::to_integer<unsigned>(payload[1]));
        reason = as_text(payload.subspan(2));
        if (!is_sendable(code)) {
            return fail({CloseCode::protocol_error, "bad close code"}, out);
        }
        if (!is_utf8(as_bytes(reason))) {
            return fail({CloseCode::invalid_payload, "close reason is not UTF-8"}, out);
        }
    }
    close_received_ = true;
    write_close(code, {}, out);
    return {.kind = Event::Kind::close, .payload = payload, .code = code, .reason = reason};
}

Event Connection::fail(const ProtocolError& error, Bytes& out) {
    const auto code = static_cast<std::uint16_t>(error.code);
    write_close(code, error.reason, out);
    failed_ = true;
    message_.reset();
    deflate_.reset();
    return {.kind = Event::Kind::error, .code = code, .reason = error.reason};
}

bool Connection::send_binary(ByteView head, ByteView body, Bytes& out, Compression compression) {
    return write_message(Opcode::binary, head, body, compression, out);
}

bool Connection::begin_message(Opcode opcode, std::uint64_t size_bytes, Bytes& out) {
    HOLDFAST_CHECK(role_ == Role::server && (opcode == Opcode::text || opcode == Opcode::binary));
    if (close_sent_) {
        return false;
    }
    append_head({.opcode = opcode, .payload_size_bytes = size_bytes}, std::nullopt, out);
    return true;
}

bool Connection::send_ping(ByteView payload, Bytes& out) {
    HOLDFAST_CHECK(payload.size() <= kMaxControlPayload);
    if (close_sent_) {
        return false;
    }
    write_frame({.opcode = Opcode::ping}, payload, {}, out);
    return true;
}

bool Connection::send_pong(ByteView payload, Bytes& out) {
    HOLDFAST_CHECK(payload.size() <= kMaxControlPayload);
    if (close_sent_) {
        return false;
    }
    write_frame({.opcode = Opcode::pong}, payload, {}, out);
    return true;
}

void Connection::close(CloseCode code, std::string_view reason, Bytes& out) {
    const auto number = static_cast<std::uint16_t>(code);
    HOLDFAST_CHECK(code == CloseCode::no_status || is_sendable(number));
    write_close(number, reason, out);
}

void Connection::write_close(std::uint16_t code, std::string_view reason, Bytes& out) {
    if (close_sent_) {
        return;
    }
    close_sent_ = true;
    if (code == static_cast<std::uint16_t>(CloseCode::no_status)) {
        write_frame({.opcode = Opcode::close}, {}, {}, out);
        return;
    }
    const std::array number{static_cast<std::byte>(code >> 8u),
                            static_cast<std::byte>(code & 0xffu)};
    write_frame({.opcode = Opcode::close}, number,
                as_bytes(cut_at_character(reason, kMaxCloseReason)), out);
}

bool Connection::write_message(Opcode opcode, ByteView first, ByteView second,
                               Compression compression, Bytes& out) {
    if (close_sent_) {
        return false;
    }
    const bool may_deflate = deflate_ && compression == Compression::automatic;
    if (!may_deflate || !write_deflated(opcode, first, second, out)) {
        write_frame({.opcode = opcode}, first, second, out);
    }
    return true;
}

/// Compresses straight into `out`, behind the room for a head, which is written when the size is
/// known. False: the message is to be sent as it is.
bool Connection::write_deflated(Opcode opcode, ByteView first, ByteView second, Bytes& out) {
    const std::size_t begin = out.size();
    const std::size_t mask_size = role_ == Role::client ? 4 : 0;
    const std::size_t reserved = head_size(first.size() + second.size()) + mask_size;
    out.resize(begin + reserved);
    if (!deflate_->deflate(first, second, out)) {
        out.resize(begin);
        return false;
    }
    const std::size_t size = out.size() - begin - reserved;
    const std::size_t needed = head_size(size) + mask_size;
    out.resize(std::max(out.size(), begin + needed + size));
    std::byte* const frame = out.data() + begin;
    if (needed != reserved) {
        std::memmove(frame + needed, frame + reserved, size);
        out.resize(begin + needed + size);
    }
    const Mask mask = draw_mask();
    std::array<std::byte, kMaxHeadSize> head;
    write_head(head, {.rsv1 = true, .opcode = opcode, .payload_size_bytes = size}, mask);
    std::memcpy(frame, head.data(), needed);
    if (mask) {
        apply_mask(std::span(frame + needed, size), *mask);
    }
    return true;
}

void Connection::write_frame(FrameHead head, ByteView first, ByteView second, Bytes& out) {
    head.payload_size_bytes = std::uint64_t{first.size()} + second.size();
    const Mask mask = draw_mask();
    append_head(head, mask, out);
    const std::size_t payload_begins = out.size();
    append(out, first);
    append(out, second);
    if (mask) {
        apply_mask(std::span(out).subspan(payload_begins), *mask);
    }
}

/// Fresh for each frame of a client (Section 5.3); a server has none.
Connection::Mask Connection::draw_mask() {
    Mask mask;
    if (role_ == Role::client) {
        entropy_->fill(mask.emplace());
    }
    return mask;
}

SharedBytes encode_shared(Opcode opcode, ByteView message) {
    std::array<std::byte, kMaxHeadSize> head;
    const std::size_t head_size =
        write_head(head, {.opcode = opcode, .payload_size_bytes = message.size()}, std::nullopt);
    auto frame = std::make_shared<Bytes>();
    frame->reserve(head_size + message.size());
    append(*frame, ByteView(head).first(head_size));
    append(*frame, message);
    return frame;
}

SharedBytes encode_shared(Opcode opcode, ByteView message, DeflateContexts& contexts) {
    Connection any(Role::server, {}, nullptr,
                   std::make_unique<Deflate>(contexts, DeflateAgreement{}));
    auto frame = std::make_shared<Bytes>();
    if (opcode == Opcode::text) {
        any.send_text(as_text(message), *frame);
    } else {
        any.send_binary(message, *frame);
    }
    return frame;
}

}  // namespace holdfast::websocket
