#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::bench {

/// Says why on standard error and ends the program: a load generator has nobody to report to.
[[noreturn]] void give_up(const std::string& why);

/// Seconds of the monotonic clock.
[[nodiscard]] double now_s();

/// The most descriptors that this process may have.
void raise_descriptor_limit();

/// What a load generator connects to, always on this machine.
struct Peer {
    std::uint16_t port = 0;
    /// One source address has 28,000 ports; so many lines are opened from each of 127.1.0.1,
    /// 127.1.0.2 …
    std::size_t lines_per_address = 20'000;
    std::size_t first_address = 1;
};

/// The opening handshake of a client.
[[nodiscard]] std::string handshake_request(std::string_view path, bool deflate,
                                            std::string_view further_headers = {});

/// A line whose opening handshake is done: a non-blocking socket, and what the response said.
struct OpenedLine {
    int descriptor = -1;
    std::size_t index = 0;
    bool deflate = false;     ///< permessage-deflate was agreed
    std::string first_bytes;  ///< that came with the response
};

struct Opening {
    Peer peer;
    std::size_t lines = 1;
    std::size_t at_once = 256;
    /// A line that has no response by then is tried again from another port: it may wait in the
    /// backlog of a server that is full while another has room.
    double attempt_s = 10;
    double all_s = 300;
    std::function<std::string(std::size_t index)> request;
    std::function<void(OpenedLine)> opened;
    /// Called once in a while, for those who keep lines alive while others are still opened.
    std::function<void()> meanwhile = [] {};
};

/// Opens that many lines in parallel. Gives up if one is refused. Returns how many were tried
/// again.
std::size_t open_lines(const Opening& opening);

/// A line opened and used with blocking calls.
[[nodiscard]] int connect_blocking(const Peer& peer);

/// The processor time of another process, all its threads: the clock that the kernel keeps in
/// nanoseconds, and the same as utime + stime of /proc/PID/stat, in steps of 10 ms.
class ServerClock {
public:
    explicit ServerClock(int process);  ///< 0: there is nobody to measure, all times are 0

    [[nodiscard]] double cpu_s() const;
    [[nodiscard]] double stat_cpu_s() const;

private:
    int process_;
    int clock_ = 0;
};

/// The processor time of this process.
[[nodiscard]] double own_cpu_s();

}  // namespace holdfast::bench
