#include "platform/net/network_name.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <net/if.h>
#include <net/route.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "platform/net/neighbour.h"

namespace holdfast::net {
namespace {

/// More routes than a machine with one default route has; the rest is not looked at.
constexpr std::size_t kFileLimit = 256u << 10;
constexpr std::chrono::milliseconds kAnswerStep{4};
constexpr int kAnswerSteps = 5;
constexpr std::uint16_t kDiscardPort = 9;

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> found;
    constexpr std::string_view kBlanks = " \t\r";
    while (true) {
        const std::size_t begin = line.find_first_not_of(kBlanks);
        if (begin == std::string_view::npos) {
            return found;
        }
        line.remove_prefix(begin);
        const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
        found.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

/// Calls `visit` with the words of each line.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        visit(words(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::optional<std::uint32_t> number(std::string_view text, int base) {
    std::uint32_t value = 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [stop, error] = std::from_chars(begin, end, value, base);
    return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

bool all_zero(std::string_view text) {
    return !text.empty() && text.find_first_not_of('0') == std::string_view::npos;
}

/// Whether a route with these flags leads somewhere.
bool leads_out(std::uint32_t flags, std::string_view interface) {
    return (flags & RTF_UP) != 0 && (flags & RTF_REJECT) == 0 && interface != "lo";
}

/// "010200C0": the four bytes of the address as the machine reads a number.
std::string v4_text(std::uint32_t address) {
    std::array<char, INET_ADDRSTRLEN> text{};
    return inet_ntop(AF_INET, &address, text.data(), text.size());
}

/// 32 digits. nullopt: they are not.
std::optional<std::string> v6_text(std::string_view digits) {
    std::array<std::uint8_t, 16> bytes{};
    if (digits.size() != 2 * bytes.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = number(digits.substr(2 * i, 2), 16);
        if (!byte) {
            return std::nullopt;
        }
        bytes.at(i) = static_cast<std::uint8_t>(*byte);
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    return inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
}

void take_lower(std::optional<DefaultRoute>& best, DefaultRoute route) {
    if (!best || route.metric < best->metric) {
        best = std::move(route);
    }
}

/// "" if the file is not there.
std::string file_text(const char* file) {
    std::string text;
    const int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return text;
    }
    std::array<char, 4096> piece;
    ssize_t got = 0;
    while (text.size() < kFileLimit && (got = read(descriptor, piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    close(descriptor);
    return text;
}

/// Whether the interface is one on which hardware addresses are asked for.
bool has_neighbours(const std::string& interface) {
    ifreq request{};
    interface.copy(static_cast<char*>(request.ifr_name), IFNAMSIZ - 1);
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool known = socket >= 0 && ioctl(socket, SIOCGIFFLAGS, &request) == 0;
    if (socket >= 0) {
        close(socket);
    }
    const auto flags = static_cast<unsigned>(request.ifr_flags);
    return known && (flags & (IFF_NOARP | IFF_POINTOPOINT | IFF_LOOPBACK)) == 0;
}

/// One empty datagram, so that the kernel asks for the hardware address it goes to.
void provoke(const DefaultRoute& route) {
    sockaddr_storage address{};
    socklen_t size = 0;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (inet_pton(AF_INET, route.gateway.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(kDiscardPort);
        size = sizeof(sockaddr_in);
    } else if (inet_pton(AF_INET6, route.gateway.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(kDiscardPort);
        v6->sin6_scope_id = if_nametoindex(route.interface.c_str());
        size = sizeof(sockaddr_in6);
    }
    const int socket = ::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket >= 0) {
        sendto(socket, nullptr, 0, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
        close(socket);
    }
}

std::string name_of(const DefaultRoute& route,
                    const std::function<std::string(const DefaultRoute&)>& look_up) {
    if (route.gateway.empty() || !has_neighbours(route.interface)) {
        return route.interface;
    }
    std::string hardware = look_up(route);
    if (hardware.empty()) {
        provoke(route);
        for (int step = 0; hardware.empty() && step < kAnswerSteps; ++step) {
            std::this_thread::sleep_for(kAnswerStep);
            hardware = look_up(route);
        }
    }
    return route.interface + " " + (hardware.empty() ? route.gateway : hardware);
}

}  // namespace

std::optional<DefaultRoute> default_route(std::string_view proc_net_route) {
    std::optional<DefaultRoute> best;
    // Interface, destination, gateway, flags, references, use, metric, mask; numbers hexadecimal
    // but for the metric.
    for_each_line(proc_net_route, [&best](const std::vector<std::string_view>& line) {
        if (line.size() < 8 || !all_zero(line[1]) || !all_zero(line[7])) {
            return;
        }
        const auto gateway = number(line[2], 16);
        const auto flags = number(line[3], 16);
        const auto metric = number(line[6], 10);
        if (gateway && flags && metric && leads_out(*flags, line[0])) {
            const bool has_gateway = (*flags & RTF_GATEWAY) != 0 && *gateway != 0;
            take_lower(best, {.interface = std::string(line[0]),
                              .gateway = has_gateway ? v4_text(*gateway) : "",
                              .metric = *metric});
        }
    });
    return best;
}

std::optional<DefaultRoute> default_route_v6(std::string_view proc_net_ipv6_route) {
    std::optional<DefaultRoute> best;
    // Destination, its length, source, its length, gateway, metric, references, use, flags,
    // interface; numbers hexadecimal.
    for_each_line(proc_net_ipv6_route, [&best](const std::vector<std::string_view>& line) {
        if (line.size() < 10 || !all_zero(line[0]) || !all_zero(line[1]) || !all_zero(line[3])) {
            return;
        }
        const auto gateway = v6_text(line[4]);
        const auto metric = number(line[5], 16);
        const auto flags = number(line[8], 16);
        if (gateway && metric && flags && leads_out(*flags, line[9])) {
            const bool has_gateway = (*flags & RTF_GATEWAY) != 0 && !all_zero(line[4]);
            take_lower(best, {.interface = std::string(line[9]),
                              .gateway = has_gateway ? *gateway : "",
                              .metric = *metric});
        }
    });
    return best;
}

std::string hardware_address(std::string_view proc_net_arp, const DefaultRoute& route) {
    constexpr std::uint32_t kComplete = 0x2;  // ATF_COM
    std::string found;
    // IP address, hardware type, flags, hardware address, mask, device.
    for_each_line(proc_net_arp, [&](const std::vector<std::string_view>& line) {
        if (line.size() < 6 || line[0] != route.gateway || line[5] != route.interface ||
            !line[2].starts_with("0x")) {
            return;
        }
        const auto flags = number(line[2].substr(2), 16);
        const bool zero = line[3].find_first_not_of("0:") == std::string_view::npos;
        if (flags && (*flags & kComplete) != 0 && !zero) {
            found = line[3];
        }
    });
    return found;
}

std::string network_name() {
    if (const auto v4 = default_route(file_text("/proc/net/route"))) {
        return name_of(*v4, [](const DefaultRoute& route) {
            return hardware_address(file_text("/proc/net/arp"), route);
        });
    }
    if (const auto v6 = default_route_v6(file_text("/proc/net/ipv6_route"))) {
        return name_of(*v6, [](const DefaultRoute& route) {
            return neighbour_address(route.interface, route.gateway);
        });
    }
    return "";
}

}  // namespace holdfast::net
