#include "engine/announce.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <string>
#include <vector>

#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using Texts = std::vector<std::string>;

constexpr int kEth0 = 2;
constexpr int kTun0 = 3;

net::Interface interface_of(const std::string& name, int ifindex, net::LinkLayer link) {
    net::Interface interface;
    interface.name = name;
    interface.ifindex = ifindex;
    interface.link = link;
    return interface;
}

policy::Vip vip_of(const std::string& name, const Texts& addresses, const std::string& announce) {
    policy::Vip vip;
    vip.name = name;
    for (const std::string& address : addresses)
        vip.addresses.push_back(policy::parse_prefix(address).value());
    vip.announce = announce;
    return vip;
}

State state_of(std::vector<policy::Vip> vips) {
    State state;
    state.front.vips = std::move(vips);
    state.interfaces = {interface_of("eth0", kEth0, net::LinkLayer::kEthernet),
                        interface_of("tun0", kTun0, net::LinkLayer::kIp)};
    state.attachments.emplace_back();
    state.attachments.back().enabled = true;
    return state;
}

// "web: 203.0.113.10 on eth0, 2"
Texts texts_of(const std::vector<Announced>& all) {
    Texts texts;
    for (const Announced& one : all)
        texts.push_back(
            fmt::format("{}: {} on {}, {}", one.vip, one.address.text(), one.device, one.address.ifindex));
    return texts;
}

Texts texts_of(const std::vector<net::LocalAddress>& all) {
    Texts texts;
    for (const net::LocalAddress& one : all)
        texts.push_back(fmt::format("{} on {}", one.text(), one.ifindex));
    return texts;
}

net::HeldAddress held(const std::string& address, int ifindex, bool ours) {
    const policy::Prefix prefix = policy::parse_prefix(address).value();
    return {{ifindex, prefix.family == policy::Family::kIpv6, prefix.address}, ours};
}

std::string refusal(const State& before, const State& after) {
    const Status possible = check_announced(before, after);
    return possible ? "no error" : possible.error().message;
}

TEST(AnnouncedBy, ServicesThatAreBalanced) {
    State state = state_of({vip_of("dns", {"203.0.113.9"}, "eth9"), vip_of("routed", {"203.0.113.8"}, ""),
                            vip_of("web", {"203.0.113.10", "2001:db8::10"}, "eth0")});
    EXPECT_EQ(texts_of(announced_by(state)),
              (Texts{"dns: 203.0.113.9 on eth9, 0", "web: 203.0.113.10 on eth0, 2",
                     "web: 2001:db8::10 on eth0, 2"}));
    state.front.vips[2].enabled = false;
    EXPECT_EQ(texts_of(announced_by(state)), (Texts{"dns: 203.0.113.9 on eth9, 0"}));
}

// As a detach or an attach that was killed leaves them.
TEST(AnnouncedBy, NothingWithoutAttachments) {
    State state = state_of({vip_of("web", {"203.0.113.10"}, "eth0")});
    state.attachments.back().enabled = false;
    EXPECT_EQ(texts_of(announced_by(state)), Texts{});
    state.attachments.clear();
    EXPECT_EQ(texts_of(announced_by(state)), Texts{});
}

TEST(ChangesTo, TakesWhatIsMissingAndGivesUpWhatIsOursAlone) {
    const State state = state_of({vip_of("a", {"203.0.113.10", "203.0.113.11", "2001:db8::10"}, "eth0"),
                                  vip_of("b", {"203.0.113.10", "203.0.113.12"}, "eth0")});
    const AddressChanges changes = changes_to(
        announced_by(state), {held("203.0.113.11", kEth0, false), held("203.0.113.12", kEth0, true),
                              held("203.0.113.10", kTun0, true), held("203.0.113.10", kTun0, false),
                              held("2001:db8::11", kEth0, true), held("10.0.0.1", kEth0, false)});
    EXPECT_EQ(texts_of(changes.take), (Texts{"203.0.113.10 on 2", "2001:db8::10 on 2"}));
    EXPECT_EQ(texts_of(changes.give_up), (Texts{"203.0.113.10 on 3", "2001:db8::11 on 2"}));
    EXPECT_FALSE(changes_to({}, {held("10.0.0.1", kEth0, false)}).any());
}

TEST(CheckAnnounced, SaysWhatCannotBe) {
    const State none = state_of({});
    const auto announced_on = [](const std::string& device) {
        return state_of({vip_of("web", {"203.0.113.10"}, device)});
    };
    EXPECT_EQ(refusal(none, announced_on("eth0")), "no error");
    EXPECT_EQ(refusal(none, announced_on("eth9")),
              "vip \"web\" cannot announce 203.0.113.10 on eth9: there is no such interface");
    EXPECT_EQ(refusal(none, announced_on("tun0")),
              "vip \"web\" cannot announce 203.0.113.10 on tun0: it is no Ethernet device, so that nobody "
              "there asks for addresses");
}

// A device that has gone keeps nobody from editing.
TEST(CheckAnnounced, AsksOnlyOfWhatBegins) {
    const State before = state_of({vip_of("web", {"203.0.113.10"}, "eth9")});
    EXPECT_EQ(refusal(before, before), "no error");
    const State more = state_of({vip_of("web", {"203.0.113.10", "203.0.113.11"}, "eth9")});
    EXPECT_EQ(refusal(before, more),
              "vip \"web\" cannot announce 203.0.113.11 on eth9: there is no such interface");
}

}  // namespace
}  // namespace fwctl::engine
