#include "platform/net/listener.h"

#include <cerrno>
#include <charconv>
#include <optional>
#include <sys/socket.h>
#include <unordered_map>
#include <utility>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "platform/net/network_thread.h"
#include "platform/net/socket_stream.h"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

/// When the process has no file descriptor or the kernel no memory left: how long until the next
/// try.
constexpr Duration kShortagePause = std::chrono::milliseconds(100);

/// So many at once before the connections there are have their turn.
constexpr int kAcceptsPerEvent = 64;

Result<tcp::endpoint> parse(const std::string& text) {
    const auto colon = text.rfind(':');
    const std::string port_text = colon == std::string::npos ? "" : text.substr(colon + 1);
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    std::uint16_t port = 0;
    const auto parsed =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error || port_text.empty() || parsed.ec != std::errc() ||
        parsed.ptr != port_text.data() + port_text.size() || address.is_v6() != bracketed) {
        return fail(ErrorCode::invalid,
                    "\"" + text +
                        "\" is not an address with a port, such as 127.0.0.1:8080, "
                        "0.0.0.0:8080 or [::]:8080");
    }
    return tcp::endpoint(address, port);
}

/// The listener itself. Counted references, for the streams' leases and the pending accept may
/// outlive the Listener.
class Accepting final
    : public boost::intrusive_ref_counter<Accepting, boost::thread_unsafe_counter>,
      StreamLease,
      Timeout {
public:
    using Pointer = boost::intrusive_ptr<Accepting>;

    Accepting(asio::io_context& io, ListenOptions options, Listener::OnStream on_stream,
              Listener::OnFailed on_failed)
        : io_(io),
          thread_(NetworkThread::of(io)),
          acceptor_(io),
          options_(std::move(options)),
          on_stream_(std::move(on_stream)),
          on_failed_(std::move(on_failed)) {}

    [[nodiscard]] Result<void> open(const tcp::endpoint& endpoint);
    void accept();
    void close();
    [[nodiscard]] tcp::endpoint endpoint() const { return endpoint_; }
    [[nodiscard]] std::size_t connections() const { return connections_; }

private:
    void stream_ended() override {
        const Pointer self(this, false);
        --connections_;
        accept();
    }
    [[nodiscard]] LeasePointer lease() {
        intrusive_ptr_add_ref(this);  // until `stream_ended`
        ++connections_;
        return LeasePointer(this);
    }
    void expired() override { accept(); }
    void accept_waiting();
    [[nodiscard]] bool accept_one();
    void shake_hands(std::unique_ptr<SocketStream> stream);
    void on_shaken(std::uint64_t number, std::optional<Error> error);

    asio::io_context& io_;
    NetworkThread& thread_;
    Acceptor acceptor_;
    ListenOptions options_;
    Listener::OnStream on_stream_;
    Listener::OnFailed on_failed_;
    tcp::endpoint endpoint_;
    std::size_t connections_ = 0;
    std::uint64_t next_number_ = 0;
    std::unordered_map<std::uint64_t, std::unique_ptr<SocketStream>>
        shaking_;  ///< TLS handshakes under way
    bool accepting_ = false;
};

Result<void> Accepting::open(const tcp::endpoint& endpoint) {
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) {
        acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error && options_.share_port) {
        using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
        acceptor_.set_option(ReusePort(true), error);
    }
    if (!error && options_.unacknowledged_timeout > Duration{}) {
        using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
        const auto timeout =
            std::chrono::ceil<std::chrono::milliseconds>(options_.unacknowledged_timeout);
        acceptor_.set_option(UserTimeout(static_cast<int>(timeout.count())), error);
    }
    if (!error && endpoint.address().is_v6()) {
        // [::] takes IPv4 as well; another IPv6 address is only what it says.
        acceptor_.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
    }
    if (!error) {
        acceptor_.bind(endpoint, error);
    }
    if (!error) {
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (!error) {
        acceptor_.native_non_blocking(true, error);
    }
    if (error == asio::error::address_in_use) {
        return fail(ErrorCode::refused, options_.address +
                                            " is already in use: is another holdfast running? "
                                            "choose another [listen] address");
    }
    if (error == asio::error::access_denied) {
        return fail(ErrorCode::refused,
                    options_.address +
                        ": ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)");
    }
    if (error) {
        return fail(ErrorCode::io, "cannot listen on " + options_.address + ": " + error.message());
    }
    endpoint_ = acceptor_.local_endpoint(error);
    return {};
}

void Accepting::accept() {
    if (accepting_ || !acceptor_.is_open() || connections_ >= options_.max_connections) {
        return;
    }
    accepting_ = true;
    acceptor_.async_wait(Acceptor::wait_read, [self = Pointer(this)](const error_code& error) {
        self->accepting_ = false;
        if (!error) {
            self->accept_waiting();
        }
    });
}

void Accepting::accept_waiting() {
    for (int i = 0; i < kAcceptsPerEvent; ++i) {
        if (!acceptor_.is_open() || connections_ >= options_.max_connections) {
            return;
        }
        if (!accept_one()) {
            break;
        }
    }
    if (!scheduled()) {
        accept();
    }
}

/// False: none is waiting, or none can be had for now.
bool Accepting::accept_one() {
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int socket =
        ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) {
        if (errno == ECONNABORTED || errno == EINTR) {
            return true;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            thread_.schedule(*this, kShortagePause);
        }
        return false;
    }
    peer.resize(size);
    auto stream = std::make_unique<SocketStream>(io_, socket, peer, options_.stream, lease());
    if (options_.tls) {
        shake_hands(std::move(stream));
    } else {
        on_stream_(std::move(stream));
    }
    return true;
}

void Accepting::shake_hands(std::unique_ptr<SocketStream> stream) {
    const std::uint64_t number = next_number_++;
    SocketStream& shaking = *stream;
    shaking_.emplace(number, std::move(stream));
    shaking.handshake(*options_.tls, "", 0, options_.tls_timeout,
                      [self = Pointer(this), number](std::optional<Error> error) {
                          self->on_shaken(number, std::move(error));
                      });
}

void Accepting::on_shaken(std::uint64_t number, std::optional<Error> error) {
    const auto found = shaking_.find(number);
    if (found == shaking_.end()) {
        return;
    }
    std::unique_ptr<SocketStream> stream = std::move(found->second);
    shaking_.erase(found);
    if (!error) {
        on_stream_(std::move(stream));
    } else if (on_failed_) {
        on_failed_(stream->peer(), *error);
    }
}

void Accepting::close() {
    error_code ignored;
    acceptor_.close(ignored);
    NetworkThread::cancel(*this);
    // Taken out first: ending a stream comes back here by its lease.
    const auto ending = std::exchange(shaking_, {});
}

class AsioListener final : public Listener {
public:
    explicit AsioListener(Accepting::Pointer accepting) : accepting_(std::move(accepting)) {}
    ~AsioListener() override { accepting_->close(); }
    AsioListener(const AsioListener&) = delete;
    AsioListener& operator=(const AsioListener&) = delete;

    [[nodiscard]] std::string address() const override { return to_text(accepting_->endpoint()); }
    [[nodiscard]] std::uint16_t port() const override { return accepting_->endpoint().port(); }
    [[nodiscard]] std::size_t connections() const override { return accepting_->connections(); }

private:
    Accepting::Pointer accepting_;
};

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(asio::io_context& io, ListenOptions options,
                                                 OnStream on_stream, OnFailed on_failed) {
    const Result<tcp::endpoint> endpoint = parse(options.address);
    if (!endpoint) {
        return std::unexpected(endpoint.error());
    }
    const Accepting::Pointer accepting(
        new Accepting(io, std::move(options), std::move(on_stream), std::move(on_failed)));
    if (Result<void> opened = accepting->open(*endpoint); !opened) {
        return std::unexpected(std::move(opened.error()));
    }
    accepting->accept();
    return std::make_unique<AsioListener>(accepting);
}

}  // namespace holdfast::net
