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

/// The system's own words for an error's number.
[[nodiscard]] Error io_error(int number);

/// The connection behind a SocketStream. Every event (of the socket, a deadline, a turn that was
/// asked for) enters by one of the on_… functions below, which hold a reference; only from there
/// the owner is called. What an idle plain line does not need is in `Rare`.
class StreamCore final
    : public boost::intrusive_ref_counter<StreamCore, boost::thread_unsafe_counter> {
public:
    /// Takes a connected socket.
    StreamCore(NetworkThread& thread, int socket, const Endpoint& peer,
               const StreamOptions& options);
    ~StreamCore();
    StreamCore(const StreamCore&) = delete;
    StreamCore& operator=(const StreamCore&) = delete;

    void handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                   Duration timeout, SocketStream::HandshakeDone done);
    void start(StreamHandler& handler);
    bool send(ByteView bytes);
    bool send(SharedBytes bytes);
    bool send_in_place(ByteView bytes);
    [[nodiscard]] Bytes& cork();
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
    [[nodiscard]] std::uint64_t bytes_acknowledged() const;

    void on_events(std::uint32_t events);
    void on_turn();

private:
    /// How often one event receives a full buffer before other connections have their turn: 2 MiB
    /// in all. A turn that ends in the middle of a message costs more than a longer one, for its
    /// beginning is copied aside until the rest comes.
    static constexpr int kReceivesPerEvent = 8;
    /// How often one event tells the owner to send on before other connections have their turn.
    static constexpr int kRefillsPerEvent = 4;

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
    struct Rare;

    void on_deadline();
    void take_turn();

    void receive();
    void deliver(std::span<std::byte> bytes);
    void open_sealed(std::span<std::byte> bytes);
    void continue_handshake(std::span<std::byte> bytes);
    void hand_over(std::span<std::byte> bytes);
    void peer_ended(std::string message);

    void settle();
    void flush();
    [[nodiscard]] int write_waiting();
    [[nodiscard]] int write_queued();
    [[nodiscard]] int write_now(ByteView first, ByteView second);
    bool account();
    void line_broke(int error_number);
    void end_output();
    void ask_turn();
    void finish(Error error);
    void tell_end(Error error);
    void close_socket(bool reset);
    [[nodiscard]] bool wants_input() const;
    [[nodiscard]] bool takes_output() const {
        return phase_ == Phase::idle || phase_ == Phase::open;
    }
    [[nodiscard]] bool gathers() const { return in_event_ && queue_.empty() && !tls(); }
    [[nodiscard]] TlsSession* tls() const;
    Rare& rare();

    int socket_;
    NetworkThread& thread_;
    StreamHandler* handler_ = nullptr;
    std::unique_ptr<Rare> rare_;
    OutQueue queue_;
    std::uint64_t bytes_received_ = 0;
    std::uint64_t bytes_sent_ = 0;
    std::size_t send_limit_bytes_;
    std::size_t resume_at_bytes_ = 0;  ///< when `full_`: on_writable is due at so many unsent bytes
    Endpoint peer_;
    int write_error_ = 0;
    Phase phase_ = Phase::idle;
    bool paused_ : 1 = false;
    bool full_ : 1 = false;
    bool readable_ : 1 = false;  ///< the socket may have bytes that no further event will tell of
    bool drain_ : 1 = false;    ///< a short read is not the last: an end or urgent data lies behind
    bool blocked_ : 1 = false;  ///< the kernel takes no more until an event says so
    bool listed_ : 1 = false;   ///< on_turn will be called
    bool in_event_ : 1 = false;  ///< `settle` follows, no turn need be asked for
    bool fin_sent_ : 1 = false;
    bool fin_received_ : 1 = false;
};

}  // namespace holdfast::net
