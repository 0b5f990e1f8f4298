#include "agent/target.h"

#include <gtest/gtest.h>

#include "policy/prefix.h"

namespace fwctl::agent {
namespace {

policy::Service tcp(std::uint16_t first, std::uint16_t last) {
    policy::Service service;
    service.kind = policy::Service::Kind::kProtocol;
    service.protocol = 6;
    service.has_selector = true;
    service.selector = {first, last};
    return service;
}

policy::Vip web() {
    policy::Vip vip;
    vip.name = "web";
    vip.services = {tcp(443, 443), tcp(80, 90)};
    vip.health.kind = policy::HealthKind::kTcp;
    policy::Backend one;
    one.name = "web1";
    one.addresses = {policy::parse_prefix("192.0.2.1").value(), policy::parse_prefix("2001:db8::1").value()};
    policy::Backend two;
    two.name = "web2";
    two.addresses = {policy::parse_prefix("192.0.2.2").value()};
    vip.backends = {one, two};
    return vip;
}

TEST(TargetTest, EachAddressOfABackendIsOne) {
    const policy::Vip vip = web();
    const std::vector<Target> wanted = {
        {{"web", "web1", vip.backends[0].addresses[0]}, 80, vip.health},
        {{"web", "web1", vip.backends[0].addresses[1]}, 80, vip.health},
        {{"web", "web2", vip.backends[1].addresses[0]}, 80, vip.health},
    };
    EXPECT_EQ(targets_of(vip), wanted);
}

TEST(TargetTest, ThePortOfTheHealthCheckComesFirst) {
    policy::Vip vip = web();
    vip.health.port = 8080;
    EXPECT_EQ(targets_of(vip)[0].port, 8080);
}

TEST(TargetTest, AServiceOfAllPortsNamesNone) {
    policy::Vip vip = web();
    vip.services = {tcp(0, 65535)};
    vip.services[0].has_selector = false;
    EXPECT_EQ(targets_of(vip)[0].port, 0);
}

// Which of a backend's addresses a packet goes to is the programs' to say (fw_address_backend()).
TEST(TargetTest, ByTheServicesWayTheFirstAddressOfEachFamilyIsAsked) {
    const auto prefix = [](const char* text) { return policy::parse_prefix(text).value(); };
    policy::Vip vip = web();
    vip.health.via = policy::HealthVia::kVip;
    vip.addresses = {prefix("198.51.100.0/28"), prefix("203.0.113.1"), prefix("2001:db8:10::10")};
    const auto first = prefix("198.51.100.0"), ipv6 = prefix("2001:db8:10::10");
    const std::vector<Target> wanted = {
        {{"web", "web1", vip.backends[0].addresses[0], first}, 80, vip.health},
        {{"web", "web1", vip.backends[0].addresses[1], ipv6}, 80, vip.health},
        {{"web", "web2", vip.backends[1].addresses[0], first}, 80, vip.health},
        {{"web", "web2", vip.backends[1].addresses[0], ipv6}, 80, vip.health},
    };
    EXPECT_EQ(targets_of(vip), wanted);
    EXPECT_EQ(targets_of(vip)[1].id.asked(), ipv6);
    vip.addresses = {ipv6};
    EXPECT_EQ(targets_of(vip).size(), 2U);
}

TEST(TargetTest, WithoutAHealthCheckThereIsNone) {
    policy::Vip vip = web();
    vip.health.kind = policy::HealthKind::kNone;
    EXPECT_EQ(targets_of(vip), std::vector<Target>{});
}

}  // namespace
}  // namespace fwctl::agent
