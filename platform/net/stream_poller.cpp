#include "platform/net/stream_poller.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/post.hpp>

#include "platform/net/asio_set.h"
#include "platform/net/stream_core.h"

namespace holdfast::net {
namespace {

/// So many events at once mean that there will be more: asking again costs less than having Asio
/// wait anew.
constexpr std::size_t kBusyEvents = 8;
/// So many handlers of Asio's run before the streams are looked after again.
constexpr int kHandlersPerLook = 32;

void close(int& descriptor) {
    if (descriptor >= 0) {
        ::close(std::exchange(descriptor, -1));
    }
}

}  // namespace

StreamPoller::StreamPoller(boost::asio::io_context& io)
    : io_(io), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

StreamPoller::~StreamPoller() {
    close(epoll_);
    close(wake_);
}

void StreamPoller::shutdown() {
    closed_ = true;
    release_waiter();
    const auto dropped = std::move(ready_);
}

int StreamPoller::add(StreamCore& stream, int socket) {
    if (epoll_ < 0) {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    }
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    wanted.data.ptr = &stream;
    if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &wanted) != 0) {
        return errno;
    }
    ++streams_;
    wait();
    return 0;
}

void StreamPoller::remove(const StreamCore& stream) {
    for (std::size_t i = next_; i < count_; ++i) {
        if (events_[i].data.ptr == &stream) {
            events_[i].data.ptr = nullptr;
        }
    }
    if (--streams_ == 0 && waiting_ && waiter_) {
        // A thread without streams is not kept running by them.
        boost::system::error_code ignored;
        waiter_->cancel(ignored);
    }
}

void StreamPoller::give_turn(StreamCore& stream) {
    ready_.emplace_back(&stream);
    post_turn();
}

void StreamPoller::post_turn() {
    if (!posted_ && !turning_) {
        posted_ = true;
        boost::asio::post(io_.get_executor(), [this] {
            posted_ = false;
            turn();
        });
    }
}

void StreamPoller::wait() {
    if (waiting_ || turning_ || closed_ || streams_ == 0) {
        return;
    }
    if (!waiter_) {
        waiter_ = std::make_unique<Descriptor>(io_.get_executor(), epoll_);
    }
    waiting_ = true;
    waiter_->async_wait(Descriptor::wait_read, [this](const boost::system::error_code& error) {
        waiting_ = false;
        if (error) {
            wait();  // it was cancelled, but there are streams again
        } else {
            turn();
        }
    });
}

void StreamPoller::release_waiter() {
    if (waiter_) {
        waiter_->release();
        waiter_.reset();
    }
}

void StreamPoller::turn() {
    if (turning_) {
        return;  // it was asked for before the poller held the thread, which has turns of its own
    }
    turning_ = true;
    bool again = serve({}) >= kBusyEvents;
    if (may_hold_ && is_busy() && begin_hold()) {
        hold();
        end_hold();
        again = false;
    }
    turning_ = false;
    if (again || !ready_.empty()) {
        post_turn();  // Asio's other handlers have their turn in between
    } else {
        wait();
    }
}

/// Tells the events that there are, waiting for the first one at most for `patience`, and then
/// gives their turn to the streams that asked for one. Returns how many events there were.
std::size_t StreamPoller::serve(std::chrono::milliseconds patience) {
    ++turns_;
    const int found = streams_ > 0
                          ? ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                                         static_cast<int>(patience.count()))
                          : 0;
    const auto count = static_cast<std::size_t>(std::max(found, 0));
    asio_is_due_ = asio_is_due_ || found < 0;  // a signal: Asio may know what to do
    count_ = count;
    for (next_ = 0; next_ < count_;) {
        const epoll_event& event = events_[next_++];
        if (event.data.ptr == this) {
            asio_is_due_ = true;
        } else if (event.data.ptr != nullptr) {
            static_cast<StreamCore*>(event.data.ptr)->on_events(event.events);
        }
    }
    next_ = count_ = 0;
    serving_.swap(ready_);
    for (const auto& stream : serving_) {
        stream->on_turn();
    }
    serving_.clear();
    return count;
}

// Holding the thread.

void StreamPoller::may_hold(bool allowed) {
    may_hold_ = false;
    if (!allowed || epoll_ < 0) {
        return;
    }
    if (wake_ < 0) {
        wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        asio_set_ = wake_ < 0 ? -1 : asio_epoll_set(io_, wake_);
        // Edge-triggered: each write is told once, and nobody need read it.
        epoll_event written{.events = EPOLLIN | EPOLLET, .data = {.ptr = this}};
        if (asio_set_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &written) != 0) {
            asio_set_ = -1;
        }
    }
    thread_ = std::this_thread::get_id();
    may_hold_ = asio_set_ >= 0;
}

void StreamPoller::asio_has_work() {
    if (!holding_) {
        return;  // Asio waits, or will be looked after before the poller waits
    }
    if (std::this_thread::get_id() == thread_) {
        asio_is_due_ = true;
    } else {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
    }
}

bool StreamPoller::is_busy() {
    const Clock::time_point now = Clock::now();
    return streams_ > 0 && now - std::exchange(last_turn_, now) < kHoldFor;
}

bool StreamPoller::begin_hold() {
    release_waiter();  // neither set may wait for the other while that waits for it
    epoll_event asio{.events = EPOLLIN, .data = {.ptr = this}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, asio_set_, &asio) != 0) {
        may_hold_ = false;
        return false;
    }
    holding_ = true;
    asio_is_due_ = true;  // what it was given before that
    return true;
}

void StreamPoller::end_hold() {
    holding_ = false;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, asio_set_, nullptr);
}

void StreamPoller::hold() {
    std::size_t unseen_turns = 0;
    while (streams_ > 0 && !io_.stopped()) {
        if (asio_is_due_ || ++unseen_turns == kTurnsBetweenLooks) {
            unseen_turns = 0;
            asio_is_due_ = let_asio_run();
        }
        const bool at_once = asio_is_due_ || !ready_.empty();
        if (serve(at_once ? std::chrono::milliseconds(0) : kHoldFor) == 0 && !at_once &&
            !asio_is_due_) {
            return;  // Asio runs what it has as soon as this handler of its is done
        }
    }
}

/// Runs handlers of Asio's that are ready. True: there may be more.
bool StreamPoller::let_asio_run() {
    int run = 0;
    while (run < kHandlersPerLook && io_.poll_one() > 0) {
        ++run;
    }
    return run == kHandlersPerLook;
}

}  // namespace holdfast::net
