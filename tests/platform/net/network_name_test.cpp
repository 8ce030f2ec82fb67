#include "platform/net/network_name.h"

#include <bit>
#include <string>

#include <CppUTest/TestHarness.h>

#include "platform/net/neighbour.h"

using namespace holdfast::net;

namespace {

const std::string kHead =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n";

/// A line of /proc/net/route, with the blanks that the kernel fills it up with.
std::string route(const std::string& interface, const std::string& destination,
                  const std::string& gateway, const std::string& flags, const std::string& metric,
                  const std::string& mask) {
    return interface + "\t" + destination + "\t" + gateway + "\t" + flags + "\t0\t0\t" + metric +
           "\t" + mask + "\t0\t0\t0      \n";
}

std::string text(const std::optional<DefaultRoute>& route) {
    return route ? route->interface + " " + route->gateway + " " + std::to_string(route->metric)
                 : "none";
}

/// The gateway 192.168.1.`last` as this machine writes it.
std::string gateway(unsigned last) {
    const bool little = std::endian::native == std::endian::little;
    const char* const digits = "0123456789ABCDEF";
    const std::string byte{digits[last / 16], digits[last % 16]};
    return little ? byte + "01A8C0" : "C0A801" + byte;
}

std::string route_v6(const std::string& destination, const std::string& gateway,
                     const std::string& metric, const std::string& flags,
                     const std::string& interface) {
    return destination + " 00000000000000000000000000000000 00 " + gateway + " " + metric +
           " 00000003 00000000 " + flags + "     " + interface + "\n";
}
const std::string kAny = "00000000000000000000000000000000 00";
const std::string kNoGateway = "00000000000000000000000000000000";
const std::string kGatewayV6 = "fe800000000000003e846afffe123456";

}  // namespace

TEST_GROUP(NetworkName){};

TEST(NetworkName, the_default_route_with_the_lowest_metric_counts) {
    const std::string local = route("wlan0", "0001A8C0", "00000000", "0001", "0", "00FFFFFF");
    const std::string wlan = route("wlan0", "00000000", gateway(1), "0003", "600", "00000000");
    const std::string wired = route("eth0", "00000000", gateway(254), "0003", "100", "00000000");
    STRCMP_EQUAL("wlan0 192.168.1.1 600", text(default_route(kHead + local + wlan)).c_str());
    STRCMP_EQUAL("eth0 192.168.1.254 100", text(default_route(kHead + wlan + wired)).c_str());
    STRCMP_EQUAL("eth0 192.168.1.254 100", text(default_route(kHead + wired + wlan)).c_str());
    STRCMP_EQUAL("none", text(default_route(kHead + local)).c_str());
}

TEST(NetworkName, the_first_of_equal_routes_counts) {
    const std::string a = route("eth0", "00000000", gateway(1), "0003", "0", "00000000");
    const std::string b = route("eth1", "00000000", gateway(2), "0003", "0", "00000000");
    STRCMP_EQUAL("eth0 192.168.1.1 0", text(default_route(kHead + a + b)).c_str());
}

TEST(NetworkName, a_route_that_leads_nowhere_does_not_count) {
    for (const std::string flags : {"0000", "0002", "0201", "x", ""}) {
        const std::string bad = route("eth0", "00000000", gateway(1), flags, "0", "00000000");
        STRCMP_EQUAL("none", text(default_route(kHead + bad)).c_str());
    }
    STRCMP_EQUAL(
        "none",
        text(default_route(route("lo", "00000000", "00000000", "0001", "0", "00000000"))).c_str());
    // Half of all addresses is not all of them.
    STRCMP_EQUAL("none",
                 text(default_route(route("tun0", "00000000", gateway(1), "0003", "0", "00000080")))
                     .c_str());
}

TEST(NetworkName, a_point_to_point_line_has_no_gateway) {
    STRCMP_EQUAL("wwan0  700", text(default_route(kHead + route("wwan0", "00000000", "00000000",
                                                                "0001", "700", "00000000")))
                                   .c_str());
}

TEST(NetworkName, a_text_that_is_cut_off_or_garbage_has_no_route) {
    const std::string whole =
        kHead + route("eth0", "00000000", gateway(1), "0003", "5", "00000000");
    for (std::size_t size = 0; size < kHead.size() + 20; ++size) {
        CHECK_FALSE(default_route(whole.substr(0, size)).has_value());
    }
    for (const std::string garbage : {"\n\n\n", "a b c d e f g h\n", "eth0 0 0 0 0 0 -1 0\n",
                                      "eth0 0 G 3 0 0 0 0\n", "eth0 0 0 3 0 0 9999999999 0\n"}) {
        CHECK_FALSE(default_route(garbage).has_value());
        CHECK_FALSE(default_route_v6(garbage).has_value());
        STRCMP_EQUAL("", hardware_address(garbage, {"eth0", "192.168.1.1", 0}).c_str());
    }
}

TEST(NetworkName, the_gateways_hardware_address_is_that_on_its_interface) {
    const std::string arp =
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.1.1      0x1         0x2         3c:84:6a:12:34:56     *        eth1\n"
        "192.168.1.10     0x1         0x2         3c:84:6a:00:00:10     *        wlan0\n"
        "192.168.1.1      0x1         0x6         3c:84:6a:12:34:57     *        wlan0\n"
        "192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        wlan0\n"
        "192.168.1.3      0x1         0x2         00:00:00:00:00:00     *        wlan0\n";
    STRCMP_EQUAL("3c:84:6a:12:34:57", hardware_address(arp, {"wlan0", "192.168.1.1", 0}).c_str());
    STRCMP_EQUAL("3c:84:6a:12:34:56", hardware_address(arp, {"eth1", "192.168.1.1", 0}).c_str());
    STRCMP_EQUAL("", hardware_address(arp, {"eth0", "192.168.1.1", 0}).c_str());
    STRCMP_EQUAL("", hardware_address(arp, {"wlan0", "192.168.1.2", 0}).c_str());
    STRCMP_EQUAL("", hardware_address(arp, {"wlan0", "192.168.1.3", 0}).c_str());
    STRCMP_EQUAL("", hardware_address("", {"wlan0", "192.168.1.1", 0}).c_str());
}

TEST(NetworkName, ipv6_has_its_default_route_elsewhere) {
    const std::string local =
        route_v6("fe800000000000000000000000000000 40", kNoGateway, "00000100", "00000001", "eth0");
    const std::string none = route_v6(kAny, kNoGateway, "ffffffff", "00200200", "lo");
    const std::string wired = route_v6(kAny, kGatewayV6, "00000400", "00450003", "eth0");
    const std::string wlan = route_v6(kAny, kGatewayV6, "00000258", "00450003", "wlan0");
    const std::string ppp = route_v6(kAny, kNoGateway, "00000001", "00000001", "ppp0");
    STRCMP_EQUAL("none", text(default_route_v6(local + none)).c_str());
    STRCMP_EQUAL("eth0 fe80::3e84:6aff:fe12:3456 1024",
                 text(default_route_v6(local + wired + none)).c_str());
    STRCMP_EQUAL("wlan0 fe80::3e84:6aff:fe12:3456 600",
                 text(default_route_v6(wired + wlan + none)).c_str());
    STRCMP_EQUAL("ppp0  1", text(default_route_v6(wired + ppp)).c_str());
}

TEST(NetworkName, a_neighbour_that_nobody_has_is_unknown) {
    STRCMP_EQUAL("", neighbour_address("lo", "2001:db8::1").c_str());
    STRCMP_EQUAL("", neighbour_address("nosuchinterface", "fe80::1").c_str());
    STRCMP_EQUAL("", neighbour_address("lo", "garbage").c_str());
}

TEST(NetworkName, this_machines_stays_the_same) {
    const std::string name = network_name();
    STRCMP_EQUAL(name.c_str(), network_name().c_str());
    CHECK(name.size() <= 64);
}
