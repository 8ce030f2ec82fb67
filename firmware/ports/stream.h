#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"

namespace holdfast::ports {

/// What a stream tells its owner. Called on the network thread, never from within a call of the
/// owner's into the stream.
class StreamHandler {
public:
    virtual ~StreamHandler() = default;
    /// Plain bytes from the peer, in the thread's receive buffer: they may be changed in place and
    /// are valid during the call only. Everything `send` is given during the call leaves in one
    /// write after it.
    virtual void on_bytes(std::span<std::byte> bytes) = 0;
    /// What waited to be sent has fallen to half of what it was when `send` returned false, or
    /// below: send on.
    virtual void on_writable() {}
    /// The stream is over, and will call no more. `error.code`: closed (orderly end by the peer, or
    /// by `shutdown`), timeout, io, untrusted. The handler may destroy the stream in this call.
    virtual void on_closed(const Error& error) = 0;
};

struct StreamOptions {
    std::size_t send_limit_bytes = 4u << 20;  ///< beyond this `send` returns false
};

/// One established TCP connection, with TLS on it or without. Readiness-driven: while idle it owns
/// no buffer beyond what TLS itself keeps; receives into one buffer of the thread. Not thread-safe:
/// belongs to its io_context's single thread. TCP_NODELAY is set; writes never raise SIGPIPE.
class Stream {
public:
    virtual ~Stream() = default;

    /// Begins to receive. Called once; `handler` must live until `on_closed` or until the stream is
    /// destroyed.
    virtual void start(StreamHandler& handler) = 0;

    /// Queues bytes; they are written at the end of the current event (corked). Never fails: a
    /// broken line is reported by `on_closed`. false: more than `send_limit_bytes` wait now. They
    /// have been taken all the same; the sender is to hold back until `on_writable`.
    virtual bool send(ByteView bytes) = 0;
    /// As `send`, keeping a reference instead of copying where that is cheaper.
    virtual bool send(SharedBytes bytes) = 0;
    /// As `send`, for bytes that lie somewhere valid during this call only, such as the receive
    /// buffer: long ones are written from there at once, after all that was sent before, and only
    /// what the kernel does not take is copied.
    virtual bool send_in_place(ByteView bytes) = 0;
    /// The block that leaves at the end of the event: an engine appends its answers to it, without
    /// a copy, and then calls `send_corked` before anything else on this thread is sent. It may
    /// hold earlier answers: append only. Valid until the next call into any stream.
    [[nodiscard]] virtual Bytes& cork() = 0;
    /// Takes what was appended to `cork()`; the answer is that of `send`. Nothing appended: no
    /// harm.
    virtual bool send_corked() = 0;
    [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;

    /// Stops and resumes receiving; the kernel's buffers then hold the peer back.
    virtual void pause() = 0;
    virtual void resume() = 0;

    /// Orderly end: sends what waits, TLS close_notify, FIN; waits for the peer's end at most
    /// `linger`; then `on_closed`.
    virtual void shutdown(Duration linger) = 0;
    /// At once, with RST where something waits. No call to the handler follows.
    virtual void abort() = 0;

    /// "192.0.2.1:41234", "[2001:db8::1]:443".
    [[nodiscard]] virtual std::string peer() const = 0;
    /// Subject common name of the peer's verified certificate; "" without one.
    [[nodiscard]] virtual std::string peer_certificate_name() const = 0;
    [[nodiscard]] virtual std::uint64_t bytes_received() const = 0;  ///< on the wire, TLS included
    [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
    /// Of `bytes_sent`, what the peer's TCP has acknowledged: its, or that of a proxy on the way.
    [[nodiscard]] virtual std::uint64_t bytes_acknowledged() const = 0;
};

}  // namespace holdfast::ports
