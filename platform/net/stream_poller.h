#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <sys/epoll.h>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

namespace holdfast::net {

class StreamCore;

/// Tells the streams of one thread when their sockets may be read and written, and gives a turn to
/// those that have something left to do. An epoll set of its own, edge-triggered, each socket
/// registered once, so that a stream costs no system call a wait, and no operation and no
/// descriptor of Asio's.
///
/// Who waits: Asio waits for this set as for one more descriptor, which costs three system calls a
/// wake-up. Where `may_hold` allows it, and the streams are busy, it is the other way round: the
/// poller *holds* the thread, waits in its own set, of which Asio's set is a member then, and has
/// Asio run what it has. It lets go when the streams have been silent for `kHoldFor`.
class StreamPoller {
public:
    explicit StreamPoller(boost::asio::io_context& io);
    ~StreamPoller();
    StreamPoller(const StreamPoller&) = delete;
    StreamPoller& operator=(const StreamPoller&) = delete;

    /// Returns an error's number, or 0.
    [[nodiscard]] int add(StreamCore& stream, int socket);
    /// Before the socket is closed. No event that is known already will be told any more.
    void remove(const StreamCore& stream);
    /// `stream.on_turn` will be called once, after the events that are being told now.
    void give_turn(StreamCore& stream);
    /// Whether the poller may hold the thread; this thread is the one that runs the io_context.
    void may_hold(bool allowed);
    /// Asio was given a handler that none of its descriptors tells of: it runs soon. From any
    /// thread.
    void asio_has_work();
    /// The io_context ends: waits for nothing any more.
    void shutdown();

    /// How often the thread was woken or looked for events. Stands still while there are none.
    [[nodiscard]] std::size_t turns() const { return turns_; }
    [[nodiscard]] bool holding() const { return holding_; }

private:
    using Descriptor =
        boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kEventsPerTurn = 256;
    static constexpr std::chrono::milliseconds kHoldFor{10};
    /// What Asio was given without a word to `asio_has_work` runs after so many turns, or as soon
    /// as the streams are silent for `kHoldFor`.
    static constexpr std::size_t kTurnsBetweenLooks = 32;

    void wait();
    void release_waiter();
    void post_turn();
    void turn();
    std::size_t serve(std::chrono::milliseconds patience);
    [[nodiscard]] bool is_busy();
    void hold();
    [[nodiscard]] bool begin_hold();
    void end_hold();
    [[nodiscard]] bool let_asio_run();

    boost::asio::io_context& io_;
    int epoll_;
    int wake_ = -1;      ///< an eventfd in the set, for `asio_has_work` from other threads
    int asio_set_ = -1;  ///< Asio's; -1: the poller cannot hold
    std::unique_ptr<Descriptor> waiter_;  ///< borrows `epoll_`; none while the poller holds
    std::size_t streams_ = 0;
    std::array<epoll_event, kEventsPerTurn> events_;
    std::size_t next_ = 0;   ///< of `events_`, to be told
    std::size_t count_ = 0;  ///< of `events_`
    std::size_t turns_ = 0;
    std::vector<boost::intrusive_ptr<StreamCore>> ready_;
    std::vector<boost::intrusive_ptr<StreamCore>> serving_;
    Clock::time_point last_turn_;  ///< but for those while it holds
    std::thread::id thread_;
    std::atomic<bool> holding_ = false;
    bool may_hold_ = false;
    bool closed_ = false;
    bool asio_is_due_ = false;
    bool waiting_ = false;
    bool posted_ = false;
    bool turning_ = false;
};

}  // namespace holdfast::net
