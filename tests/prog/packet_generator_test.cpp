// The packet generator against being too tame: were a reason or a value rare, the comparison of the oracle
// with the programs would say nothing about it.
#include "packet_generator.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "oracle_parse.h"
#include "packet_builder.h"

namespace fwctl::testing {
namespace {

class Generator : public ::testing::TestWithParam<fw_link> {
protected:
    static constexpr int kPackets = 20000;

    void SetUp() override {
        std::mt19937_64 random(1);
        for (int i = 0; i < kPackets; ++i) {
            Bytes frame = random_packet(random, GetParam());
            auto [packet, reason] = oracle_parse(frame, GetParam());
            ++reasons_[reason.value_or(FW_REASON_DEFAULT_ALLOW)];
            ++values_["family"][packet.family];
            ++values_["fragment"][packet.fragment];
            ++values_["vlan_tags"][packet.vlan_tags];
            ++values_["flags"][packet.flags];
            ++values_["extension_count"][packet.extension_count];
            ++values_["protocol"][packet.protocol];
            ++values_["tcp_flags"][packet.tcp_flags];
            ++values_["long frame"][frame.size() > 4096];
            ++values_["late layer 4"][(packet.flags & FW_PACKET_L4) != 0 && packet.l4_offset > 4096];
            ++values_["ICMP"]
                     [(packet.flags & FW_PACKET_L4) != 0 && packet.source_port == 0 ? packet.protocol : 0];
        }
    }

    void expect(const std::string& field, std::initializer_list<int> values) {
        for (int value : values) EXPECT_GE(values_[field][value], 40) << field << " " << value;
    }

    std::map<int, int> reasons_;
    std::map<std::string, std::map<int, int>> values_;
};

TEST_P(Generator, EveryReasonOccurs) {
    for (int reason = FW_REASON_TRUNCATED_ETHERNET; reason <= FW_REASON_TINY_FRAGMENT; ++reason) {
        bool of_tags = reason == FW_REASON_TRUNCATED_VLAN || reason == FW_REASON_VLAN_DEPTH;
        if (GetParam() == FW_LINK_IP && of_tags) continue;
        EXPECT_GE(reasons_[reason], 40) << "reason " << reason;
    }
    EXPECT_GE(reasons_[FW_REASON_DEFAULT_ALLOW], kPackets / 3) << "most packets must come through";
}

TEST_P(Generator, EveryValueOccurs) {
    expect("family", {FW_FAMILY_NONE, FW_FAMILY_IPV4, FW_FAMILY_IPV6});
    expect("fragment", {FW_FRAGMENT_NONE, FW_FRAGMENT_ATOMIC, FW_FRAGMENT_FIRST, FW_FRAGMENT_LATER});
    expect("flags", {0, FW_PACKET_L4});
    expect("extension_count", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    expect("protocol",
           {kHopByHop, kIcmp, kIpv4InIp, kTcp, kUdp, kIpv6InIp, kRouting, kFragment, kGre, kEsp, kAh, kIcmpv6,
            kNoNext, kDestinationOptions, kSctp, kMobility, kHip, kShim6, kExperimentalProtocol});
    expect("long frame", {false, true});
    expect("late layer 4", {false, true});
    expect("ICMP", {kIcmp, kIcmpv6});
    EXPECT_GE(values_["tcp_flags"].size(), 200u);
    if (GetParam() == FW_LINK_ETHERNET) expect("vlan_tags", {0, 1, 2});
}

INSTANTIATE_TEST_SUITE_P(Links, Generator, ::testing::Values(FW_LINK_ETHERNET, FW_LINK_IP),
                         [](const auto& instance) {
                             return instance.param == FW_LINK_ETHERNET ? "Ethernet" : "Ip";
                         });

}  // namespace
}  // namespace fwctl::testing
