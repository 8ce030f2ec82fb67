#include "tests/conformance/raw_line.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

namespace holdfast::conformance {
namespace {

constexpr int kAgain = -2;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int milliseconds_until(Clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::max<long>(0, left + 1));
}

WOLFSSL_CTX* tls_context() {
    static WOLFSSL_CTX* const context = [] {
        wolfSSL_Init();
        WOLFSSL_CTX* made = wolfSSL_CTX_new(wolfTLS_client_method());
        wolfSSL_CTX_set_verify(made, WOLFSSL_VERIFY_NONE, nullptr);
        return made;
    }();
    return context;
}

}  // namespace

struct RawTls {
    explicit RawTls(int descriptor) : session(wolfSSL_new(tls_context())) {
        wolfSSL_set_fd(session, descriptor);
    }
    ~RawTls() { wolfSSL_free(session); }
    RawTls(const RawTls&) = delete;
    RawTls& operator=(const RawTls&) = delete;

    /// As read and write: 0 at the end, kAgain, -1.
    [[nodiscard]] long outcome(int result) const {
        const int error = wolfSSL_get_error(session, result);
        if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE) {
            return kAgain;
        }
        return error == WOLFSSL_ERROR_ZERO_RETURN ? 0 : -1;
    }

    WOLFSSL* session;
};

RawLine::RawLine(int descriptor) : descriptor_(descriptor) {
    ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawLine::RawLine(RawLine&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      tls_(std::move(other.tls_)),
      ended_(other.ended_),
      reset_(other.reset_) {}

RawLine::~RawLine() {
    tls_.reset();
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

RawLine RawLine::connect(std::uint16_t port, bool tls) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    if (descriptor < 0 ||
        ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail("connect");
    }
    RawLine line(descriptor);
    if (tls) {
        line.tls_ = std::make_unique<RawTls>(descriptor);
    }
    return line;
}

long RawLine::read(char* to, std::size_t size) const {
    if (tls_) {
        const int got = wolfSSL_read(tls_->session, to, static_cast<int>(size));
        return got > 0 ? got : tls_->outcome(got);
    }
    const ssize_t got = ::recv(descriptor_, to, size, 0);
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? kAgain : got;
}

long RawLine::write(std::string_view bytes) const {
    if (tls_) {
        const auto size = static_cast<int>(std::min<std::size_t>(bytes.size(), 16384));
        const int sent = wolfSSL_write(tls_->session, bytes.data(), size);
        return sent > 0 ? sent : tls_->outcome(sent);
    }
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? kAgain : sent;
}

bool RawLine::step(std::string_view& unsent, std::string& received, Clock::time_point deadline) {
    static std::array<char, 262144> block;
    while (!ended_) {
        bool moved = false;
        if (!unsent.empty()) {
            const long sent = write(unsent);
            if (sent > 0) {
                unsent.remove_prefix(static_cast<std::size_t>(sent));
                moved = true;
            } else if (sent != kAgain) {
                unsent = {};  // it does not listen any more; what it said is still to be read
            }
        }
        const long got = read(block.data(), block.size());
        if (got > 0) {
            received.append(block.data(), static_cast<std::size_t>(got));
            moved = true;
        } else if (got != kAgain) {
            ended_ = true;
            reset_ = got < 0;
        }
        if (moved || ended_) {
            return true;
        }
        pollfd wait{};
        wait.fd = descriptor_;
        wait.events = static_cast<short>(POLLIN | (unsent.empty() ? 0 : POLLOUT));
        const int patience = milliseconds_until(deadline);
        if (patience == 0 || ::poll(&wait, 1, patience) == 0) {
            return false;
        }
    }
    return true;
}

void RawLine::finish() {
    if (tls_) {
        wolfSSL_shutdown(tls_->session);
    }
    ::shutdown(descriptor_, SHUT_WR);
}

std::string RawLine::exchange_head(std::string_view request, std::string& rest) {
    const Clock::time_point deadline = Clock::now() + std::chrono::seconds(20);
    while (true) {
        const std::size_t end = rest.find("\r\n\r\n");
        if (end != std::string::npos && (request.empty() || ended_)) {
            std::string head = rest.substr(0, end + 4);
            rest.erase(0, end + 4);
            return head;
        }
        if (ended_ || !step(request, rest, deadline)) {
            return "";
        }
    }
}

// ---- Listening

RawListener::RawListener() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (descriptor_ < 0 || ::bind(descriptor_, generic, size) != 0 ||
        ::listen(descriptor_, 16) != 0 || ::getsockname(descriptor_, generic, &size) != 0) {
        fail("listen");
    }
    port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() {
    ::close(descriptor_);
}

int RawListener::accept(Clock::duration patience) const {
    pollfd wait{};
    wait.fd = descriptor_;
    wait.events = POLLIN;
    if (::poll(&wait, 1, milliseconds_until(Clock::now() + patience)) <= 0) {
        return -1;
    }
    return ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
}

// ---- Processes

Child::Child(std::vector<std::string> command) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        fail("pipe");
    }
    std::vector<char*> arguments;
    for (std::string& argument : command) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
}

Child::~Child() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    ::close(output_);
}

std::string Child::first_line() const {
    std::string line;
    for (char one = 0; ::read(output_, &one, 1) == 1 && one != '\n';) {
        line.push_back(one);
    }
    return line;
}

int Child::stop() {
    ::kill(process_, SIGTERM);
    return wait();
}

int Child::wait() {
    int status = 0;
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace holdfast::conformance
