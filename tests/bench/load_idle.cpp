// Lines that say nothing, and one message to all of them.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "tests/bench/load_frames.h"
#include "tests/bench/load_modes.h"

namespace holdfast::bench {

namespace {

constexpr double kPatienceS = 60;

/// Many lines of which each is to receive the same number of frames.
class Lines {
public:
    Lines() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(64u << 10) {}
    ~Lines() { ::close(epoll_); }
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

    void open(const Peer& peer, std::size_t count, bool deflate) {
        lines_.reserve(count);
        Opening opening;
        opening.peer = peer;
        opening.lines = count;
        opening.request = [deflate](std::size_t) { return handshake_request("/", deflate); };
        opening.opened = [this, deflate](const OpenedLine& line) {
            if (line.deflate != deflate) {
                give_up("permessage-deflate was not agreed on");
            }
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = lines_.size();
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, line.descriptor, &event);
            lines_.push_back({line.descriptor, {}});
        };
        open_lines(opening);
    }

    void send(std::size_t index, const std::string& frame) const {
        if (::send(lines_[index].descriptor, frame.data(), frame.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(frame.size())) {
            give_up(std::string("send: ") + std::strerror(errno));
        }
    }

    /// Until that many frames more have come, all lines together. Returns how many did in time.
    std::size_t receive(std::size_t frames) {
        const double deadline = now_s() + kPatienceS;
        std::size_t received = 0;
        std::array<epoll_event, 256> events;
        while (received < frames && now_s() < deadline) {
            const int count =
                ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
            for (int i = 0; i < count; ++i) {
                received += read(lines_[events[static_cast<std::size_t>(i)].data.u64]);
            }
        }
        return received;
    }

    /// One message on each line, some at a time; how many were answered.
    std::size_t ask_all(const std::string& frame) {
        constexpr std::size_t kAtOnce = 200;
        std::size_t answered = 0;
        for (std::size_t begin = 0; begin < lines_.size(); begin += kAtOnce) {
            const std::size_t end = std::min(begin + kAtOnce, lines_.size());
            for (std::size_t i = begin; i < end; ++i) {
                send(i, frame);
            }
            answered += receive(end - begin);
        }
        return answered;
    }

    [[nodiscard]] std::uint64_t compressed() const {
        std::uint64_t sum = 0;
        for (const Line& line : lines_) {
            sum += line.frames.compressed();
        }
        return sum;
    }

private:
    struct Line {
        int descriptor;
        FrameCounter frames;
    };

    std::size_t read(Line& line) {
        const ssize_t count = ::recv(line.descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (count <= 0) {
            if (count < 0 && errno == EAGAIN) {
                return 0;
            }
            give_up(std::string("the server ended a line: ") +
                    (count == 0 ? "closed" : std::strerror(errno)));
        }
        return line.frames.count({buffer_.data(), static_cast<std::size_t>(count)});
    }

    int epoll_;
    std::vector<char> buffer_;
    std::vector<Line> lines_;
};

}  // namespace

void run_idle(const IdleLoad& load) {
    const std::string frame =
        make_messages(1, load.size_bytes, Content::sensor_text, load.deflate).frames;
    Lines lines;
    lines.open(load.peer, load.connections, load.deflate);
    if (load.one_message && lines.ask_all(frame) != load.connections) {
        give_up("not every line was answered");
    }
    std::printf("{\"open\":%zu,\"compressed\":%llu}\n", load.connections,
                static_cast<unsigned long long>(lines.compressed()));
    std::fflush(stdout);
    std::array<char, 64> ignored;
    (void)!::read(STDIN_FILENO, ignored.data(), ignored.size());
    std::printf("{\"answered\":%zu}\n", lines.ask_all(frame));
}

void run_fan_out(const FanOutLoad& load) {
    const std::string frame = make_messages(1, load.size_bytes, Content::sensor_text, false).frames;
    Lines lines;
    lines.open(load.peer, load.connections, false);
    const ServerClock server(load.server_process);
    for (int i = 0; i < 2; ++i) {  // what happens once only, happens here
        lines.send(0, frame);
        lines.receive(load.connections);
    }
    std::string seconds;
    std::string cpu;
    for (std::size_t i = 0; i < load.messages; ++i) {
        const double cpu_before = server.cpu_s();
        const double began = now_s();
        lines.send(0, frame);
        if (lines.receive(load.connections) != load.connections) {
            give_up("not every line heard it");
        }
        seconds += (i == 0 ? "" : ",") + std::to_string(now_s() - began);
        cpu += (i == 0 ? "" : ",") + std::to_string(server.cpu_s() - cpu_before);
    }
    std::printf("{\"receivers\":%zu,\"seconds\":[%s],\"server_cpu_s\":[%s]}\n", load.connections,
                seconds.c_str(), cpu.c_str());
}

}  // namespace holdfast::bench
