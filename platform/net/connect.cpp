#include "platform/net/connect.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>

#include "platform/net/socket_stream.h"
#include "platform/net/step.h"
#include "platform/net/tunnel.h"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = Step::Clock;
using Addresses = std::vector<asio::ip::address>;

std::string reason(const error_code& error) {
    if (error == asio::error::connection_refused) {
        return "connection refused";
    }
    return error.message();
}

// Looking up.

struct Lookup : Step {
    using Step::Step;
    std::optional<Result<Addresses>> found;
};

Result<Addresses> not_found(const std::string& why) {
    return fail(ErrorCode::not_found, why);
}

void take_lookup(Lookup& lookup, const error_code& error,
                 const tcp::resolver::results_type& results) {
    if (error == asio::error::host_not_found || error == asio::error::no_data) {
        lookup.found = not_found("no such host");
    } else if (error) {
        lookup.found = not_found(error.message());
    } else {
        Addresses addresses;
        for (const auto& entry : results) {
            addresses.push_back(entry.endpoint().address());
        }
        lookup.found = std::move(addresses);
    }
    lookup.woken();
}

asio::awaitable<Result<Addresses>> look_up(asio::io_context& io, const std::string& host,
                                           const ConnectOptions& options) {
    error_code not_an_address;
    const auto literal = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {
        co_return Addresses{literal};
    }
    if (options.resolve) {
        co_return options.resolve(host);
    }
    const auto lookup = std::make_shared<Lookup>(io);
    // getaddrinfo blocks, so Asio calls it on a thread of its own: the only one this module causes.
    tcp::resolver resolver(io);
    resolver.async_resolve(host, "", [lookup](const error_code& error, const auto& results) {
        take_lookup(*lookup, error, results);
    });
    const bool goes_on = co_await lookup->sleep(Clock::now() + options.resolve_timeout);
    if (lookup->found) {
        co_return std::move(*lookup->found);
    }
    if (!goes_on) {
        co_return fail(ErrorCode::closed, "cancelled");
    }
    co_return fail(ErrorCode::timeout, "no answer within " + seconds_text(options.resolve_timeout));
}

/// RFC 8305, Section 4: the resolver's order, but the families in turn, so that one that does not
/// work delays by one attempt only.
Addresses interleave(const Addresses& addresses) {
    Addresses turns[2];
    Addresses mixed;
    const bool first_is_v6 = !addresses.empty() && addresses.front().is_v6();
    for (const auto& address : addresses) {
        turns[address.is_v6() == first_is_v6 ? 0 : 1].push_back(address);
    }
    for (std::size_t i = 0; i < std::max(turns[0].size(), turns[1].size()); ++i) {
        for (const Addresses& turn : turns) {
            if (i < turn.size()) {
                mixed.push_back(turn[i]);
            }
        }
    }
    return mixed;
}

// Connecting.

struct Race : Step {
    using Step::Step;
    std::vector<std::unique_ptr<Socket>>
        attempts;  ///< stay in place while the operations are pending
    std::size_t pending_attempts = 0;
    std::unique_ptr<Socket> winner;
    error_code last_error;
    bool failed_since = false;  ///< the next need not be waited for

    void close() {
        for (const auto& attempt : attempts) {
            error_code ignored;
            attempt->close(ignored);
        }
    }
};

void attempt(const std::shared_ptr<Race>& race, const tcp::endpoint& endpoint) {
    const std::size_t index = race->attempts.size();
    race->attempts.push_back(std::make_unique<Socket>(race->io.get_executor()));
    ++race->pending_attempts;
    race->attempts[index]->async_connect(endpoint, [race, index](const error_code& error) {
        --race->pending_attempts;
        if (!error && !race->winner && race->attempts[index]->is_open()) {
            race->winner = std::move(race->attempts[index]);
            race->attempts[index] = std::make_unique<Socket>(race->io.get_executor());
        } else if (error) {
            race->last_error = error;
            race->failed_since = true;
        }
        race->woken();
    });
}

Error connect_error(const error_code& error) {
    if (error == asio::error::connection_refused) {
        return {ErrorCode::refused, reason(error)};
    }
    return {error == asio::error::timed_out ? ErrorCode::timeout : ErrorCode::io, reason(error)};
}

asio::awaitable<Result<std::unique_ptr<Socket>>> race(asio::io_context& io, Addresses addresses,
                                                      std::uint16_t port,
                                                      const ConnectOptions& options) {
    const auto state = std::make_shared<Race>(io);
    // Also when the coroutine is destroyed: what still tries is closed.
    const std::unique_ptr<Race, void (*)(Race*)> closes(state.get(),
                                                        [](Race* ended) { ended->close(); });
    const Clock::time_point deadline = Clock::now() + options.connect_timeout;
    Clock::time_point next_attempt = Clock::now();
    std::size_t next = 0;
    while (!state->winner) {
        const Clock::time_point now = Clock::now();
        const bool more = next < addresses.size();
        if (now >= deadline) {
            co_return fail(ErrorCode::timeout,
                           "no answer within " + seconds_text(options.connect_timeout));
        }
        if (!more && state->pending_attempts == 0) {
            co_return std::unexpected(connect_error(state->last_error));
        }
        if (more && (now >= next_attempt || std::exchange(state->failed_since, false))) {
            attempt(state, {addresses[next++], port});
            next_attempt = now + options.attempt_delay;
            continue;
        }
        if (!co_await state->sleep(more ? std::min(deadline, next_attempt) : deadline)) {
            co_return fail(ErrorCode::closed, "cancelled");
        }
    }
    co_return std::move(state->winner);
}

// TLS.

struct Greeting : Step {
    using Step::Step;
    bool done = false;
    std::optional<Error> error;
};

asio::awaitable<Result<void>> greet(asio::io_context& io, SocketStream& stream,
                                    const ConnectOptions& options) {
    const auto greeting = std::make_shared<Greeting>(io);
    stream.handshake(*options.tls, options.host, options.port, options.tls_timeout,
                     [greeting](std::optional<Error> error) {
                         greeting->done = true;
                         greeting->error = std::move(error);
                         greeting->woken();
                     });
    while (!greeting->done) {  // it ends by itself: it has its own timeout
        if (!co_await greeting->sleep(Clock::time_point::max())) {
            co_return fail(ErrorCode::closed, "cancelled");
        }
    }
    if (greeting->error) {
        co_return std::unexpected(std::move(*greeting->error));
    }
    co_return Result<void>{};
}

std::string name_of(const ConnectOptions& options) {
    const bool v6 = options.host.find(':') != std::string::npos;
    return (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<Stream>>> connect(ConnectOptions options) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto& io = static_cast<asio::io_context&>(asio::query(executor, asio::execution::context));
    const std::string hub = name_of(options);
    const std::string proxy = options.proxy ? "the proxy " + options.proxy->authority() : "";
    const std::string& first = options.proxy ? proxy : hub;  // whom we connect to ourselves
    const std::string& host = options.proxy ? options.proxy->host : options.host;
    const std::uint16_t port = options.proxy ? options.proxy->port : options.port;

    Result<Addresses> addresses = co_await look_up(io, host, options);
    if (addresses && addresses->empty()) {
        addresses = not_found("it has no address");
    }
    if (!addresses) {
        co_return std::unexpected(
            std::move(addresses.error()).context("looking up " + (options.proxy ? proxy : host)));
    }
    Result<std::unique_ptr<Socket>> socket =
        co_await race(io, interleave(*addresses), port, options);
    if (!socket) {
        co_return std::unexpected(std::move(socket.error()).context("connecting to " + first));
    }
    if (options.proxy) {
        if (Result<void> tunnel = co_await open_tunnel(io, **socket, options); !tunnel) {
            co_return std::unexpected(std::move(tunnel.error()));
        }
    }
    error_code error;
    const tcp::endpoint peer = (*socket)->remote_endpoint(error);  // unspecified if it is gone
    const int handle = (*socket)->release(error);
    if (error) {
        co_return std::unexpected(connect_error(error).context("connecting to " + first));
    }
    auto stream = std::make_unique<SocketStream>(io, handle, peer, options.stream, nullptr);
    if (options.tls) {
        Result<void> greeted = co_await greet(io, *stream, options);
        if (!greeted) {
            co_return std::unexpected(
                std::move(greeted.error())
                    .context("TLS with " + hub + (options.proxy ? " through " + proxy : "")));
        }
    }
    co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace holdfast::net
