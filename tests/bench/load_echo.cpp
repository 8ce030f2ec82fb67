// The echo load: every connection writes its messages in one call, and the next time when all have
// come back. Nothing is made, masked or compressed while the clock runs.

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "tests/bench/load_frames.h"
#include "tests/bench/load_modes.h"

namespace holdfast::bench {

namespace {

/// Of all rounds, one in so many is compared byte by byte with what was sent.
constexpr std::uint64_t kRoundsASample = 512;

struct Connection {
    int descriptor = -1;
    std::size_t unsent = 0;
    std::size_t outstanding = 0;
    bool waits_for_room = false;
    FrameCounter frames;
};

class Echo {
public:
    explicit Echo(const EchoLoad& load)
        : load_(load),
          messages_(make_messages(
              load.pipelining, load.size_bytes,
              load.text || load.deflate ? Content::sensor_text : Content::random, load.deflate)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          buffer_(256u << 10) {}
    ~Echo() { ::close(epoll_); }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;

    void run() {
        open();
        const ServerClock server(load_.server_process);
        for (const auto& connection : connections_) {
            begin_round(*connection);
        }
        run_until(now_s() + load_.warm_up_s);
        const std::uint64_t compressed = compressed_messages();
        answered_ = 0;
        const double stat_cpu = server.stat_cpu_s();
        const double cpu = server.cpu_s();
        const double own_cpu = own_cpu_s();
        const double began = now_s();
        run_until(began + load_.window_s);
        const double seconds = now_s() - began;
        std::printf(
            "{\"messages\":%llu,\"seconds\":%.6f,\"server_cpu_s\":%.6f,\"server_stat_cpu_s\":%.2f,"
            "\"load_cpu_s\":%.6f,\"compressed\":%llu,\"samples\":%llu}\n",
            static_cast<unsigned long long>(answered_), seconds, server.cpu_s() - cpu,
            server.stat_cpu_s() - stat_cpu, own_cpu_s() - own_cpu,
            static_cast<unsigned long long>(compressed_messages() - compressed),
            static_cast<unsigned long long>(samples_));
    }

private:
    void open() {
        Opening opening;
        opening.peer = load_.peer;
        opening.lines = load_.connections;
        opening.request = [this](std::size_t) { return handshake_request("/", load_.deflate); };
        opening.opened = [this](const OpenedLine& line) {
            if (line.deflate != load_.deflate) {
                give_up("permessage-deflate was not agreed on");
            }
            connections_.push_back(std::make_unique<Connection>());
            connections_.back()->descriptor = line.descriptor;
            watch(*connections_.back(), EPOLL_CTL_ADD, EPOLLIN);
        };
        open_lines(opening);
    }

    void watch(Connection& connection, int operation, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &connection;
        ::epoll_ctl(epoll_, operation, connection.descriptor, &event);
    }

    void run_until(double deadline) {
        std::array<epoll_event, 128> events;
        while (now_s() < deadline) {
            const int count =
                ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
            if (count == 0) {
                give_up("the server says nothing for a second");
            }
            for (int i = 0; i < count; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                Connection& connection = *static_cast<Connection*>(event.data.ptr);
                if ((event.events & EPOLLOUT) != 0) {
                    write(connection);
                }
                if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
                    read(connection);
                }
            }
        }
    }

    void begin_round(Connection& connection) {
        if (sampled_ == nullptr && rounds_++ % kRoundsASample == 0) {
            sampled_ = &connection;
        }
        connection.unsent = messages_.frames.size();
        connection.outstanding = messages_.payloads.size();
        write(connection);
    }

    void write(Connection& connection) {
        while (connection.unsent > 0) {
            const char* const from =
                messages_.frames.data() + (messages_.frames.size() - connection.unsent);
            const ssize_t count =
                ::send(connection.descriptor, from, connection.unsent, MSG_NOSIGNAL);
            if (count < 0) {
                if (errno != EAGAIN) {
                    give_up(std::string("send: ") + std::strerror(errno));
                }
                wait_for_room(connection, true);
                return;
            }
            connection.unsent -= static_cast<std::size_t>(count);
        }
        wait_for_room(connection, false);
    }

    void wait_for_room(Connection& connection, bool waits) const {
        if (connection.waits_for_room != waits) {
            connection.waits_for_room = waits;
            watch(connection, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
        }
    }

    void read(Connection& connection) {
        const ssize_t count =
            ::recv(connection.descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (count <= 0) {
            if (count < 0 && errno == EAGAIN) {
                return;
            }
            give_up(std::string("the server ended a line: ") +
                    (count == 0 ? "closed" : std::strerror(errno)));
        }
        const std::span<const char> bytes(buffer_.data(), static_cast<std::size_t>(count));
        const std::size_t frames = connection.frames.count(bytes);
        if (sampled_ == &connection) {
            sample_.append(bytes.data(), bytes.size());
        }
        if (frames > connection.outstanding) {
            give_up("more came back than was sent");
        }
        answered_ += frames;
        connection.outstanding -= frames;
        if (connection.outstanding == 0) {
            end_round(connection);
        }
    }

    void end_round(Connection& connection) {
        if (sampled_ == &connection) {
            if (!echoes(sample_, messages_.payloads)) {
                give_up("what came back is not what was sent");
            }
            ++samples_;
            sample_.clear();
            sampled_ = nullptr;
        }
        begin_round(connection);
    }

    [[nodiscard]] std::uint64_t compressed_messages() const {
        std::uint64_t sum = 0;
        for (const auto& connection : connections_) {
            sum += connection->frames.compressed();
        }
        return sum;
    }

    EchoLoad load_;
    Messages messages_;
    int epoll_;
    std::vector<char> buffer_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::uint64_t answered_ = 0;
    std::uint64_t rounds_ = 0;
    std::uint64_t samples_ = 0;
    const Connection* sampled_ = nullptr;  ///< whose round is compared
    std::string sample_;
};

}  // namespace

void run_echo(const EchoLoad& load) {
    Echo(load).run();
}

}  // namespace holdfast::bench
