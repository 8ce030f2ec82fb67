#include "platform/net/loop.h"

#include <memory>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "platform/net/network_thread.h"
#include "platform/system/clock.h"
#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

struct Expiry final : ports::Timeout {
    std::function<void()> then;
    void expired() override { then(); }
};

}  // namespace

TEST_GROUP(Loop) {
    boost::asio::io_context io;
    net::Loop loop{io};

    void drive() {
        net::NetworkThread::of(io).run();
    }
};

TEST(Loop, events_run_in_their_order_and_never_within_the_call) {
    std::vector<int> order;
    loop.post([&] {
        loop.post([&] { order.push_back(2); });
        order.push_back(0);
    });
    loop.post([&] { order.push_back(1); });
    CHECK(order.empty());
    drive();
    CHECK((order == std::vector<int>{0, 1, 2}));
}

TEST(Loop, a_timer_fires_at_its_deadline_and_not_before) {
    const Instant deadline = system::monotonic_now() + 30ms;
    Instant fired{};
    const auto timer = loop.make_timer([&] { fired = system::monotonic_now(); });
    timer->arm(deadline);
    drive();
    CHECK(fired >= deadline);
}

TEST(Loop, a_timer_can_be_moved_disarmed_and_destroyed_in_its_own_call) {
    int calls = 0;
    std::unique_ptr<ports::Timer> timer;
    timer = loop.make_timer([&] {
        ++calls;
        timer.reset();
    });
    const auto never = loop.make_timer([&] { calls += 100; });
    never->arm(system::monotonic_now() + 1ms);
    never->arm(kNever);
    timer->arm(system::monotonic_now() + 1h);
    timer->arm(Instant{});  // long past: at once, and not within this call
    LONGS_EQUAL(0, calls);
    drive();
    LONGS_EQUAL(1, calls);
}

TEST(Loop, a_timeout_expires_once_unless_it_is_cancelled) {
    int calls = 0;
    Expiry expiry;
    expiry.then = [&] { ++calls; };
    {
        Expiry gone;
        gone.then = [&] { calls += 100; };
        loop.schedule(gone, 1ms);
        Expiry cancelled;
        cancelled.then = [&] { calls += 100; };
        loop.schedule(cancelled, 1ms);
        cancelled.cancel();
    }
    loop.schedule(expiry, 1ms);
    drive();
    LONGS_EQUAL(1, calls);
}
