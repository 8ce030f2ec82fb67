#include "platform/net/stream_core.h"

#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "firmware/base/check.h"
#include "platform/net/tls_session.h"

namespace holdfast::net {

Error io_error(int number) {
    // The standard's own words ("Connection reset by peer"), begun small as a part of a sentence.
    std::string text = std::generic_category().message(number);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
    return {number == ETIMEDOUT ? ErrorCode::timeout : ErrorCode::io, std::move(text)};
}

struct StreamCore::Handshake {
    SocketStream::HandshakeDone done;
    Duration timeout;
};

struct StreamCore::Rare final : Timeout {
    explicit Rare(StreamCore& stream) : core(stream) {}
    void expired() override { core.on_deadline(); }

    StreamCore& core;
    std::unique_ptr<TlsSession> tls;
    std::unique_ptr<Handshake> handshake;
    std::unique_ptr<Error> end;    ///< why it ended before it was started
    std::unique_ptr<Bytes> early;  ///< ciphertext that came together with the handshake's end
};

StreamCore::StreamCore(NetworkThread& thread, int socket, const Endpoint& peer,
                       const StreamOptions& options)
    : socket_(socket), thread_(thread), send_limit_bytes_(options.send_limit_bytes), peer_(peer) {
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (const int error = thread_.poller().add(*this, socket_); error != 0) {
        ::close(std::exchange(socket_, -1));
        phase_ = Phase::ended;
        rare().end = std::make_unique<Error>(io_error(error));
    }
}

StreamCore::~StreamCore() {
    if (phase_ != Phase::ended) {
        close_socket(false);
    }
}

TlsSession* StreamCore::tls() const {
    return rare_ ? rare_->tls.get() : nullptr;
}

StreamCore::Rare& StreamCore::rare() {
    if (!rare_) {
        rare_ = std::make_unique<Rare>(*this);
    }
    return *rare_;
}

// What the owner asks for.

void StreamCore::handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                           Duration timeout, SocketStream::HandshakeDone done) {
    HOLDFAST_CHECK(!tls());
    Rare& rare = this->rare();
    rare.handshake = std::make_unique<Handshake>(std::move(done), timeout);
    ask_turn();  // a client speaks first
    if (phase_ == Phase::ended) {
        return;  // it could not begin: the turn tells
    }
    phase_ = Phase::handshaking;
    auto session =
        TlsSession::make(static_cast<WolfTlsContext&>(context), host, port, queue_, thread_);
    if (session) {
        rare.tls = std::move(*session);
        thread_.schedule(rare, timeout);
    } else {
        rare.end = std::make_unique<Error>(std::move(session.error()));
    }
}

void StreamCore::start(StreamHandler& handler) {
    HOLDFAST_CHECK(handler_ == nullptr && phase_ != Phase::handshaking);
    handler_ = &handler;
    if (phase_ == Phase::idle) {
        phase_ = Phase::open;
    }
    ask_turn();
}

void StreamCore::resume() {
    paused_ = false;
    if (phase_ == Phase::open && (!in_event_ || (rare_ && rare_->early))) {
        ask_turn();
    }
}

void StreamCore::shutdown(Duration linger) {
    if (phase_ == Phase::handshaking) {
        abort();
        return;
    }
    if (phase_ != Phase::idle && phase_ != Phase::open) {
        return;
    }
    phase_ = Phase::draining;
    Rare& rare = this->rare();
    rare.early.reset();
    if (rare.tls) {
        rare.tls->close();
    }
    thread_.schedule(rare, linger);
    if (!in_event_) {
        ask_turn();
    }
}

void StreamCore::abort() {
    handler_ = nullptr;
    if (phase_ == Phase::ended) {
        return;
    }
    int in_kernel = 0;
    ::ioctl(socket_, SIOCOUTQ, &in_kernel);
    close_socket(unsent_bytes() > 0 || in_kernel > 0);
    if (rare_) {
        rare_->handshake.reset();
    }
}

std::string StreamCore::peer_certificate_name() const {
    const TlsSession* const session = tls();
    return session ? session->peer_name() : "";
}

// Events.

bool StreamCore::wants_input() const {
    switch (phase_) {
        case Phase::handshaking:
            return true;
        case Phase::open:
            return !paused_ && !(rare_ && rare_->early);
        case Phase::draining:
            return !fin_received_;
        case Phase::idle:
        case Phase::ended:
            break;
    }
    return false;
}

void StreamCore::on_events(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        blocked_ = false;
    }
    readable_ = readable_ || (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0;
    drain_ = drain_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
    const boost::intrusive_ptr<StreamCore> self(this);
    in_event_ = true;
    if (readable_ && wants_input()) {
        receive();
    }
    settle();
}

void StreamCore::on_turn() {
    listed_ = false;
    in_event_ = true;
    take_turn();
    if (readable_ && wants_input()) {
        receive();
    }
    settle();
}

/// What only a turn does: begins or ends a handshake, tells of an end.
void StreamCore::take_turn() {
    if (!rare_) {
        return;
    }
    if (phase_ == Phase::ended || (phase_ == Phase::handshaking && !rare_->tls)) {
        if (rare_->end && (handler_ != nullptr || rare_->handshake)) {
            const bool open = std::exchange(phase_, Phase::ended) != Phase::ended;
            if (open) {
                close_socket(false);
            }
            tell_end(std::move(*std::exchange(rare_->end, nullptr)));
        }
    } else if (phase_ == Phase::handshaking) {
        continue_handshake({});
    } else if (phase_ == Phase::open && !paused_ && rare_->early) {
        const std::unique_ptr<Bytes> early = std::move(rare_->early);
        open_sealed(*early);
    }
}

void StreamCore::on_deadline() {
    const boost::intrusive_ptr<StreamCore> self(this);
    if (phase_ == Phase::handshaking) {
        const auto seconds = std::chrono::duration<double>(rare_->handshake->timeout).count();
        std::string text = std::to_string(seconds);
        text.resize(text.find('.') + 2);
        finish({ErrorCode::timeout, "TLS handshake not done within " + text + " s"});
    } else if (phase_ == Phase::draining && unsent_bytes() > 0) {
        finish({ErrorCode::timeout, "shut down, but the peer did not take the last " +
                                        std::to_string(unsent_bytes()) + " bytes in time"});
    } else if (phase_ == Phase::draining) {
        finish({ErrorCode::closed, "shut down; the peer did not end its side in time"});
    }
}

void StreamCore::settle() {
    flush();
    in_event_ = false;
    if (readable_ && wants_input()) {
        ask_turn();  // others have theirs first
    }
}

// Receiving.

void StreamCore::receive() {
    const std::span<std::byte> area = thread_.buffer().subspan(NetworkThread::kHeadroomBytes);
    for (int round = 0; round < kReceivesPerEvent && wants_input(); ++round) {
        const ssize_t got = ::recv(socket_, area.data(), area.size(), MSG_DONTWAIT);
        if (got > 0) {
            const auto size = static_cast<std::size_t>(got);
            bytes_received_ += size;
            deliver(area.first(size));
            if (size < area.size() && !drain_) {
                readable_ = false;  // drained: what comes now will be told
                return;
            }
        } else if (got == 0) {
            readable_ = false;
            if (write_error_ != 0) {
                return;  // the reset was told to the write already, and looks like an end now
            }
            peer_ended(
                tls() ? "the peer ended the line without TLS close_notify: it may have been cut"
                      : "the peer closed the line");
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            readable_ = false;
            return;
        } else if (errno != EINTR) {
            readable_ = false;
            finish(io_error(errno));
            return;
        }
    }
}

void StreamCore::deliver(std::span<std::byte> bytes) {
    if (phase_ == Phase::handshaking) {
        continue_handshake(bytes);
    } else if (tls()) {
        open_sealed(bytes);
    } else {
        hand_over(bytes);
    }
}

void StreamCore::open_sealed(std::span<std::byte> bytes) {
    std::byte* const plain = thread_.buffer().data();
    TlsSession::Decrypted decrypted = tls()->decrypt(bytes, plain);
    if (decrypted.size_bytes > 0) {
        hand_over({plain, decrypted.size_bytes});
    }
    if (decrypted.error) {
        static_cast<void>(
            write_waiting());  // the alert that tells the peer, if the line still takes it
        finish(std::move(*decrypted.error));
    } else if (decrypted.ended) {
        peer_ended("the peer closed the line");
    }
}

void StreamCore::hand_over(std::span<std::byte> bytes) {
    if (handler_ != nullptr && phase_ == Phase::open) {
        handler_->on_bytes(bytes);
    }
}

void StreamCore::continue_handshake(std::span<std::byte> bytes) {
    ByteView input = bytes;
    Result<bool> done = tls()->handshake(input);
    if (!done) {
        static_cast<void>(write_waiting());  // the alert that tells the peer
        finish(std::move(done.error()));
        return;
    }
    if (!*done) {
        return;
    }
    if (!input.empty()) {
        rare_->early = std::make_unique<Bytes>(input.begin(), input.end());
    }
    NetworkThread::cancel(*rare_);
    phase_ = Phase::idle;
    const std::unique_ptr<Handshake> handshake = std::move(rare_->handshake);
    handshake->done(std::nullopt);
}

void StreamCore::peer_ended(std::string message) {
    if (phase_ == Phase::handshaking) {
        finish({ErrorCode::closed, "the peer ended the line during the TLS handshake"});
        return;
    }
    if (phase_ == Phase::ended) {
        return;
    }
    if (tls() && phase_ != Phase::draining) {
        tls()->close();
    }
    if (!blocked_) {
        static_cast<void>(write_waiting());  // what the last bytes were answered with
    }
    if (phase_ == Phase::draining && !queue_.empty()) {
        fin_received_ = true;  // half closed: it may well be waiting for the rest
        return;
    }
    finish({ErrorCode::closed, std::move(message)});
}

// Turns and ends.

void StreamCore::ask_turn() {
    if (!listed_) {
        listed_ = true;
        thread_.poller().give_turn(*this);
    }
}

void StreamCore::finish(Error error) {
    if (phase_ == Phase::ended) {
        return;
    }
    close_socket(phase_ == Phase::draining && unsent_bytes() > 0);
    tell_end(std::move(error));
}

void StreamCore::tell_end(Error error) {
    if (rare_ && rare_->handshake) {
        const std::unique_ptr<Handshake> handshake = std::move(rare_->handshake);
        handshake->done(std::move(error));
    } else if (handler_ != nullptr) {
        std::exchange(handler_, nullptr)->on_closed(error);
    } else {
        rare().end = std::make_unique<Error>(std::move(error));
    }
}

void StreamCore::close_socket(bool reset) {
    if (gathers()) {
        thread_.cork().clear();
    }
    phase_ = Phase::ended;
    if (reset) {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    thread_.poller().remove(*this);
    ::close(std::exchange(socket_, -1));
    queue_.clear();
    if (rare_) {
        NetworkThread::cancel(*rare_);
        rare_->early.reset();
    }
}

}  // namespace holdfast::net
