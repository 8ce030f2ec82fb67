#pragma once

#include <boost/asio/io_context.hpp>

#include "firmware/ports/loop.h"

namespace holdfast::net {

/// The io_context's thread as firmware sees it. Coarse deadlines go to the wheel of its
/// NetworkThread.
class Loop final : public ports::Loop {
public:
    explicit Loop(boost::asio::io_context& io) : io_(io) {}

    void post(Event event) override;
    void schedule(ports::Timeout& timeout, Duration after) override;
    [[nodiscard]] std::unique_ptr<ports::Timer> make_timer(Event expired) override;

private:
    boost::asio::io_context& io_;
};

}  // namespace holdfast::net
