#include "platform/net/neighbour.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <span>
#include <sys/socket.h>
#include <unistd.h>

#include "firmware/base/bytes.h"
#include "firmware/base/text.h"

namespace holdfast::net {
namespace {

constexpr std::size_t kHardwareAddressBytes = 6;

/// RTM_GETNEIGH for one address (RFC 3549, Section 3.4 and rtnetlink(7)).
struct Question {
    nlmsghdr header;
    ndmsg neighbour;
    rtattr attribute;
    in6_addr address;
};

/// A copy of the T at the front of `bytes`, which need not be aligned; false: they are too few.
template <class T>
bool peek(ByteView bytes, T& out) {
    if (bytes.size() < sizeof(T)) {
        return false;
    }
    std::memcpy(&out, bytes.data(), sizeof(T));
    return true;
}

std::string with_colons(ByteView bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text.append(i == 0 ? "" : ":").append(to_hex(bytes.subspan(i, 1)));
    }
    return text;
}

/// NDA_LLADDR in the kernel's answer; "" without.
std::string hardware_address_of(ByteView answer) {
    nlmsghdr header{};
    ndmsg neighbour{};
    if (!peek(answer, header) || header.nlmsg_type != RTM_NEWNEIGH ||
        header.nlmsg_len > answer.size() || header.nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) {
        return "";
    }
    answer = answer.first(header.nlmsg_len).subspan(NLMSG_HDRLEN);
    constexpr unsigned kKnown = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
    if (!peek(answer, neighbour) || (neighbour.ndm_state & kKnown) == 0) {
        return "";
    }
    answer = answer.subspan(NLMSG_ALIGN(sizeof(ndmsg)));
    rtattr attribute{};
    while (peek(answer, attribute) && attribute.rta_len >= sizeof(rtattr) &&
           attribute.rta_len <= answer.size()) {
        const ByteView value = answer.first(attribute.rta_len).subspan(RTA_LENGTH(0));
        if (attribute.rta_type == NDA_LLADDR && value.size() == kHardwareAddressBytes) {
            return with_colons(value);
        }
        answer = answer.subspan(std::min<std::size_t>(RTA_ALIGN(attribute.rta_len), answer.size()));
    }
    return "";
}

}  // namespace

std::string neighbour_address(const std::string& interface, const std::string& address) {
    Question question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = RTM_GETNEIGH;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.neighbour.ndm_family = AF_INET6;
    question.neighbour.ndm_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    question.attribute.rta_type = NDA_DST;
    question.attribute.rta_len = RTA_LENGTH(sizeof question.address);
    if (question.neighbour.ndm_ifindex == 0 ||
        inet_pton(AF_INET6, address.c_str(), &question.address) != 1) {
        return "";
    }
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (socket < 0) {
        return "";
    }
    // The kernel answers within `send`, so there is nothing to wait for.
    std::array<std::byte, 2048> answer;
    ssize_t got = -1;
    if (send(socket, &question, sizeof question, MSG_NOSIGNAL) == sizeof question) {
        got = recv(socket, answer.data(), answer.size(), MSG_DONTWAIT);
    }
    close(socket);
    return got > 0 ? hardware_address_of(std::span(answer).first(static_cast<std::size_t>(got)))
                   : "";
}

}  // namespace holdfast::net
