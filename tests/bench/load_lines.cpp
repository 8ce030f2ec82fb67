#include "tests/bench/load_lines.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::bench {

namespace {

double seconds(const timespec& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double read_clock(clockid_t clock) {
    timespec time{};
    if (::clock_gettime(clock, &time) != 0) {
        give_up(std::string("clock_gettime: ") + std::strerror(errno));
    }
    return seconds(time);
}

sockaddr_in address(std::uint32_t host, std::uint16_t port) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_addr.s_addr = htonl(host);
    made.sin_port = htons(port);
    return made;
}

/// A connection from the source address of line `index`; not yet established if `flags` has
/// SOCK_NONBLOCK.
int connect_from(const Peer& peer, std::size_t index, int flags) {
    const int line = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (line < 0) {
        give_up(std::string("socket: ") + std::strerror(errno));
    }
    const int on = 1;
    // The port is chosen when the peer is known, so each source address has its full range.
    ::setsockopt(line, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    ::setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto last =
        static_cast<std::uint32_t>(peer.first_address + index / peer.lines_per_address);
    const sockaddr_in from = address((127u << 24) + (1u << 16) + last, 0);
    const sockaddr_in to = address(INADDR_LOOPBACK, peer.port);
    if (::bind(line, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
        (::connect(line, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
         errno != EINPROGRESS)) {
        give_up(std::string("connect: ") + std::strerror(errno));
    }
    return line;
}

/// The opening handshakes under way, in the order in which they began.
class Attempts {
public:
    explicit Attempts(const Opening& opening)
        : opening_(opening), epoll_(::epoll_create1(EPOLL_CLOEXEC)), deadline_(opening.all_s) {
        deadline_ += now_s();
    }
    ~Attempts() { ::close(epoll_); }
    Attempts(const Attempts&) = delete;
    Attempts& operator=(const Attempts&) = delete;

    std::size_t run() {
        while (opened_ < opening_.lines) {
            while (next_ < opening_.lines && under_way_ < opening_.at_once) {
                begin(next_++);
            }
            std::array<epoll_event, 256> events;
            const int count =
                ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
            for (int i = 0; i < count; ++i) {
                on_event(events[static_cast<std::size_t>(i)]);
            }
            try_overdue_again();
            opening_.meanwhile();
        }
        return again_;
    }

private:
    struct Attempt {
        std::size_t index = 0;
        int descriptor = -1;
        bool asked = false;
        double began = 0;
        std::string response = {};
    };

    void begin(std::size_t index) {
        attempts_.push_back(Attempt{.index = index,
                                    .descriptor = connect_from(opening_.peer, index, SOCK_NONBLOCK),
                                    .began = now_s()});
        watch(attempts_.back(), EPOLL_CTL_ADD, EPOLLOUT);
        ++under_way_;
    }

    void watch(Attempt& attempt, int operation, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &attempt;  // a deque does not move what it holds
        ::epoll_ctl(epoll_, operation, attempt.descriptor, &event);
    }

    void on_event(const epoll_event& event) {
        Attempt& attempt = *static_cast<Attempt*>(event.data.ptr);
        if (!attempt.asked) {
            ask(attempt);
            return;
        }
        std::array<char, 4096> bytes;
        const ssize_t count = ::recv(attempt.descriptor, bytes.data(), bytes.size(), 0);
        if (count <= 0) {
            give_up("line " + std::to_string(attempt.index) + " was ended before its response (" +
                    (count == 0 ? "closed" : std::strerror(errno)) + "), " +
                    std::to_string(opened_) + " are open");
        }
        attempt.response.append(bytes.data(), static_cast<std::size_t>(count));
        const std::size_t end = attempt.response.find("\r\n\r\n");
        if (end != std::string::npos) {
            finish(attempt, end + 4);
        }
    }

    void ask(Attempt& attempt) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(attempt.descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            give_up("line " + std::to_string(attempt.index) + ": " + std::strerror(error) + ", " +
                    std::to_string(opened_) + " are open");
        }
        const std::string request = opening_.request(attempt.index);
        if (::send(attempt.descriptor, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size())) {
            give_up(std::string("send: ") + std::strerror(errno));
        }
        attempt.asked = true;
        watch(attempt, EPOLL_CTL_MOD, EPOLLIN);
    }

    void finish(Attempt& attempt, std::size_t head_size) {
        if (!attempt.response.starts_with("HTTP/1.1 101")) {
            give_up("refused: " + attempt.response.substr(0, 300));
        }
        OpenedLine line;
        line.descriptor = attempt.descriptor;
        line.index = attempt.index;
        line.deflate = attempt.response.find("permessage-deflate") < head_size;
        line.first_bytes = attempt.response.substr(head_size);
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, attempt.descriptor, nullptr);
        forget(attempt);
        ++opened_;
        opening_.opened(std::move(line));
    }

    void forget(Attempt& attempt) {
        attempt.descriptor = -1;
        attempt.response = {};
        --under_way_;
    }

    void try_overdue_again() {
        const double now = now_s();
        if (now > deadline_) {
            give_up("only " + std::to_string(opened_) + " of " + std::to_string(opening_.lines) +
                    " lines could be opened");
        }
        while (!attempts_.empty()) {
            Attempt& oldest = attempts_.front();
            if (oldest.descriptor >= 0) {
                if (now - oldest.began < opening_.attempt_s) {
                    return;
                }
                ::close(oldest.descriptor);
                const std::size_t index = oldest.index;
                forget(oldest);
                ++again_;
                begin(index);
            }
            attempts_.pop_front();
        }
    }

    const Opening& opening_;
    int epoll_;
    double deadline_;
    std::deque<Attempt> attempts_;
    std::size_t next_ = 0;
    std::size_t under_way_ = 0;
    std::size_t opened_ = 0;
    std::size_t again_ = 0;
};

}  // namespace

void give_up(const std::string& why) {
    std::fprintf(stderr, "load: %s\n", why.c_str());
    std::exit(1);
}

double now_s() {
    return read_clock(CLOCK_MONOTONIC);
}

double own_cpu_s() {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string handshake_request(std::string_view path, bool deflate,
                              std::string_view further_headers) {
    std::string request = "GET " + std::string(path) +
                          " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    if (deflate) {
        request +=
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover\r\n";
    }
    return request.append(further_headers).append("\r\n");
}

std::size_t open_lines(const Opening& opening) {
    return Attempts(opening).run();
}

int connect_blocking(const Peer& peer) {
    return connect_from(peer, 0, 0);
}

ServerClock::ServerClock(int process) : process_(process) {
    if (process_ != 0 && ::clock_getcpuclockid(process_, &clock_) != 0) {
        give_up("there is no process " + std::to_string(process_));
    }
}

double ServerClock::cpu_s() const {
    return process_ == 0 ? 0 : read_clock(clock_);
}

double ServerClock::stat_cpu_s() const {
    if (process_ == 0) {
        return 0;
    }
    std::ifstream file("/proc/" + std::to_string(process_) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::istringstream fields(text.substr(text.rfind(')') + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
        fields >> skipped;
    }
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace holdfast::bench
