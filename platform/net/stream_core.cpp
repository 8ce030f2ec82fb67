#include "platform/net/stream_core.h"

#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>

#include "firmware/base/check.h"
#include "platform/net/tls_session.h"

namespace holdfast::net {
namespace {

/// How often one event receives a full buffer or tells the owner to send on before other
/// connections have their turn.
constexpr int kRoundsPerEvent = 4;

Error io_error(int number) {
    // The standard's own words ("Connection reset by peer"), begun small as a part of a sentence.
    std::string text = std::generic_category().message(number);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
    return {number == ETIMEDOUT ? ErrorCode::timeout : ErrorCode::io, std::move(text)};
}

}  // namespace

struct StreamCore::Handshake {
    SocketStream::HandshakeDone done;
    Duration timeout;
};

StreamCore::StreamCore(Socket&& socket, const StreamOptions& options)
    : socket_(std::move(socket)),
      thread_(NetworkThread::of(socket_.get_executor().context())),
      send_limit_bytes_(options.send_limit_bytes) {
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    peer_ = socket_.remote_endpoint(ignored);  // an unspecified address if it is gone already
}

StreamCore::~StreamCore() = default;

// What the owner asks for.

void StreamCore::handshake(TlsContext& context, const std::string& host, std::uint16_t port,
                           Duration timeout, SocketStream::HandshakeDone done) {
    HOLDFAST_CHECK(phase_ == Phase::idle && !tls_);
    handshake_ = std::make_unique<Handshake>(std::move(done), timeout);
    phase_ = Phase::handshaking;
    auto session =
        TlsSession::make(static_cast<WolfTlsContext&>(context), host, port, queue_, thread_);
    if (session) {
        tls_ = std::move(*session);
        thread_.schedule(*this, timeout);
    } else {
        end_ = std::make_unique<Error>(std::move(session.error()));
    }
    post();  // a client speaks first
}

void StreamCore::start(StreamHandler& handler) {
    HOLDFAST_CHECK(handler_ == nullptr && phase_ != Phase::handshaking);
    handler_ = &handler;
    if (phase_ == Phase::idle) {
        phase_ = Phase::open;
    }
    post();
}

bool StreamCore::send(ByteView bytes) {
    if (phase_ != Phase::idle && phase_ != Phase::open) {
        return true;  // nothing is to be sent any more; on_closed tells or has told
    }
    if (tls_) {
        tls_->write(bytes);
    } else {
        if (queue_.empty()) {
            queue_.lend(thread_.take_spare());
        }
        queue_.append(bytes);
    }
    return account();
}

bool StreamCore::send(SharedBytes bytes) {
    if (tls_) {
        return send(bytes ? ByteView(*bytes) : ByteView());  // encrypted for this peer alone
    }
    if (phase_ != Phase::idle && phase_ != Phase::open) {
        return true;
    }
    queue_.append(std::move(bytes));
    return account();
}

bool StreamCore::send_corked() {
    const bool more = send(ByteView(thread_.cork()));
    thread_.cork().clear();
    return more;
}

bool StreamCore::account() {
    if (!in_event_) {
        post();
    }
    const std::size_t unsent = unsent_bytes();
    if (unsent <= send_limit_bytes_) {
        return true;
    }
    full_ = true;
    resume_at_bytes_ = unsent / 2;
    return false;
}

std::size_t StreamCore::unsent_bytes() const {
    return queue_.size() + (tls_ ? tls_->unsealed_bytes() : 0);
}

void StreamCore::resume() {
    paused_ = false;
    if (phase_ == Phase::open) {
        post();
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
    early_.reset();
    if (tls_) {
        tls_->close();
    }
    thread_.schedule(*this, linger);
    post();
}

void StreamCore::abort() {
    handler_ = nullptr;
    if (phase_ == Phase::ended) {
        return;
    }
    int in_kernel = 0;
    ::ioctl(socket_.native_handle(), SIOCOUTQ, &in_kernel);
    close_socket(unsent_bytes() > 0 || in_kernel > 0);
    handshake_.reset();
}

std::string StreamCore::peer_certificate_name() const {
    return tls_ ? tls_->peer_name() : "";
}

// Events.

bool StreamCore::wants_input() const {
    switch (phase_) {
        case Phase::handshaking:
            return true;
        case Phase::open:
            return !paused_ && !early_;
        case Phase::draining:
            return !fin_received_;
        case Phase::idle:
        case Phase::ended:
            break;
    }
    return false;
}

void StreamCore::on_readable() {
    reading_ = false;
    in_event_ = true;
    receive();
    settle();
}

void StreamCore::on_writable() {
    blocked_ = false;
    settle();
}

void StreamCore::on_posted() {
    posted_ = false;
    in_event_ = true;
    if (phase_ == Phase::ended || (phase_ == Phase::handshaking && !tls_)) {
        if (end_ && (handler_ != nullptr || handshake_)) {
            phase_ = Phase::idle;  // it has ended, but nobody was told
            finish(std::move(*std::exchange(end_, nullptr)));
        }
        return;
    }
    if (phase_ == Phase::handshaking) {
        continue_handshake({});
    } else if (phase_ == Phase::open && !paused_ && early_) {
        const std::unique_ptr<Bytes> early = std::move(early_);
        open_sealed(*early);
    }
    settle();
}

void StreamCore::expired() {
    const boost::intrusive_ptr<StreamCore> self(this);
    if (phase_ == Phase::handshaking) {
        const auto seconds = std::chrono::duration<double>(handshake_->timeout).count();
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
    in_event_ = true;
    flush();
    in_event_ = false;
    if (wants_input() && !reading_) {
        wait_readable();
    }
}

// Receiving.

void StreamCore::receive() {
    const std::span<std::byte> area = thread_.buffer().subspan(NetworkThread::kHeadroomBytes);
    for (int round = 0; round < kRoundsPerEvent && wants_input(); ++round) {
        const ssize_t got = ::recv(socket_.native_handle(), area.data(), area.size(), MSG_DONTWAIT);
        if (got > 0) {
            const auto size = static_cast<std::size_t>(got);
            bytes_received_ += size;
            deliver(area.first(size));
            if (size < area.size()) {
                return;
            }
        } else if (got == 0) {
            if (write_error_ != 0) {
                return;  // the reset was told to the write already, and looks like an end now
            }
            peer_ended(
                tls_ ? "the peer ended the line without TLS close_notify: it may have been cut"
                     : "the peer closed the line");
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            finish(io_error(errno));
            return;
        }
    }
}

void StreamCore::deliver(std::span<std::byte> bytes) {
    if (phase_ == Phase::handshaking) {
        continue_handshake(bytes);
    } else if (tls_) {
        open_sealed(bytes);
    } else {
        hand_over(bytes);
    }
}

void StreamCore::open_sealed(std::span<std::byte> bytes) {
    std::byte* const plain = thread_.buffer().data();
    TlsSession::Decrypted decrypted = tls_->decrypt(bytes, plain);
    if (decrypted.size_bytes > 0) {
        hand_over({plain, decrypted.size_bytes});
    }
    if (decrypted.error) {
        static_cast<void>(
            write_queued());  // the alert that tells the peer, if the line still takes it
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
    Result<bool> done = tls_->handshake(input);
    if (!done) {
        static_cast<void>(write_queued());  // the alert that tells the peer
        finish(std::move(done.error()));
        return;
    }
    if (!*done) {
        return;
    }
    if (!input.empty()) {
        early_ = std::make_unique<Bytes>(input.begin(), input.end());
    }
    NetworkThread::cancel(*this);
    phase_ = Phase::idle;
    const std::unique_ptr<Handshake> handshake = std::move(handshake_);
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
    if (tls_ && phase_ != Phase::draining) {
        tls_->close();
    }
    if (!blocked_) {
        static_cast<void>(write_queued());  // what the last bytes were answered with
    }
    if (phase_ == Phase::draining && !queue_.empty()) {
        fin_received_ = true;  // half closed: it may well be waiting for the rest
        return;
    }
    finish({ErrorCode::closed, std::move(message)});
}

// Sending.

/// Writes until all is sent or the kernel takes no more. Returns the error's number, or 0.
int StreamCore::write_queued() {
    while (!queue_.empty()) {
        std::array<iovec, 64> parts;
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = queue_.gather(parts);
        const ssize_t sent =
            ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes_sent_ += static_cast<std::size_t>(sent);
            queue_.consume(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait_writable();
            return 0;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    thread_.give_spare(queue_.take_back());
    return 0;
}

void StreamCore::flush() {
    for (int round = 0; round < kRoundsPerEvent && phase_ != Phase::ended; ++round) {
        if (tls_ && phase_ != Phase::handshaking) {
            tls_->seal();
        }
        if (tls_ && tls_->broken()) {
            finish({ErrorCode::io, "TLS could not encrypt"});
            return;
        }
        if (!blocked_ && !queue_.empty()) {
            if (const int error = write_queued(); error != 0) {
                line_broke(error);
                return;
            }
        }
        if (!full_ || unsent_bytes() > resume_at_bytes_) {
            break;
        }
        full_ = false;
        if (handler_ != nullptr && phase_ == Phase::open) {
            handler_->on_writable();
        }
    }
    if (phase_ == Phase::ended) {
        return;
    }
    if (phase_ == Phase::draining && queue_.empty()) {
        end_output();
    } else if (!blocked_ && unsent_bytes() > 0) {
        post();  // others have their turn first
    }
}

void StreamCore::line_broke(int error_number) {
    queue_.clear();
    write_error_ = error_number;
    if (phase_ == Phase::open) {
        receive();  // what the peer said before the end, and its own reason for it
    }
    finish(io_error(error_number == EPIPE ? ECONNRESET : error_number));
}

void StreamCore::end_output() {
    if (fin_received_) {
        finish({ErrorCode::closed, "shut down"});
    } else if (!fin_sent_) {
        fin_sent_ = true;
        ::shutdown(socket_.native_handle(), SHUT_WR);
    }
}

// Waits and ends.

void StreamCore::wait_readable() {
    reading_ = true;
    socket_.async_wait(Socket::wait_read, [self = boost::intrusive_ptr<StreamCore>(this)](
                                              const boost::system::error_code&) {
        if (self->phase_ != Phase::ended) {
            self->on_readable();
        }
    });
}

void StreamCore::wait_writable() {
    if (blocked_) {
        return;
    }
    blocked_ = true;
    socket_.async_wait(Socket::wait_write, [self = boost::intrusive_ptr<StreamCore>(this)](
                                               const boost::system::error_code&) {
        if (self->phase_ != Phase::ended) {
            self->on_writable();
        }
    });
}

void StreamCore::post() {
    if (!posted_) {
        posted_ = true;
        boost::asio::post(socket_.get_executor(),
                          [self = boost::intrusive_ptr<StreamCore>(this)] { self->on_posted(); });
    }
}

void StreamCore::finish(Error error) {
    if (phase_ == Phase::ended) {
        return;
    }
    close_socket(phase_ == Phase::draining && unsent_bytes() > 0);
    if (handshake_) {
        const std::unique_ptr<Handshake> handshake = std::move(handshake_);
        handshake->done(std::move(error));
    } else if (handler_ != nullptr) {
        std::exchange(handler_, nullptr)->on_closed(error);
    } else {
        end_ = std::make_unique<Error>(std::move(error));
    }
}

void StreamCore::close_socket(bool reset) {
    phase_ = Phase::ended;
    NetworkThread::cancel(*this);
    if (reset) {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    boost::system::error_code ignored;
    socket_.close(ignored);
    early_.reset();
    queue_.clear();
}

}  // namespace holdfast::net
