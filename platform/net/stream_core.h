#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "platform/net/network_thread.h"
#include "platform/net/out_queue.h"
#include "platform/net/socket_stream.h"

namespace holdfast::net {

class TlsSession;

/// The connection behind a SocketStream. Every event (the socket may be read, may be written, a
/// deadline, a posted flush) enters by one of the on_… functions below, which hold a reference;
/// only from there the owner is called.
class StreamCore final
    : public boost::intrusive_ref_counter<StreamCore, boost::thread_unsafe_counter>,
      Timeout {
public:
    StreamCore(Socket&& socket, const StreamOptions& options);
    ~StreamCore();

    void handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                   Duration timeout, SocketStream::HandshakeDone done);
    void start(StreamHandler& handler);
    bool send(ByteView bytes);
    bool send(SharedBytes bytes);
    [[nodiscard]] Bytes& cork() { return thread_.cork(); }
    bool send_corked();
    [[nodiscard]] std::size_t unsent_bytes() const;
    void pause() { paused_ = true; }
    void resume();
    void shutdown(Duration linger);
    void abort();

    [[nodiscard]] std::string peer() const { return to_text(peer_); }
    [[nodiscard]] std::string peer_certificate_name() const;
    [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }
    [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }

private:
    /// handshaking → idle → open → draining → ended; a plain stream begins at idle, and any state
    /// may end.
    enum class Phase : std::uint8_t {
        idle,         ///< not started: nothing is received
        handshaking,  ///< TLS
        open,
        draining,  ///< shut down by the owner: sends the rest, then waits for the peer's end
        ended,
    };
    struct Handshake;

    void on_readable();
    void on_writable();
    void on_posted();
    void expired() override;

    void receive();
    void deliver(std::span<std::byte> bytes);
    void open_sealed(std::span<std::byte> bytes);
    void continue_handshake(std::span<std::byte> bytes);
    void hand_over(std::span<std::byte> bytes);
    void peer_ended(std::string message);

    void settle();
    void flush();
    [[nodiscard]] int write_queued();
    bool account();
    void line_broke(int error_number);
    void end_output();
    void wait_readable();
    void wait_writable();
    void post();
    void finish(Error error);
    void close_socket(bool reset);
    [[nodiscard]] bool wants_input() const;

    Socket socket_;
    NetworkThread& thread_;
    StreamHandler* handler_ = nullptr;
    std::unique_ptr<TlsSession> tls_;
    std::unique_ptr<Handshake> handshake_;
    std::unique_ptr<Error> end_;    ///< why it ended before it was started
    std::unique_ptr<Bytes> early_;  ///< ciphertext that came together with the end of the handshake
    OutQueue queue_;
    boost::asio::ip::tcp::endpoint peer_;
    std::uint64_t bytes_received_ = 0;
    std::uint64_t bytes_sent_ = 0;
    std::size_t send_limit_bytes_;
    std::size_t resume_at_bytes_ = 0;  ///< when `full_`: on_writable is due at so many unsent bytes
    int write_error_ = 0;
    Phase phase_ = Phase::idle;
    bool paused_ = false;
    bool full_ = false;
    bool reading_ = false;   ///< a wait for readable is pending
    bool blocked_ = false;   ///< a wait for writable is pending
    bool posted_ = false;    ///< on_posted will be called
    bool in_event_ = false;  ///< `settle` follows, nothing need be posted
    bool fin_sent_ = false;
    bool fin_received_ = false;
};

}  // namespace holdfast::net
