#include "platform/net/loop.h"

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "platform/net/network_thread.h"

namespace holdfast::net {
namespace {

class Timer final : public ports::Timer {
public:
    Timer(boost::asio::io_context& io, Loop::Event expired)
        : timer_(io), expired_(std::make_shared<Loop::Event>(std::move(expired))) {}
    ~Timer() override { *alive_ = false; }

    void arm(Instant deadline) override {
        if (deadline == armed_for_) {
            return;
        }
        armed_for_ = deadline;
        if (deadline == kNever) {
            timer_.cancel();
            return;
        }
        timer_.expires_after(std::max(Duration{}, deadline - std::min(deadline, boot_time())));
        timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
            if (!error && *alive) {
                armed_for_ = kNever;
                const auto expired = expired_;  // which may destroy this timer
                (*expired)();
            }
        });
    }

private:
    boost::asio::steady_timer timer_;
    std::shared_ptr<Loop::Event> expired_;
    Instant armed_for_ = kNever;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

void Loop::post(Event event) {
    NetworkThread::of(io_).post(std::move(event));
}

void Loop::schedule(ports::Timeout& timeout, Duration after) {
    NetworkThread::of(io_).schedule(timeout, after);
}

std::unique_ptr<ports::Timer> Loop::make_timer(Event expired) {
    return std::make_unique<Timer>(io_, std::move(expired));
}

}  // namespace holdfast::net
