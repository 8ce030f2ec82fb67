#pragma once

#include <string>

namespace holdfast::net {

/// The hardware address of an IPv6 neighbour, as the kernel knows it (rtnetlink; /proc does not
/// tell it): "3c:84:6a:12:34:56". "": it does not, or is older than 5.0.
[[nodiscard]] std::string neighbour_address(const std::string& interface,
                                            const std::string& address);

}  // namespace holdfast::net
