#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/ports/entropy.h"
#include "firmware/websocket/deflate.h"
#include "firmware/websocket/frame.h"

namespace holdfast::websocket {

/// Whether a message may be sent compressed, where that was agreed.
enum class Compression : std::uint8_t {
    automatic,  ///< if it becomes smaller
    off,        ///< never: its payload is compressed already
};

struct Limits {
    std::uint64_t message_size_bytes = 16u << 20;
};

/// What happened on the connection. `payload` is a view: into the bytes given to `next`, into the
/// connection's own buffer for a message in pieces, or into the buffer of its `DeflateContexts`. It
/// is valid until the following call of `next` on a connection that shares these contexts.
struct Event {
    enum class Kind {
        text,    ///< a whole message, valid UTF-8
        binary,  ///< a whole message
        ping,    ///< its pong has been written to `out` already
        pong,
        close,  ///< the peer closes, `code` (1005: none given) and `reason`; the answer has been
                ///< written to `out`
        error,  ///< the peer broke the protocol: `code`, `reason`; a close frame has been written
                ///< to `out`; nothing more will come
    };
    Kind kind;
    std::span<std::byte> payload = {};
    std::uint16_t code = 0;
    std::string_view reason = {};
};

/// One WebSocket connection after the opening handshake: RFC 6455 without sockets. Both roles.
/// Knows nothing of Holdfast.
///
/// Bytes from the peer go into `next`, repeatedly, until it returns nullopt; bytes for the peer are
/// appended to a buffer of the caller's (one for many connections, so an idle connection owns
/// none). Close handshake (Section 7): after `close` was called, messages from the peer are still
/// reported until its close frame; after `closed()` the transport is to be shut down: by the server
/// at once, by the client when the server has done so or after a time.
class Connection {
public:
    /// `entropy` gives the masks of a client (Section 5.3) and must outlive the connection; a
    /// server may give nullptr.
    Connection(Role role, const Limits& limits, ports::Entropy* entropy,
               std::unique_ptr<Deflate> deflate = nullptr);
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    /// The next event in `bytes`; advances `bytes` past what was consumed, and appends answers to
    /// `out`. nullopt: no event is complete; its beginning is kept, and `bytes` is empty. After
    /// `closed()` bytes are ignored.
    [[nodiscard]] std::optional<Event> next(std::span<std::byte>& bytes, Bytes& out);

    /// Append one message as one frame. Nothing is written after a close frame was sent: returns
    /// false.
    bool send_text(std::string_view message, Bytes& out,
                   Compression compression = Compression::automatic);
    bool send_binary(ByteView message, Bytes& out,
                     Compression compression = Compression::automatic);
    /// The message is the concatenation of head and body, which the caller need not join first.
    bool send_binary(ByteView head, ByteView body, Bytes& out,
                     Compression compression = Compression::automatic);
    /// Server only: appends the head alone of a message, text or binary, that is not compressed;
    /// the caller sends the `size_bytes` of its payload right after it, without a copy.
    /// False, as above: nothing may be sent.
    bool begin_message(Opcode opcode, std::uint64_t size_bytes, Bytes& out);
    /// At most 125 bytes.
    bool send_ping(ByteView payload, Bytes& out);
    /// An unsolicited Pong, which gets no answer (Section 5.5.3); at most 125 bytes.
    bool send_pong(ByteView payload, Bytes& out);

    /// Begins the close handshake. `reason` is cut to 123 bytes at a character boundary. A second
    /// call does nothing.
    void close(CloseCode code, std::string_view reason, Bytes& out);

    /// Both close frames have passed, or the protocol was broken: nothing more will be sent or
    /// reported.
    [[nodiscard]] bool closed() const { return failed_ || (close_sent_ && close_received_); }
    [[nodiscard]] bool close_sent() const;
    /// A frame or a message has begun and is not finished: more bytes must follow.
    [[nodiscard]] bool in_message() const;
    /// A frame that `encode_shared` compressed may be sent here: compression was agreed, without
    /// context takeover and with the largest window.
    [[nodiscard]] bool takes_shared_deflate() const;
    /// Frees the memory that context takeover keeps for sending. To be called when nothing was sent
    /// for a while.
    void release_compressor();
    /// Bytes owned beyond the object itself, but for the `Deflate`: 0 while no message is
    /// unfinished.
    [[nodiscard]] std::size_t buffered_bytes() const;

private:
    struct Message;
    using Mask = std::optional<std::array<std::byte, 4>>;

    [[nodiscard]] std::optional<Event> next_after(const Frame& frame, std::span<std::byte>& bytes,
                                                  Bytes& out);
    [[nodiscard]] std::optional<Event> next_other(std::span<std::byte>& bytes, Bytes& out);
    [[nodiscard]] std::optional<Event> on_data(const Frame& frame, Bytes& out);
    [[nodiscard]] Event on_whole_message(const Frame& frame, Bytes& out);
    [[nodiscard]] std::optional<ProtocolError> gather(const Frame& frame);
    [[nodiscard]] std::optional<Event> on_control(const Frame& frame, Bytes& out);
    [[nodiscard]] Event on_close(std::span<std::byte> payload, Bytes& out);
    Event fail(const ProtocolError& error, Bytes& out);

    [[nodiscard]] std::size_t inflated_limit() const;
    [[nodiscard]] Mask draw_mask();
    void write_frame(FrameHead head, ByteView first, ByteView second, Bytes& out);
    [[nodiscard]] bool write_short(Opcode opcode, ByteView message, Bytes& out);
    bool write_message(Opcode opcode, ByteView first, ByteView second, Compression compression,
                       Bytes& out);
    [[nodiscard]] bool write_deflated(Opcode opcode, ByteView first, ByteView second, Bytes& out);
    void write_close(std::uint16_t code, std::string_view reason, Bytes& out);

    FrameReader reader_;
    std::uint64_t message_limit_;
    ports::Entropy* entropy_;
    std::unique_ptr<Deflate> deflate_;
    std::unique_ptr<Message> message_;  ///< while one is unfinished, or viewed by the last event
    Role role_;
    bool close_sent_ = false;
    bool close_received_ = false;
    bool failed_ = false;
};

// Nearly all messages are whole, short and not compressed. Their code is inlined into the caller's
// loop; all other code is in the source file.

inline std::optional<Event> Connection::next(std::span<std::byte>& bytes, Bytes& out) {
    Frame frame;
    if (message_ || deflate_ || closed() || !reader_.take_whole(bytes, frame)) {
        return next_other(bytes, out);
    }
    const bool binary = frame.head.opcode == Opcode::binary;
    if (frame.head.fin && (binary || frame.ascii)) {
        return Event{.kind = binary ? Event::Kind::binary : Event::Kind::text,
                     .payload = frame.payload};
    }
    return next_after(frame, bytes, out);
}

/// False, and nothing is written: the message needs the general function.
inline bool Connection::write_short(Opcode opcode, ByteView message, Bytes& out) {
    if (role_ != Role::server || deflate_ || close_sent_ || message.empty() ||
        message.size() > 125) {
        return false;
    }
    // One resize, whose bytes are then written a second time, costs less than two inserts.
    const std::size_t begin = out.size();
    out.resize(begin + 2 + message.size());
    std::byte* const frame = out.data() + begin;
    frame[0] = static_cast<std::byte>(0x80u | static_cast<unsigned>(opcode));
    frame[1] = static_cast<std::byte>(message.size());
    std::memcpy(frame + 2, message.data(), message.size());
    return true;
}

inline bool Connection::send_text(std::string_view message, Bytes& out, Compression compression) {
    return write_short(Opcode::text, as_bytes(message), out) ||
           write_message(Opcode::text, as_bytes(message), {}, compression, out);
}

inline bool Connection::send_binary(ByteView message, Bytes& out, Compression compression) {
    return write_short(Opcode::binary, message, out) ||
           write_message(Opcode::binary, message, {}, compression, out);
}

/// One message, text or binary, as a server's frame, made once for any number of receivers, not
/// compressed.
[[nodiscard]] SharedBytes encode_shared(Opcode opcode, ByteView message);
/// As above, compressed if it becomes smaller, for receivers that are `takes_shared_deflate`.
[[nodiscard]] SharedBytes encode_shared(Opcode opcode, ByteView message, DeflateContexts& contexts);

}  // namespace holdfast::websocket
