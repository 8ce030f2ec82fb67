#pragma once

#include <chrono>
#include <string>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "firmware/base/clock.h"
#include "platform/net/network_thread.h"

namespace holdfast::net {

/// What one step of connecting shares with the handlers of its operations. These may be called
/// after the coroutine is gone (it was cancelled), which is why it is shared.
struct Step {
    using Clock = std::chrono::steady_clock;

    explicit Step(boost::asio::io_context& context) : io(context), wake(context) {}

    /// Waits until a handler calls `woken`, or `deadline`. false: the coroutine was cancelled.
    boost::asio::awaitable<bool> sleep(Clock::time_point deadline) {
        if (!pending) {
            wake.expires_at(deadline);
            co_await wake.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        }
        pending = false;
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        co_return state.cancelled() == boost::asio::cancellation_type::none;
    }
    void woken() {
        pending = true;
        wake.cancel();
        NetworkThread::of(io).asio_has_work();  // a stream's event may be what calls
    }

    boost::asio::io_context& io;
    boost::asio::steady_timer wake;
    bool pending = false;
};

/// "10.0 s", for messages.
[[nodiscard]] inline std::string seconds_text(Duration duration) {
    std::string text = std::to_string(std::chrono::duration<double>(duration).count());
    text.resize(text.find('.') + 2);
    return text + " s";
}

}  // namespace holdfast::net
