#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <sys/epoll.h>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

namespace holdfast::net {

class StreamCore;

/// Tells the streams of one thread when their sockets may be read and written, and gives a turn to
/// those that have something left to do. An epoll set of its own, edge-triggered, each socket
/// registered once: Asio waits for the set only, so that a stream costs no system call a wait, and
/// no operation and no descriptor of Asio's.
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
    /// The io_context ends: waits for nothing any more.
    void shutdown();

private:
    using Descriptor =
        boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
    static constexpr std::size_t kEventsPerTurn = 256;

    void wait();
    void post_turn();
    void turn();

    boost::asio::io_context& io_;
    int epoll_;
    std::unique_ptr<Descriptor> waiter_;  ///< borrows `epoll_`
    std::size_t streams_ = 0;
    std::array<epoll_event, kEventsPerTurn> events_;
    std::size_t next_ = 0;   ///< of `events_`, to be told
    std::size_t count_ = 0;  ///< of `events_`
    std::vector<boost::intrusive_ptr<StreamCore>> ready_;
    std::vector<boost::intrusive_ptr<StreamCore>> serving_;
    bool waiting_ = false;
    bool posted_ = false;
    bool turning_ = false;
};

}  // namespace holdfast::net
