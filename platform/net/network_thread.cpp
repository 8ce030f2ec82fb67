#include "platform/net/network_thread.h"

#include <time.h>
#include <utility>

#include <boost/asio/post.hpp>

namespace holdfast::net {

Instant boot_time() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::seconds(time.tv_sec) +
                                                        std::chrono::nanoseconds(time.tv_nsec)));
}

NetworkThread::NetworkThread(boost::asio::execution_context& context)
    : service(context),
      io_(static_cast<boost::asio::io_context&>(context)),
      poller_(io_),
      wheel_(boot_time()),
      timer_(std::make_unique<boost::asio::steady_timer>(io_)) {}

void NetworkThread::shutdown() {
    poller_.shutdown();
    timer_.reset();
}

void NetworkThread::run() {
    poller_.may_hold(true);
    io_.run();
    poller_.may_hold(false);
}

void NetworkThread::post(std::move_only_function<void()> event) {
    boost::asio::post(io_, std::move(event));
    poller_.asio_has_work();
}

std::span<std::byte> NetworkThread::buffer() {
    constexpr std::size_t size = kHeadroomBytes + kReceiveSizeBytes;
    if (!buffer_) {
        buffer_ = std::make_unique_for_overwrite<std::byte[]>(size);
    }
    return {buffer_.get(), size};
}

void NetworkThread::give_spare(Bytes&& block) {
    if (block.capacity() > spare_.capacity()) {
        spare_ = std::move(block);
        spare_.clear();
    }
}

void NetworkThread::schedule(Timeout& timeout, Duration after) {
    const Instant now = boot_time();
    if (wheel_.size() == 0) {
        wheel_.advance(now);  // it stood still while it was empty
    }
    wheel_.schedule(timeout, now + after);
    if (!ticking_ && timer_) {
        tick();
    }
}

void NetworkThread::tick() {
    ticking_ = true;
    timer_->expires_after(TimerWheel::kTick);
    timer_->async_wait([this](const boost::system::error_code& error) {
        ticking_ = false;
        if (error || !timer_) {
            return;
        }
        wheel_.advance(boot_time());
        while (TimerWheel::Entry* entry = wheel_.next_expired()) {
            static_cast<Timeout*>(entry)->expired();
        }
        if (wheel_.size() > 0 && !ticking_) {
            tick();
        }
    });
}

}  // namespace holdfast::net
