// Holds lines as gateways do that have nothing to say: opening handshake with a token, Hello,
// Welcome, then a ping each heartbeat; a line without pong until the next is lost. One thread, raw
// sockets. Prints `{"open":…}` when all are welcome, holds them until a line (or the end) of
// standard input, asks each once more, and prints what became of them.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <queue>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/bench/load_frames.h"
#include "tests/bench/load_lines.h"

using namespace holdfast::bench;

namespace {

struct Options {
    Peer peer;
    std::size_t lines = 1000;
    std::size_t first_device = 0;  ///< several processes hold different ones
    double heartbeat_s = 25;       ///< a gateway's default
};

constexpr unsigned char kBinary = 0x82;
constexpr unsigned char kClose = 0x88;
constexpr unsigned char kPing = 0x89;
constexpr unsigned char kPong = 0x8a;

std::string device_name(std::size_t index) {
    std::array<char, 24> name;
    std::snprintf(name.data(), name.size(), "line-%06zu", index);
    return name.data();
}

/// A protobuf field of bytes shorter than 128.
std::string field(char number, const std::string& content) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())} +
           content;
}

std::string fixed64(char number, std::size_t value) {
    std::string out(1, static_cast<char>(number << 3 | 1));
    for (int shift = 0; shift < 64; shift += 8) {
        out += static_cast<char>(std::uint64_t{value} >> shift);
    }
    return out;
}

/// Envelope{Hello} with one stream and its two channels, see proto/README.md.
std::string hello(std::size_t index) {
    const std::string device = device_name(index);
    const std::string temperature = field(5, "\x08\x01" + field(2, "temperature") + field(3, "°C"));
    const std::string humidity = field(5, "\x08\x02" + field(2, "humidity") + field(3, "%"));
    const std::string open = std::string("\x08\x01") + field(2, device) + fixed64(3, index + 1) +
                             std::string("\x20\x01") + temperature + humidity;
    return field(1,
                 field(1, device) + fixed64(2, index + 1) + field(3, "line_load") + field(4, open));
}

class Lines {
public:
    explicit Lines(const Options& options)
        : options_(options),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          lines_(options.lines),
          ping_(masked_frame(kPing, "")) {}
    ~Lines() { ::close(epoll_); }
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

    void run() {
        const double began = now_s();
        Opening opening;
        opening.peer = options_.peer;
        opening.lines = lines_.size();
        opening.request = [this](std::size_t index) { return request(index); };
        opening.opened = [this](const OpenedLine& line) { add(line); };
        opening.meanwhile = [this] { turn(0); };
        opening.all_s = 1800;
        // A hub at its limit must not be asked again and again by those that it has not reached
        // yet.
        opening.at_once = 64;
        opening.attempt_s = 30;
        const std::size_t again = open_lines(opening);
        while (welcome_ + lost_ < lines_.size()) {
            turn(100);
        }
        std::printf(
            "{\"open\":%zu,\"lost\":%zu,\"again\":%zu,\"seconds\":%.1f,\"slowest_pong_s\":%.3f}\n",
            welcome_, lost_, again, now_s() - began, slowest_pong_s_);
        slowest_pong_s_ = 0;
        std::fflush(stdout);
        watch(STDIN_FILENO, lines_.size());
        while (!told_to_end_) {
            turn(100);
        }
        ask_all();
        std::printf(
            "{\"alive\":%zu,\"lost\":%zu,\"pings\":%zu,\"pongs\":%zu,\"slowest_pong_s\":%.3f}\n",
            answered_, lines_.size() - answered_, pings_, pongs_, slowest_pong_s_);
    }

private:
    struct Line {
        int descriptor = -1;
        bool welcome = false;
        double heard = 0;
        double pinged = 0;      ///< 0: no pong is due
        bool answered = false;  ///< when asked at the end
        std::string unread = {};
    };
    struct Due {
        double at;
        std::size_t index;
        bool operator<(const Due& other) const { return at > other.at; }
    };

    [[nodiscard]] std::string request(std::size_t index) const {
        return handshake_request("/v1/uplink", false,
                                 "Sec-WebSocket-Protocol: holdfast.v1\r\nAuthorization: Bearer "
                                 "token-of-" +
                                     device_name(options_.first_device + index) + "\r\n");
    }

    void watch(int descriptor, std::size_t index) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
    }

    void add(const OpenedLine& opened) {
        Line& line = lines_[opened.index];
        line.descriptor = opened.descriptor;
        line.heard = now_s();
        send(line, masked_frame(kBinary, hello(options_.first_device + opened.index)));
        // Gateways do not start together: their heartbeats are spread over the whole interval.
        const double share = static_cast<double>(opened.index) / static_cast<double>(lines_.size());
        due_.push({line.heard + options_.heartbeat_s * (0.2 + 0.8 * share), opened.index});
        watch(line.descriptor, opened.index);
        line.unread = opened.first_bytes;
        take_frames(line);
    }

    void send(Line& line, const std::string& frame) {
        if (line.descriptor >= 0 && ::send(line.descriptor, frame.data(), frame.size(),
                                           MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size())) {
            lose(line, std::strerror(errno));
        }
    }

    void lose(Line& line, const std::string& why) {
        if (lost_++ < 5) {
            std::fprintf(
                stderr, "line_load: %s is lost: %s\n",
                device_name(options_.first_device + static_cast<std::size_t>(&line - lines_.data()))
                    .c_str(),
                why.c_str());
        }
        welcome_ -= line.welcome;
        lost_pongs_ += line.pinged != 0;
        ::close(line.descriptor);
        line.descriptor = -1;
    }

    /// Waits at most so long for what comes, and sends the pings that are due.
    void turn(int wait_ms) {
        std::array<epoll_event, 256> events;
        const int count =
            ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
        for (int i = 0; i < count; ++i) {
            const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
            if (index == lines_.size()) {
                told_to_end_ = true;
            } else if (lines_[index].descriptor >= 0) {
                read(lines_[index]);
            }
        }
        const double now = now_s();
        while (!asking_ && !due_.empty() && due_.top().at <= now) {
            const std::size_t index = due_.top().index;
            due_.pop();
            beat(index, now);
        }
    }

    void beat(std::size_t index, double now) {
        Line& line = lines_[index];
        if (line.descriptor < 0) {
            return;
        }
        if (line.pinged != 0) {
            lose(line, "no pong came in time");
            return;
        }
        due_.push({now + options_.heartbeat_s, index});
        if (line.welcome) {
            ping(line, now);
        }
    }

    void ping(Line& line, double now) {
        line.pinged = now;
        ++pings_;
        send(line, ping_);
    }

    void read(Line& line) {
        std::array<char, 4096> bytes;
        const ssize_t count = ::recv(line.descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (count <= 0) {
            if (count == 0 || errno != EAGAIN) {
                lose(line, count == 0 ? "the hub closed it" : std::strerror(errno));
            }
            return;
        }
        line.heard = now_s();
        line.unread.append(bytes.data(), static_cast<std::size_t>(count));
        take_frames(line);
    }

    /// What a hub says to an idle line has less than 126 bytes.
    void take_frames(Line& line) {
        while (line.descriptor >= 0 && line.unread.size() >= 2) {
            const std::size_t size = 2 + static_cast<unsigned char>(line.unread[1]);
            if (size >= 2 + 126) {
                give_up("the hub says more than an idle line expects");
            }
            if (line.unread.size() < size) {
                return;
            }
            const std::string frame = line.unread.substr(0, size);
            line.unread.erase(0, size);
            take(line, frame);
        }
        if (line.unread.empty()) {
            line.unread = {};
        }
    }

    void take(Line& line, const std::string& frame) {
        switch (static_cast<unsigned char>(frame[0])) {
            case kBinary:
                if (!line.welcome && frame[2] != 0x12) {
                    lose(line, "no Welcome came in answer to Hello");
                } else if (!std::exchange(line.welcome, true)) {
                    ++welcome_;
                }
                return;
            case kPong:
                ++pongs_;
                slowest_pong_s_ = std::max(slowest_pong_s_, now_s() - line.pinged);
                line.pinged = 0;
                if (asking_ && !std::exchange(line.answered, true)) {
                    ++answered_;
                }
                return;
            case kPing:
                send(line, masked_frame(kPong, frame.substr(2)));
                return;
            case kClose:
                lose(line,
                     "the hub closes it: " + frame.substr(std::min<std::size_t>(4, frame.size())));
                return;
            default:
                give_up("the hub sent a frame that no hub sends");
        }
    }

    /// A ping on each line, some at a time. Those whose pong is still due are waited for first.
    void ask_all() {
        constexpr std::size_t kAtOnce = 500;
        constexpr double kPatienceS = 30;
        while (pings_ > pongs_ + lost_pongs_) {
            turn(100);
        }
        asking_ = true;
        const double deadline = now_s() + kPatienceS;
        std::size_t asked = 0;
        for (Line& line : lines_) {
            if (line.descriptor >= 0) {
                ping(line, now_s());
                ++asked;
            }
            while (asked - answered_ >= kAtOnce && now_s() < deadline) {
                turn(10);
            }
        }
        while (answered_ < asked && now_s() < deadline) {
            turn(10);
        }
    }

    Options options_;
    int epoll_;
    std::vector<Line> lines_;
    std::priority_queue<Due> due_;
    std::string ping_;
    bool told_to_end_ = false;
    bool asking_ = false;
    std::size_t welcome_ = 0;
    std::size_t lost_ = 0;
    std::size_t pings_ = 0;
    std::size_t pongs_ = 0;
    std::size_t lost_pongs_ = 0;  ///< of lines that were lost before
    std::size_t answered_ = 0;
    double slowest_pong_s_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    raise_descriptor_limit();
    Options options;
    CLI::App line("holds idle lines on /v1/uplink");
    line.add_option("--port", options.peer.port)->required();
    line.add_option("--lines", options.lines)->capture_default_str();
    line.add_option("--first-device", options.first_device,
                    "the lines are those of line-000000, line-000001 …; their tokens "
                    "token-of-line-000000 …")
        ->capture_default_str();
    line.add_option("--first-address", options.peer.first_address,
                    "of 127.1.0.1, 127.1.0.2 …: several processes use different ones")
        ->capture_default_str();
    line.add_option("--heartbeat", options.heartbeat_s, "seconds")->capture_default_str();
    CLI11_PARSE(line, argc, argv);
    Lines(options).run();
    return 0;
}
