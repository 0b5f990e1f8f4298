// What becomes of packets by nat and full-nat, beside packets that are made anew with the other ends: whose
// checksums are summed over all that is there, not mended by what has changed.
//
// Other ones than the usual: --gtest_random_seed=N.
#include <fmt/format.h>

#include <array>
#include <random>

#include "balance_lab.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

constexpr int kDraws = 600;

std::uint16_t number_at(const Bytes& bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

void put_number(Bytes& bytes, std::size_t at, std::size_t number) {
    bytes.at(at) = static_cast<std::uint8_t>(number >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(number);
}

struct Drawn {
    BalancedFlow flow;
    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 0;
    Bytes options;  // of IPv4; in IPv6 so many octets in a header of their own, twice
    Bytes tcp_options;
    std::uint32_t sequence = 0;
    Bytes body;

    [[nodiscard]] Bytes frame(const Packet& link) const { return link / network() / transport() / raw(body); }
    [[nodiscard]] std::size_t ports_at(const Bytes& frame) const {
        return frame.size() - transport().bytes().size() - body.size();
    }
    [[nodiscard]] std::size_t checksum_at(const Bytes& frame) const {
        return ports_at(frame) + (flow.protocol == kTcp ? 16 : 6);
    }

private:
    [[nodiscard]] Packet network() const {
        if (!flow.is_ipv6())
            return ipv4({.source = flow.client,
                         .destination = flow.vip,
                         .tos = tos,
                         .ttl = ttl,
                         .id = id,
                         .options = options});
        const Packet header = ipv6({.source = flow.client,
                                    .destination = flow.vip,
                                    .traffic_class = tos,
                                    .flow_label = id,
                                    .hop_limit = ttl});
        return options.empty() ? header : header / destination_options({.size = 2 * options.size()});
    }
    [[nodiscard]] Packet transport() const {
        if (flow.protocol == kUdp) return udp({.source = flow.port, .destination = flow.vip_port});
        if (flow.protocol == kSctp)
            return sctp({.source = flow.port, .destination = flow.vip_port, .tag = sequence});
        return tcp({.source = flow.port,
                    .destination = flow.vip_port,
                    .sequence = sequence,
                    .acknowledgement = ~sequence,
                    .flags = kAck,
                    .options = tcp_options});
    }
};

class BalanceRewriteTest : public BalanceTest {
protected:
    // The service translates so from now on. `port`: of the backend; 0: the packets' own.
    void start(const std::string& forward, std::uint16_t port) {
        is_full_ = forward == "full-nat";
        port_ = port;
        const std::string its = port == 0 ? "" : fmt::format("port = {}\n", port);
        const std::string services = port == 0 ? ", \"sctp/5060\"" : "";  // which keeps its ports
        lab_->start(vip("web",
                        fmt::format("{}service = [\"tcp/80\", \"udp/53\"{}]\nforward = \"{}\"\n", kWebAddress,
                                    services, forward),
                        {"w1"}) +
                    its);
    }

    Drawn draw() {
        Drawn drawn;
        BalancedFlow& flow = drawn.flow;
        flow.protocol = std::array{kTcp, kUdp, kSctp}[below(port_ == 0 ? 3 : 2)];
        flow.vip_port = static_cast<std::uint16_t>(flow.protocol == kTcp   ? 80
                                                   : flow.protocol == kUdp ? 53
                                                                           : 5060);
        flow.port = static_cast<std::uint16_t>(1 + below(65535));
        flow.client = fmt::format("{}.{}.{}.{}", 11 + below(80), below(256), below(256), below(256));
        if (below(2) != 0) {
            flow.client = fmt::format("2001:db8:{:x}::{:x}", 1 + below(65535), 1 + below(65535));
            flow.vip = kVip6;
        }
        drawn.ttl = static_cast<std::uint8_t>(2 + below(254));
        drawn.tos = static_cast<std::uint8_t>(below(256));
        drawn.id = static_cast<std::uint16_t>(below(65536));
        constexpr std::uint8_t kNothing = 1;  // an option, in IPv4 and in TCP
        if (below(3) == 0) drawn.options = Bytes(4 * (1 + below(10)), kNothing);
        if (below(3) == 0) drawn.tcp_options = Bytes(4 * (1 + below(10)), kNothing);
        drawn.sequence = static_cast<std::uint32_t>(random_());
        drawn.body.resize(2 + (below(2) == 0 ? below(8) : below(1200)));
        for (std::uint8_t& octet : drawn.body) octet = static_cast<std::uint8_t>(below(256));
        return drawn;
    }

    // What leaves in its place, of which `sent` says the port of ours.
    Drawn translated(const Drawn& drawn, const Bytes& sent) const {
        Drawn after = drawn;
        BalancedFlow& flow = after.flow;
        const bool is_ipv6 = flow.is_ipv6();
        --after.ttl;
        flow.vip = is_ipv6 ? "fd00:2::11" : "10.2.0.11";
        if (port_ != 0) flow.vip_port = port_;
        if (!is_full_) return after;
        flow.client = is_ipv6 ? kUs6 : kUs;
        if (flow.protocol == kSctp) return after;
        flow.port = number_at(sent, drawn.ports_at(sent));
        EXPECT_GE(flow.port, 16384);
        EXPECT_LE(flow.port, 32767);
        return after;
    }

    Bytes sent(const Bytes& frame) {
        const RunResult result = lab_->run(frame);
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCED);
        EXPECT_EQ(result.action, lab_->sends());
        EXPECT_EQ(result.frame.size(), frame.size());
        return result.frame.size() == frame.size() ? result.frame : frame;
    }
    [[nodiscard]] Packet link_of_sent() const {
        return lab_->is_xdp() ? ethernet({.destination = "02:00:00:00:02:11", .source = kOutMac})
                              : to_balancer();
    }

    void expect_right(const Drawn& drawn, const Drawn& after) {
        EXPECT_EQ(sent(drawn.frame(to_balancer())), after.frame(link_of_sent()));
    }
    // A datagram without a checksum has none afterwards.
    void expect_none(const Drawn& drawn, const Drawn& after) {
        Bytes frame = drawn.frame(to_balancer()), expected = after.frame(link_of_sent());
        put_number(frame, drawn.checksum_at(frame), 0);
        put_number(expected, drawn.checksum_at(frame), 0);
        EXPECT_EQ(sent(frame), expected);
    }
    // One whose sum comes to 0, which in UDP is sent as all ones.
    void expect_zero(Drawn drawn, Drawn after) {
        put_number(after.body, 0, 0);
        const Bytes without = after.frame(link_of_sent());
        put_number(after.body, 0, number_at(without, drawn.checksum_at(without)));
        drawn.body = after.body;
        const Bytes expected = after.frame(link_of_sent());
        EXPECT_EQ(number_at(expected, drawn.checksum_at(expected)), drawn.flow.protocol == kUdp ? 0xffff : 0);
        EXPECT_EQ(sent(drawn.frame(to_balancer())), expected);
    }
    // What was wrong is wrong by as much.
    void expect_wrong(const Drawn& drawn, const Drawn& after) {
        constexpr std::size_t kOnes = 0xffff;
        Bytes frame = drawn.frame(to_balancer()), expected = after.frame(link_of_sent());
        const std::size_t at = drawn.checksum_at(frame), right = number_at(frame, at),
                          wrong = 1 + below(kOnes - 1);
        put_number(frame, at, wrong);
        const std::size_t wanted = (number_at(expected, at) + wrong + kOnes - right % kOnes) % kOnes;
        Bytes result = sent(frame);
        EXPECT_EQ(number_at(result, at) % kOnes, wanted);
        put_number(result, at, 0);
        put_number(expected, at, 0);
        EXPECT_EQ(result, expected);
    }

    std::uint32_t below(std::size_t count) { return static_cast<std::uint32_t>(random_() % count); }

private:
    std::mt19937 random_{static_cast<unsigned>(GTEST_FLAG_GET(random_seed)) + 11};
    bool is_full_ = false;
    std::uint16_t port_ = 0;
};
FWCTL_ON_BOTH_HOOKS(BalanceRewriteTest);

TEST_P(BalanceRewriteTest, IsAsIfMadeAnew) {
    for (const char* forward : {"nat", "full-nat"})
        for (const std::uint16_t port : {0, 8080}) {
            start(forward, port);
            for (int i = 0; i < rounds(kDraws) && !HasFailure(); ++i) {
                const Drawn drawn = draw();
                const BalancedFlow& flow = drawn.flow;
                SCOPED_TRACE(fmt::format("{} {} {}: {} {} {}", forward, port, i, flow.protocol, flow.client,
                                         flow.port));
                const Drawn after = translated(drawn, sent(drawn.frame(to_balancer())));
                expect_right(drawn, after);
                if (flow.protocol == kSctp) continue;
                expect_zero(drawn, after);
                expect_wrong(drawn, after);
                if (flow.protocol == kUdp) expect_none(drawn, after);
            }
        }
}

}  // namespace
}  // namespace fwctl::testing
