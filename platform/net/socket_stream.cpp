#include "platform/net/socket_stream.h"

#include <utility>

#include "platform/net/stream_core.h"
#include "platform/net/tls_session.h"

namespace holdfast::net {

SocketStream::SocketStream(boost::asio::io_context& io, int socket, const Endpoint& peer,
                           const StreamOptions& options, LeasePointer lease)
    : core_(new StreamCore(NetworkThread::of(io), socket, peer, options)),
      lease_(std::move(lease)) {}

SocketStream::~SocketStream() {
    core_->abort();
}

void SocketStream::handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                             Duration timeout, HandshakeDone done) {
    core_->handshake(context, host, port, timeout, std::move(done));
}

void SocketStream::start(StreamHandler& handler) {
    core_->start(handler);
}
bool SocketStream::send(ByteView bytes) {
    return core_->send(bytes);
}
bool SocketStream::send(SharedBytes bytes) {
    return core_->send(std::move(bytes));
}
bool SocketStream::send_in_place(ByteView bytes) {
    return core_->send_in_place(bytes);
}
Bytes& SocketStream::cork() {
    return core_->cork();
}
bool SocketStream::send_corked() {
    return core_->send_corked();
}
std::size_t SocketStream::unsent_bytes() const {
    return core_->unsent_bytes();
}
void SocketStream::pause() {
    core_->pause();
}
void SocketStream::resume() {
    core_->resume();
}
void SocketStream::shutdown(Duration linger) {
    core_->shutdown(linger);
}
void SocketStream::abort() {
    core_->abort();
}
std::string SocketStream::peer() const {
    return core_->peer();
}
std::string SocketStream::peer_certificate_name() const {
    return core_->peer_certificate_name();
}
std::uint64_t SocketStream::bytes_received() const {
    return core_->bytes_received();
}
std::uint64_t SocketStream::bytes_sent() const {
    return core_->bytes_sent();
}

std::uint64_t SocketStream::bytes_acknowledged() const {
    return core_->bytes_acknowledged();
}

std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    const std::string port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

}  // namespace holdfast::net
