#include "platform/system/systemd.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/system/memory.h"

namespace holdfast::system {
namespace {

std::optional<std::int64_t> number_in(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) {
        return std::nullopt;
    }
    const char* end = text + std::strlen(text);
    std::int64_t number = 0;
    const auto [stopped, error] = std::from_chars(text, end, number);
    return error == std::errc() && stopped == end ? std::optional(number) : std::nullopt;
}

}  // namespace

bool notify(std::string_view state) {
    const char* named = std::getenv("NOTIFY_SOCKET");
    if (named == nullptr || *named == '\0') {
        return true;
    }
    const std::string_view path = named;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // An abstract name has no terminating zero, and may fill the field.
    if ((path.front() != '/' && path.front() != '@') ||
        path.size() > sizeof(address.sun_path) - (path.front() == '/' ? 1 : 0)) {
        return false;
    }
    path.copy(address.sun_path, path.size());
    if (path.front() == '@') {
        address.sun_path[0] = '\0';
    }
    const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) {
        return false;
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    // A supervisor whose queue is full must not hold up the network thread.
    const ssize_t sent = sendto(socket_fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&address), length);
    close(socket_fd);
    return sent == static_cast<ssize_t>(state.size());
}

std::optional<Duration> watchdog_interval() {
    const auto interval = number_in("WATCHDOG_USEC");
    if (!interval || *interval <= 0) {
        return std::nullopt;
    }
    // A child process inherits the variables, but systemd watches its parent.
    if (std::getenv("WATCHDOG_PID") != nullptr && number_in("WATCHDOG_PID") != getpid()) {
        return std::nullopt;
    }
    return Duration(*interval);
}

void Systemd::alive() {
    notify("WATCHDOG=1");
}

void Systemd::give_back_memory() {
    system::give_back_memory();
}

}  // namespace holdfast::system
