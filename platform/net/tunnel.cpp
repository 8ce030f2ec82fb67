#include "platform/net/tunnel.h"

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

#include "platform/net/step.h"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kPieceBytes = 2048;

struct Readiness : Step {
    using Step::Step;
    bool ready = false;
};

/// What the tunnel is made of while it is made.
struct Making {
    asio::io_context& io;
    Socket& socket;
    Step::Clock::time_point deadline;
    Duration timeout;
    std::string proxy;  ///< "the proxy p.example:3128"
};

std::unexpected<Error> failed(const Making& making, int error) {
    return fail(ErrorCode::io, making.proxy + ": " + std::generic_category().message(error));
}

asio::awaitable<Result<void>> wait(Making& making, Socket::wait_type type) {
    const auto step = std::make_shared<Readiness>(making.io);
    making.socket.async_wait(type, [step](const error_code&) {
        step->ready = true;
        step->woken();
    });
    const bool goes_on = co_await step->sleep(making.deadline);
    if (!goes_on) {
        co_return fail(ErrorCode::closed, making.proxy + ": cancelled");
    }
    // Also with something to read: a proxy that dribbles is not waited for any longer.
    if (!step->ready || Step::Clock::now() >= making.deadline) {
        co_return fail(ErrorCode::timeout, making.proxy + ": no answer to CONNECT within " +
                                               seconds_text(making.timeout));
    }
    co_return Result<void>{};
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

asio::awaitable<Result<void>> ask(Making& making, std::string_view request) {
    while (!request.empty()) {
        const ssize_t sent = ::send(making.socket.native_handle(), request.data(), request.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            request.remove_prefix(static_cast<std::size_t>(sent));
        } else if (!would_block(errno)) {
            co_return failed(making, errno);
        } else if (Result<void> ready = co_await wait(making, Socket::wait_write); !ready) {
            co_return ready;
        }
    }
    co_return Result<void>{};
}

/// Takes what there is of the answer and leaves what is behind it. True: the tunnel stands.
Result<bool> take(Making& making, http::ProxyTunnel& tunnel, bool& begun) {
    std::array<std::byte, kPieceBytes> piece;
    const int socket = making.socket.native_handle();
    const ssize_t there = ::recv(socket, piece.data(), piece.size(), MSG_PEEK | MSG_DONTWAIT);
    if (there < 0) {
        return would_block(errno) ? Result<bool>(false) : failed(making, errno);
    }
    if (there == 0) {
        return fail(ErrorCode::closed,
                    making.proxy + (begun ? " closes the connection amid its answer to CONNECT"
                                          : " closes the connection without an answer to CONNECT"));
    }
    begun = true;
    const ByteView all(piece.data(), static_cast<std::size_t>(there));
    ByteView left = all;
    const Result<bool> stands = tunnel.next(left);
    if (stands && ::recv(socket, piece.data(), all.size() - left.size(), MSG_DONTWAIT) < 0) {
        return failed(making, errno);
    }
    return stands;
}

}  // namespace

asio::awaitable<Result<void>> open_tunnel(asio::io_context& io, Socket& socket,
                                          const ConnectOptions& options) {
    Making making{.io = io,
                  .socket = socket,
                  .deadline = Step::Clock::now() + options.proxy_timeout,
                  .timeout = options.proxy_timeout,
                  .proxy = "the proxy " + options.proxy->authority()};
    http::ProxyTunnel tunnel(*options.proxy, options.host, options.port, options.user_agent);
    if (Result<void> asked = co_await ask(making, tunnel.request()); !asked) {
        co_return asked;
    }
    bool begun = false;
    while (true) {
        if (Result<void> ready = co_await wait(making, Socket::wait_read); !ready) {
            co_return ready;
        }
        Result<bool> stands = take(making, tunnel, begun);
        if (!stands) {
            co_return std::unexpected(std::move(stands.error()));
        }
        if (*stands) {
            co_return Result<void>{};
        }
    }
}

}  // namespace holdfast::net
