#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "firmware/ports/stream.h"
#include "platform/net/tls.h"

namespace holdfast::net {

using ports::Stream;
using ports::StreamHandler;
using ports::StreamOptions;

using Endpoint = boost::asio::ip::tcp::endpoint;
/// A socket whose executor is known, so that it carries no type-erased one.
using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// Something that ends when a stream does: a listener's count of its connections.
class StreamLease {
public:
    virtual void stream_ended() = 0;

protected:
    ~StreamLease() = default;
};
struct EndLease {
    void operator()(StreamLease* lease) const { lease->stream_ended(); }
};
using LeasePointer = std::unique_ptr<StreamLease, EndLease>;

class StreamCore;

/// The Stream of this folder. It only holds on to the core, which the pending waits hold as well:
/// so the owner may destroy the stream in any callback while the event that made the call is still
/// on the stack.
class SocketStream final : public Stream {
public:
    using HandshakeDone = std::move_only_function<void(std::optional<Error>)>;

    /// Takes a connected socket, which Asio knows no more.
    SocketStream(boost::asio::io_context& io, int socket, const Endpoint& peer,
                 const StreamOptions& options, LeasePointer lease);
    /// As `abort`.
    ~SocketStream() override;
    SocketStream(const SocketStream&) = delete;
    SocketStream& operator=(const SocketStream&) = delete;

    /// Shakes hands over TLS; `host` is the name or address to verify (client only). Calls `done`
    /// once, on the network thread and not within this call, unless the stream is destroyed before;
    /// the stream may be destroyed in it. Errors: timeout, untrusted, unauthorized, refused,
    /// closed, io, invalid (not TLS).
    void handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                   Duration timeout, HandshakeDone done);

    void start(StreamHandler& handler) override;
    bool send(ByteView bytes) override;
    bool send(SharedBytes bytes) override;
    bool send_in_place(ByteView bytes) override;
    [[nodiscard]] Bytes& cork() override;
    bool send_corked() override;
    [[nodiscard]] std::size_t unsent_bytes() const override;
    void pause() override;
    void resume() override;
    void shutdown(Duration linger) override;
    void abort() override;
    [[nodiscard]] std::string peer() const override;
    [[nodiscard]] std::string peer_certificate_name() const override;
    [[nodiscard]] std::uint64_t bytes_received() const override;
    [[nodiscard]] std::uint64_t bytes_sent() const override;
    [[nodiscard]] std::uint64_t bytes_acknowledged() const override;

private:
    boost::intrusive_ptr<StreamCore> core_;
    LeasePointer lease_;
};

/// "192.0.2.1:41234", "[2001:db8::1]:443".
[[nodiscard]] std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace holdfast::net
