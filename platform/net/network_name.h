#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::net {

/// A short and stable name of the network this machine is on: the interface of the default route
/// and the hardware address of its gateway, "wlan0 3c:84:6a:12:34:56". Where there is no gateway,
/// or none that a hardware address could have (wwan0, ppp0, tun0), the interface alone. "" without
/// a default route. IPv4's default route counts, and IPv6's if there is none.
///
/// If the kernel does not know the gateway's hardware address yet (the first packet after boot is
/// still to come), one datagram is sent to it and the answer awaited for 20 ms; in its absence the
/// gateway's IP address has to do. Otherwise two or three small files of /proc are read.
[[nodiscard]] std::string network_name();

// What it is made of, apart from reading.

struct DefaultRoute {
    std::string interface;
    std::string gateway;  ///< an IP address; "": the route has none
    std::uint32_t metric = 0;
};

/// The default route with the lowest metric in the text of /proc/net/route; the first of equals.
[[nodiscard]] std::optional<DefaultRoute> default_route(std::string_view proc_net_route);
/// As `default_route`, in the text of /proc/net/ipv6_route.
[[nodiscard]] std::optional<DefaultRoute> default_route_v6(std::string_view proc_net_ipv6_route);
/// The hardware address of the route's gateway in the text of /proc/net/arp; "": not known.
[[nodiscard]] std::string hardware_address(std::string_view proc_net_arp,
                                           const DefaultRoute& route);

}  // namespace holdfast::net
