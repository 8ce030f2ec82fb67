#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include "platform/net/stream_core.h"
#include "platform/net/tls_session.h"

// How a stream sends: what the owner gives, and when and how it leaves.

namespace holdfast::net {
namespace {

constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
/// From here on writing from where the bytes lie, at once, costs less than copying them to those
/// that leave at the end of the event.
constexpr std::size_t kInPlaceFromBytes = 8u << 10;
/// A larger block of answers is not kept for the next event.
constexpr std::size_t kCorkSizeBytes = 512u << 10;

void empty(Bytes& block) {
    block.clear();
    if (block.capacity() > kCorkSizeBytes) {
        block = {};
    }
}

}  // namespace

bool StreamCore::send(ByteView bytes) {
    if (!takes_output()) {
        return true;  // nothing is to be sent any more; on_closed tells or has told
    }
    if (TlsSession* const session = tls()) {
        session->write(bytes);
    } else if (gathers()) {
        append(thread_.cork(), bytes);
    } else {
        queue_.append(bytes);
    }
    return account();
}

bool StreamCore::send(SharedBytes bytes) {
    if (!bytes || !takes_output()) {
        return true;
    }
    if (tls()) {
        return send(ByteView(*bytes));  // encrypted for this peer alone
    }
    if (gathers() && bytes->size() >= kInPlaceFromBytes) {
        queue_.append(ByteView(thread_.cork()));
        empty(thread_.cork());
    } else if (gathers()) {
        return send(ByteView(*bytes));
    }
    queue_.append(std::move(bytes));
    return account();
}

bool StreamCore::send_in_place(ByteView bytes) {
    if (bytes.size() < kInPlaceFromBytes || !takes_output() || !gathers()) {
        return send(bytes);
    }
    if (write_error_ == 0) {
        write_error_ = write_now(thread_.cork(), bytes);
    }
    return account();
}

Bytes& StreamCore::cork() {
    if (!takes_output() || tls()) {
        return thread_.scratch();
    }
    return gathers() ? thread_.cork() : queue_.block();
}

bool StreamCore::send_corked() {
    Bytes& scratch = thread_.scratch();
    if (!takes_output()) {
        scratch.clear();
        return true;
    }
    if (TlsSession* const session = tls()) {
        session->write(scratch);
        empty(scratch);
    } else if (!gathers()) {
        queue_.note_growth();
    }
    return account();
}

bool StreamCore::account() {
    if (!in_event_) {
        ask_turn();
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
    const TlsSession* const session = tls();
    return queue_.size() + (session ? session->unsealed_bytes() : 0) +
           (gathers() ? thread_.cork().size() : 0);
}

std::uint64_t StreamCore::bytes_acknowledged() const {
    int waiting = 0;
    if (socket_ < 0 || ::ioctl(socket_, SIOCOUTQ, &waiting) != 0 || waiting < 0) {
        return bytes_sent_;
    }
    return bytes_sent_ - std::min<std::uint64_t>(bytes_sent_, static_cast<unsigned>(waiting));
}

/// Writes until all is sent or the kernel takes no more. Returns the error's number, or 0.
int StreamCore::write_waiting() {
    if (gathers() && !thread_.cork().empty()) {
        return write_now(thread_.cork(), {});
    }
    return write_queued();
}

/// Writes the two, of which the former is the cork; what the kernel does not take is queued, and
/// the cork is empty then.
int StreamCore::write_now(ByteView first, ByteView second) {
    std::array<iovec, 2> parts{iovec{const_cast<std::byte*>(first.data()), first.size()},
                               iovec{const_cast<std::byte*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t sent = 0;
    do {
        sent = second.empty() ? ::send(socket_, first.data(), first.size(), kSendFlags)
                              : ::sendmsg(socket_, &message, kSendFlags);
    } while (sent < 0 && errno == EINTR);
    const int error = sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK ? errno : 0;
    const std::size_t taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    bytes_sent_ += taken;
    if (error == 0 && taken < first.size() + second.size()) {
        queue_.append(first.subspan(std::min(taken, first.size())));
        queue_.append(second.subspan(taken > first.size() ? taken - first.size() : 0));
    }
    empty(thread_.cork());
    return error != 0 || queue_.empty() ? error : write_queued();
}

int StreamCore::write_queued() {
    while (!queue_.empty()) {
        std::array<iovec, 64> parts;
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = queue_.gather(parts);
        const ssize_t sent = ::sendmsg(socket_, &message, kSendFlags);
        if (sent >= 0) {
            bytes_sent_ += static_cast<std::size_t>(sent);
            queue_.consume(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            blocked_ = true;
            return 0;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    queue_.give_back(thread_.spare_queue());
    return 0;
}

void StreamCore::flush() {
    for (int round = 0; round < kRefillsPerEvent && phase_ != Phase::ended; ++round) {
        if (TlsSession* const session = tls(); session && phase_ != Phase::handshaking) {
            queue_.borrow(thread_.spare_queue());
            session->seal();
            if (session->broken()) {
                finish({ErrorCode::io, "TLS could not encrypt"});
                return;
            }
        }
        if (write_error_ == 0 && !blocked_) {
            write_error_ = write_waiting();
        }
        if (write_error_ != 0) {
            line_broke(write_error_);
            return;
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
    if (phase_ == Phase::draining && unsent_bytes() == 0) {
        end_output();
    } else if (!blocked_ && unsent_bytes() > 0) {
        queue_.append(ByteView(thread_.cork()));
        empty(thread_.cork());
        ask_turn();  // others have theirs first
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
        ::shutdown(socket_, SHUT_WR);
    }
}

}  // namespace holdfast::net
