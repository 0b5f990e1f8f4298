// What is sent, beside what scapy makes of the same fields.
#include "net/announce.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

namespace fwctl::net {
namespace {

constexpr Mac kMac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

std::string hex(const std::vector<std::uint8_t>& bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

LocalAddress ipv4() {
    return {7, false, {203, 0, 113, 10}};
}

LocalAddress ipv6() {
    return {7, true, {0x20, 0x01, 0x0d, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}};
}

TEST(Announce, GratuitousArp) {
    EXPECT_EQ(hex(gratuitous_arp(ipv4(), kMac, false)),
              "0001080006040001021122334455cb00710a000000000000cb00710a");
    EXPECT_EQ(hex(gratuitous_arp(ipv4(), kMac, true)),
              "0001080006040002021122334455cb00710a021122334455cb00710a");
}

TEST(Announce, UnsolicitedAdvertisement) {
    const std::string ip = "6000000000203aff20010db8001000000000000000000010ff020000000000000000000000000001";
    const std::string target = "20010db80010000000000000000000100201021122334455";
    EXPECT_EQ(hex(unsolicited_advertisement(ipv6(), kMac, false)), ip + "8800925420000000" + target);
    EXPECT_EQ(hex(unsolicited_advertisement(ipv6(), kMac, true)), ip + "88001254a0000000" + target);
}

TEST(Announce, AddressesAsText) {
    EXPECT_EQ(ipv4().text(), "203.0.113.10");
    EXPECT_EQ(ipv6().text(), "2001:db8:10::10");
}

}  // namespace
}  // namespace fwctl::net
