#include "platform/net/network_thread.h"

#include <csignal>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include <CppUTest/TestHarness.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/net/asio_set.h"
#include "tests/platform/net/loopback.h"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;
namespace asio = boost::asio;

/// Two ends of a connection that talk to each other on one thread, which `NetworkThread::run`
/// drives.
TEST_GROUP(NetworkThread) {
    Loopback net;
    NetworkThread& thread = NetworkThread::of(net.io);
    asio::steady_timer limit{net.io};
    bool in_vain = false;
    int rounds = 0;

    void setup() override {
        CHECK(net.establish());
        net.server->when_bytes = [this](auto bytes) { net.server->stream->send(ByteView(bytes)); };
    }

    void drive(const std::function<void()>& begin) {
        net.io.restart();
        limit.expires_after(20s);
        limit.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                in_vain = true;
                net.io.stop();
            }
        });
        begin();
        thread.run();
        CHECK_FALSE(in_vain);
    }
    void say() {
        net.client->stream->send(as_bytes("word"));
    }
    [[nodiscard]] bool held() const {
        return thread.poller().holding();
    }

    /// Has the two talk until the poller holds the thread; then nobody says anything any more, and
    /// `silent` is called, within a stream's event.
    void talk_until_held(std::function<void()> silent) {
        net.client->when_bytes = [this, silent = std::move(silent)](auto) {
            ++rounds;
            if (held()) {
                silent();
            } else {
                say();
            }
        };
        say();
    }
    /// As above, again and again, until `attempt`, which then calls `done`, has been seen to be
    /// served while the poller held the thread. The machine may be too slow for one attempt.
    void until_served_in_hold(const std::function<void(std::function<void()> done)>& attempt) {
        drive([this, &attempt] {
            talk_until_held([this, &attempt] {
                attempt([this] {
                    if (held()) {
                        net.io.stop();
                    } else {
                        say();
                    }
                });
            });
        });
    }
};

TEST(NetworkThread, silent_streams_are_let_go_and_cost_no_turns) {
    asio::steady_timer later(net.io);
    std::size_t turns_when_silent = 0;
    std::size_t turns_when_idle = 0;
    drive([&] {
        talk_until_held([&] {
            turns_when_silent = thread.poller().turns();
            later.expires_after(100ms);
            later.async_wait([&](const boost::system::error_code&) {
                CHECK_FALSE(held());
                turns_when_idle = thread.poller().turns();
                later.expires_after(100ms);
                later.async_wait([&](const boost::system::error_code&) { net.io.stop(); });
            });
        });
    });
    CHECK(turns_when_idle <= turns_when_silent + 4);
    CHECK_EQUAL(turns_when_idle, thread.poller().turns());
    // What comes then is served all the same.
    drive([&] {
        net.client->when_bytes = [&](auto) { net.io.stop(); };
        say();
    });
}

TEST(NetworkThread, a_timer_is_served_while_the_streams_are_held) {
    asio::steady_timer timer(net.io);
    until_served_in_hold([&](const std::function<void()>& done) {
        timer.expires_after(1ms);
        timer.async_wait([done](const boost::system::error_code&) { done(); });
    });
}

TEST(NetworkThread, a_signal_is_served_while_the_streams_are_held) {
    asio::signal_set signals(net.io, SIGUSR1);
    until_served_in_hold([&](const std::function<void()>& done) {
        signals.async_wait([done](const boost::system::error_code&, int) { done(); });
        ::raise(SIGUSR1);
    });
}

TEST(NetworkThread, a_descriptor_is_served_while_the_streams_are_held) {
    int ends[2];
    CHECK_EQUAL(0, ::pipe(ends));
    asio::posix::stream_descriptor reading(net.io, ends[0]);
    asio::posix::stream_descriptor writing(net.io, ends[1]);
    std::array<char, 1> letter{};
    until_served_in_hold([&](const std::function<void()>& done) {
        reading.async_read_some(asio::buffer(letter),
                                [done](const boost::system::error_code&, std::size_t) { done(); });
        writing.write_some(asio::buffer("x", 1));
    });
}

TEST(NetworkThread, what_a_stream_event_posts_runs_while_the_streams_are_held) {
    bool within = true;
    until_served_in_hold([&](const std::function<void()>& done) {
        thread.post([&, done] {
            CHECK_FALSE(within);
            done();
        });
        within = false;
    });
}

TEST(NetworkThread, many_posts_of_stream_events_do_not_end_the_run) {
    int posted = 0;
    int run = 0;
    drive([&] {
        net.client->when_bytes = [&](auto) {
            for (int i = 0; i < 100; ++i, ++posted) {
                thread.post([&] { ++run; });
            }
            if (posted < 10'000) {
                say();
            } else {
                thread.post([&] { net.io.stop(); });
            }
        };
        say();
    });
    CHECK_EQUAL(10'000, posted);
    CHECK_EQUAL(posted, run);
}

TEST(NetworkThread, what_another_thread_posts_runs_while_the_streams_are_held) {
    std::thread other;
    until_served_in_hold([&](const std::function<void()>& done) {
        if (other.joinable()) {
            other.join();
        }
        other = std::thread([&, done] { thread.post(done); });
    });
    other.join();
}

TEST(NetworkThread, what_is_posted_to_asio_without_a_word_is_not_lost) {
    int run = 0;
    drive([&] {
        talk_until_held([&] {
            asio::post(net.io, [&] {
                ++run;
                std::thread([&] {
                    asio::post(net.io, [&] {
                        ++run;
                        net.io.stop();
                    });
                }).join();
            });
        });
    });
    CHECK_EQUAL(2, run);
}

TEST(NetworkThread, a_handler_that_posts_itself_anew_does_not_starve_the_streams) {
    bool held_at_all = false;
    std::function<void()> again = [&] {
        held_at_all = held_at_all || held();
        if (rounds < 1000 || !held_at_all) {
            asio::post(net.io, again);
        } else {
            net.io.stop();
        }
    };
    drive([&] {
        net.client->when_bytes = [&](auto) {
            ++rounds;
            say();
        };
        say();
        asio::post(net.io, again);
    });
    CHECK(rounds >= 1000);
}

TEST(NetworkThread, run_returns_when_nothing_is_left_to_wait_for) {
    drive([&] {
        talk_until_held([&] {
            thread.post([&] {
                CHECK(held());
                limit.cancel();
                net.listener.reset();
                net.client.reset();
                net.server.reset();
            });
        });
    });
    CHECK(net.io.stopped());
}

TEST(NetworkThread, another_thread_may_stop_it) {
    std::thread other;
    drive([&] {
        net.client->when_bytes = [&](auto) {
            if (held() && !other.joinable()) {
                other = std::thread([&] { net.io.stop(); });
            }
            say();
        };
        say();
    });
    other.join();
}

TEST(NetworkThread, both_ways_of_driving_may_take_turns) {
    for (int i = 0; i < 3; ++i) {
        drive([&] { talk_until_held([&] { net.io.stop(); }); });
        CHECK_FALSE(held());
        net.io.restart();
        int words = 0;
        net.client->when_bytes = [&](auto) {
            CHECK_FALSE(held());
            if (++words == 100) {
                net.io.stop();
            } else {
                say();
            }
        };
        say();
        net.io.run();
        CHECK_EQUAL(100, words);
    }
}

TEST_GROUP(AsioSet){};

TEST(AsioSet, is_that_of_the_io_context) {
    asio::io_context one(1);
    asio::io_context other(1);
    const int probe = ::eventfd(0, EFD_CLOEXEC);
    const int set = asio_epoll_set(one, probe);
    CHECK(set >= 0);
    CHECK(asio_epoll_set(other, probe) >= 0);
    CHECK(set != asio_epoll_set(other, probe));
    CHECK_EQUAL(set, asio_epoll_set(one, probe));
    one.poll();
    asio::steady_timer timer(one, 1ms);
    timer.async_wait([](const boost::system::error_code&) {});
    pollfd wait{.fd = set, .events = POLLIN, .revents = 0};
    CHECK_EQUAL(1, ::poll(&wait, 1, 10'000));
    ::close(probe);
}
