#include "platform/net/stream_poller.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "platform/net/stream_core.h"

namespace holdfast::net {
namespace {

/// So many events at once mean that there will be more: asking again costs less than having Asio
/// wait anew.
constexpr std::size_t kBusyEvents = 8;

}  // namespace

StreamPoller::StreamPoller(boost::asio::io_context& io)
    : io_(io), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

StreamPoller::~StreamPoller() {
    if (epoll_ >= 0) {
        ::close(epoll_);
    }
}

void StreamPoller::shutdown() {
    if (waiter_) {
        waiter_->release();
        waiter_.reset();
    }
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
    if (!waiter_) {
        waiter_ = std::make_unique<Descriptor>(io_.get_executor(), epoll_);
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
    if (waiting_ || turning_ || streams_ == 0 || !waiter_) {
        return;
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

void StreamPoller::turn() {
    turning_ = true;
    const int found =
        streams_ > 0 ? ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0)
                     : 0;
    count_ = static_cast<std::size_t>(std::max(found, 0));
    const bool busy = count_ >= kBusyEvents;
    for (next_ = 0; next_ < count_;) {
        const epoll_event& event = events_[next_++];
        if (event.data.ptr != nullptr) {
            static_cast<StreamCore*>(event.data.ptr)->on_events(event.events);
        }
    }
    next_ = count_ = 0;
    serving_.swap(ready_);
    for (const auto& stream : serving_) {
        stream->on_turn();
    }
    serving_.clear();
    turning_ = false;
    if (busy || !ready_.empty()) {
        post_turn();  // Asio's other handlers have their turn in between
    } else {
        wait();
    }
}

}  // namespace holdfast::net
