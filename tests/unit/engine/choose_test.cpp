#include "engine/choose.h"

#include <gtest/gtest.h>
#include <linux/if_arp.h>

#include <string>
#include <vector>

#include "fwctl/abi/state.h"

namespace fwctl::engine {
namespace {

constexpr std::uint8_t kXdpAndOut = FW_HOOK_XDP | FW_HOOK_TC_OUT;
constexpr std::uint8_t kTcBothWays = FW_HOOK_TC_IN | FW_HOOK_TC_OUT;

net::Interface interface_of(const std::string& kind, net::LinkLayer link = net::LinkLayer::kEthernet) {
    net::Interface interface;
    interface.ifindex = 7;
    interface.name = "if0";
    interface.kind = kind;
    interface.link = link;
    interface.link_type = link == net::LinkLayer::kEthernet ? ARPHRD_ETHER : ARPHRD_NONE;
    return interface;
}

net::Interface loopback() {
    net::Interface interface = interface_of("");
    interface.loopback = true;
    interface.link_type = ARPHRD_LOOPBACK;
    return interface;
}

// Hardware and what stands for it: whatever begins with an Ethernet header, but veth.
const std::vector<net::Interface>& better_by_xdp() {
    static const std::vector<net::Interface> all = {
        interface_of(""),
        interface_of("bridge"),
        interface_of("vlan"),
        interface_of("bond"),
        interface_of("dummy"),
        interface_of("macvlan"),
        interface_of("vxlan"),
        interface_of("gretap"),
        interface_of("openvswitch"),
        interface_of("ipvlan"),
        interface_of("tun"),  // tap
        loopback(),
    };
    return all;
}

// Where packets come from a local sender, or have no link header; XDP can read them all the same.
const std::vector<net::Interface>& better_by_tc() {
    static const std::vector<net::Interface> all = {
        interface_of("veth"),
        interface_of("tun", net::LinkLayer::kIp),
        interface_of("wireguard", net::LinkLayer::kIp),
        interface_of("ppp", net::LinkLayer::kIp),
        interface_of("", net::LinkLayer::kIp),  // modems
    };
    return all;
}

// Where the packet does not begin at the IP header, link header or not.
const std::vector<net::Interface>& unreadable() {
    static const std::vector<net::Interface> all = {
        interface_of("gre", net::LinkLayer::kIp),  interface_of("ipip", net::LinkLayer::kIp),
        interface_of("sit", net::LinkLayer::kIp),  interface_of("ip6tnl", net::LinkLayer::kIp),
        interface_of("xfrm", net::LinkLayer::kIp),
    };
    return all;
}

std::vector<net::Interface> readable() {
    std::vector<net::Interface> all = better_by_xdp();
    all.insert(all.end(), better_by_tc().begin(), better_by_tc().end());
    return all;
}

void expect_choice(const net::Interface& interface, const Wish& wish, std::uint8_t hooks, WantedMode mode) {
    const auto choice = choose(interface, wish);
    ASSERT_TRUE(choice.has_value()) << interface.kind << ": " << choice.error().message;
    EXPECT_EQ(choice->hooks, hooks) << interface.kind;
    EXPECT_EQ(choice->mode, mode) << interface.kind;
}

void expect_refusal(const net::Interface& interface, const Wish& wish, const std::string& message,
                    Exit exit) {
    const auto choice = choose(interface, wish);
    ASSERT_FALSE(choice.has_value()) << interface.kind;
    EXPECT_EQ(choice.error().message, message);
    EXPECT_EQ(choice.error().exit, exit);
}

TEST(Choose, TakesXdpInAndTcOutOnItsOwn) {
    for (const net::Interface& interface : better_by_xdp())
        expect_choice(interface, {}, kXdpAndOut, WantedMode::kAuto);
}

TEST(Choose, TakesTcBothWaysWhereThatIsBetterOrAllThereIs) {
    for (const net::Interface& interface : better_by_tc())
        expect_choice(interface, {}, kTcBothWays, WantedMode::kAuto);
}

TEST(Choose, AModeAsksForXdpOnEveryKind) {
    for (const net::Interface& interface : readable())
        for (const WantedMode mode : {WantedMode::kNative, WantedMode::kGeneric})
            expect_choice(interface, {.mode = mode}, kXdpAndOut, mode);
}

TEST(Choose, HooksAreTakenAsTheyAreNamed) {
    for (const int hooks : {+FW_HOOK_TC_IN, +FW_HOOK_TC_OUT, +kTcBothWays})
        for (const net::Interface& interface : readable())
            expect_choice(interface, {.hooks = static_cast<std::uint8_t>(hooks)},
                          static_cast<std::uint8_t>(hooks), WantedMode::kAuto);
    for (const int hooks : {+FW_HOOK_XDP, +kXdpAndOut})
        for (const net::Interface& interface : readable())
            expect_choice(interface, {.hooks = static_cast<std::uint8_t>(hooks)},
                          static_cast<std::uint8_t>(hooks), WantedMode::kAuto);
}

TEST(Choose, AModeGoesWithTheHookXdp) {
    for (const net::Interface& interface : readable())
        for (const WantedMode mode : {WantedMode::kNative, WantedMode::kGeneric}) {
            expect_choice(interface, {.mode = mode, .hooks = FW_HOOK_XDP}, FW_HOOK_XDP, mode);
            expect_choice(interface, {.mode = mode, .hooks = kXdpAndOut}, kXdpAndOut, mode);
        }
}

TEST(Choose, APortOfAnIsolatedBridgeIsJudgedOnceAsPacketsComeIn) {
    for (const net::Interface& interface : readable())
        for (const int hooks : {0, +FW_HOOK_XDP, +FW_HOOK_TC_OUT, +kXdpAndOut, +kTcBothWays}) {
            const auto choice =
                choose(interface, {.hooks = static_cast<std::uint8_t>(hooks), .is_peer = true});
            ASSERT_TRUE(choice.has_value()) << interface.kind << ": " << choice.error().message;
            EXPECT_EQ(choice->hooks, FW_HOOK_TC_IN) << interface.kind;
        }
}

// XDP judges, TC ingress carries out: docs/forward.md.
TEST(Choose, TakesTwoHooksForWhatComesIn) {
    for (const net::Interface& interface : readable())
        for (const int hooks : {FW_HOOK_XDP | FW_HOOK_TC_IN, FW_HOOK_XDP | FW_HOOK_TC_IN | FW_HOOK_TC_OUT}) {
            const auto choice = choose(interface, {.hooks = static_cast<std::uint8_t>(hooks)});
            ASSERT_TRUE(choice.has_value()) << interface.kind << ": " << choice.error().message;
            EXPECT_EQ(choice->hooks, hooks) << interface.kind;
        }
}

TEST(Choose, RefusesAModeWithoutXdp) {
    constexpr auto kMessage = "--mode is about XDP, which --hook leaves out";
    for (const net::Interface& interface : readable())
        for (const int hooks : {+FW_HOOK_TC_IN, +FW_HOOK_TC_OUT, +kTcBothWays})
            for (const WantedMode mode : {WantedMode::kNative, WantedMode::kGeneric})
                expect_refusal(interface, {.mode = mode, .hooks = static_cast<std::uint8_t>(hooks)}, kMessage,
                               Exit::kUsage);
}

TEST(Choose, RefusesLinksThatCannotBeReadWhateverIsWished) {
    net::Interface infiniband = interface_of("", net::LinkLayer::kUnknown);
    infiniband.name = "ib0";
    infiniband.link_type = ARPHRD_INFINIBAND;
    const Wish wishes[] = {{},
                           {.mode = WantedMode::kGeneric},
                           {.hooks = kTcBothWays},
                           {.is_peer = true},
                           {.hooks = FW_HOOK_XDP | FW_HOOK_TC_IN}};
    for (const Wish& wish : wishes)
        expect_refusal(infiniband, wish,
                       "ib0 has link type 32, whose packets fwctl cannot read; it filters Ethernet and "
                       "devices without a link header (WireGuard, tun, ppp)",
                       Exit::kFailed);
}

TEST(Choose, RefusesDevicesWhosePacketsDoNotBeginAtTheIpHeader) {
    for (const net::Interface& interface : unreadable())
        expect_refusal(interface, {},
                       "if0 is a " + interface.kind +
                           " device, whose packets fwctl cannot read; filter on the device that carries it",
                       Exit::kFailed);
}

}  // namespace
}  // namespace fwctl::engine
