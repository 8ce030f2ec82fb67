#pragma once

#include <functional>
#include <memory>
#include <span>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/ports/timeout.h"
#include "platform/net/out_queue.h"
#include "platform/net/stream_poller.h"

namespace holdfast::net {

using ports::Timeout;

/// CLOCK_BOOTTIME: after a suspend, connections that were silent all the while are found out at
/// once.
[[nodiscard]] Instant boot_time();

/// What all connections of one network thread share: the receive buffer, a spare block for sending,
/// and the wheel of timeouts, which ticks only while something is scheduled. One for each
/// io_context, made on first use, and used by the io_context's single thread only.
class NetworkThread final : public boost::asio::execution_context::service {
public:
    using key_type = NetworkThread;
    inline static boost::asio::execution_context::id id;

    [[nodiscard]] static NetworkThread& of(boost::asio::io_context& io) {
        return boost::asio::use_service<NetworkThread>(io);
    }
    explicit NetworkThread(boost::asio::execution_context& context);

    /// Room before the receive buffer, into which TLS decrypts: at most one record (16 KiB and its
    /// overhead) of an earlier receive is inside TLS, so plaintext written from here on never
    /// overtakes the ciphertext still to be read.
    static constexpr std::size_t kHeadroomBytes = 32u << 10;
    static constexpr std::size_t kReceiveSizeBytes = 256u << 10;
    /// Headroom and receive buffer in one.
    [[nodiscard]] std::span<std::byte> buffer();

    /// Where the answers of the stream whose event it is are gathered; empty between two events.
    [[nodiscard]] Bytes& cork() { return cork_; }
    /// For what is gathered and used up before anything else happens.
    [[nodiscard]] Bytes& scratch() { return scratch_; }
    /// An empty queue's memory, or nothing.
    [[nodiscard]] OutQueue& spare_queue() { return spare_queue_; }
    [[nodiscard]] StreamPoller& poller() { return poller_; }
    /// A block with room, or an empty one; give it back when it is not needed any more.
    [[nodiscard]] Bytes take_spare() { return std::move(spare_); }
    void give_spare(Bytes&& block);

    /// In place of `io_context::run`, with the same meaning; both may be used, one after the other.
    /// Here the thread waits for busy streams and for all that Asio waits for at the same time, in
    /// one system call. What Asio is told by a descriptor or a timer runs at once; so does what is
    /// posted by a handler of Asio's. What is posted otherwise, by a stream's event or from another
    /// thread, is to go through `post`, or to be followed by `asio_has_work`: if it is not, it may
    /// run 10 ms later. For the whole time the io_context must not be run in another way. It must
    /// not have been made with the concurrency hint 1: Asio then counts what is posted to the
    /// handler that holds the thread only when that handler ends, and would take a busy thread for
    /// one without work.
    void run();
    /// Runs `event` on this thread, never within this call. From any thread.
    void post(std::move_only_function<void()> event);
    /// Something was posted to Asio itself. From any thread.
    void asio_has_work() { poller_.asio_has_work(); }

    /// Calls `timeout.expired()` once, `after` from now or up to a tick later. Replaces an earlier
    /// deadline.
    void schedule(Timeout& timeout, Duration after);
    static void cancel(Timeout& timeout) { timeout.cancel(); }

private:
    void shutdown() override;
    void tick();

    boost::asio::io_context& io_;
    std::unique_ptr<std::byte[]> buffer_;
    Bytes spare_;
    Bytes cork_;
    Bytes scratch_;
    OutQueue spare_queue_;
    StreamPoller poller_;
    TimerWheel wheel_;
    std::unique_ptr<boost::asio::steady_timer>
        timer_;  ///< released in `shutdown`, before the services it needs
    bool ticking_ = false;
};

}  // namespace holdfast::net
