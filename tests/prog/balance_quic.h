// QUIC packets to a balanced service whose backends have server ids.
//
// Promises: packets are made up from draft-ietf-quic-load-balancers and RFC 8999 alone.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "balance_lab.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {

inline constexpr std::uint16_t kQuicPort = 443;
inline constexpr std::uint8_t kLongHeader = 0xc3;  // the lower seven bits are the version's own
inline constexpr std::uint8_t kShortHeader = 0x43;

using Ids = std::map<std::string, std::vector<std::string>>;  // by backend, in hexadecimal

inline const Ids kIds = {{"w1", {"0a01"}}, {"w2", {"0a02", "ff02"}}, {"w3", {"0000"}}, {"w4", {}}};
inline const std::string kServices = kWebAddress + "service = [\"udp/443\", \"tcp/443\"]\n";
inline const std::string kQuic = kServices +
                                 "forward = \"ipip\"\n"
                                 "quic = { config = [0, 2], server_id_length = 2 }\n";

// `states`: of backends that are not ready.
inline std::string quic_vip(const std::string& fields, const Ids& ids = kIds,
                            const std::map<std::string, std::string>& states = {}) {
    std::string text = "[vip.web]\n" + fields;
    for (const auto& [name, its] : ids) {
        text += fmt::format(
            "[[vip.web.backend]]\nname = \"{0}\"\naddress = [\"10.2.0.1{1}\", \"fd00:2::1{1}\"]\n", name,
            name.substr(1));
        if (!its.empty()) text += fmt::format("server_id = [\"{}\"]\n", fmt::join(its, "\", \""));
        if (states.count(name) > 0) text += states.at(name);
    }
    return text;
}

inline Bytes octets(const std::string& hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}

inline Bytes operator+(Bytes one, const Bytes& other) {
    one.insert(one.end(), other.begin(), other.end());
    return one;
}

// A connection id: what stands below the configuration is the server's own.
inline Bytes connection_id(unsigned config, const std::string& server, std::size_t nonce = 8) {
    Bytes id = {static_cast<std::uint8_t>(config << 5 | 0x15)};
    id = id + octets(server);
    for (std::size_t i = 0; i < nonce; ++i) id.push_back(static_cast<std::uint8_t>(0xe0 + i));
    return id;
}

// RFC 8999, 5.1. `says`: the length of the destination's id.
inline Bytes long_header(const Bytes& id, std::optional<std::size_t> says = {}) {
    const Bytes source = {0x55, 0x66, 0x77, 0x88};
    Bytes bytes = {kLongHeader, 0, 0, 0, 1, static_cast<std::uint8_t>(says.value_or(id.size()))};
    bytes = bytes + id;
    bytes.push_back(static_cast<std::uint8_t>(source.size()));
    return bytes + source + Bytes(30, 0xaa);
}

inline Bytes short_header(const Bytes& id) {
    return Bytes{kShortHeader} + id + Bytes(25, 0xbb);
}

// Each from another port, so that nothing is known of the flow.
class BalanceQuicTest : public BalanceTest {
protected:
    BalancedFlow flow(bool ipv6 = false) {
        const std::uint16_t port = next_port_++;
        return ipv6 ? BalancedFlow{.client = kClient6,
                                   .vip = kVip6,
                                   .port = port,
                                   .vip_port = kQuicPort,
                                   .protocol = kUdp}
                    : BalancedFlow{.port = port, .vip_port = kQuicPort, .protocol = kUdp};
    }
    static Packet packet(const BalancedFlow& flow, const Bytes& datagram) {
        return (flow.is_ipv6() ? ipv6({.source = flow.client, .destination = flow.vip})
                               : ipv4({.source = flow.client, .destination = flow.vip})) /
               udp({.source = flow.port, .destination = flow.vip_port}) / raw(datagram);
    }
    std::string gets(const BalancedFlow& flow, const Bytes& datagram) {
        return lab_->backend_of(to_balancer() / packet(flow, datagram));
    }
    fw_placed_why why(const BalancedFlow& flow, const Bytes& datagram) {
        return static_cast<fw_placed_why>(lab_->run(to_balancer() / packet(flow, datagram)).trace.placed_why);
    }
    // `backend`: that the id names; "": none.
    void expect_named(const Bytes& datagram, const std::string& backend, const std::string& what) {
        for (const bool ipv6 : {false, true}) {
            const BalancedFlow one = flow(ipv6), other = flow(ipv6);
            EXPECT_EQ(gets(one, datagram), backend.empty() ? lab_->expected("web", one) : backend) << what;
            EXPECT_EQ(why(other, datagram), backend.empty() ? FW_PLACED_BY_RING : FW_PLACED_BY_CONNECTION)
                << what;
        }
    }
    void set_condition(const std::string& backend, std::uint32_t condition) {
        lab_->runner().store().set_condition(lab_->number_of("web", backend), condition);
    }

    std::uint16_t next_port_ = 2000;
};

}  // namespace fwctl::testing
