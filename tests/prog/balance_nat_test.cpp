// What is translated in TC while the device has summed over the packet (CHECKSUM_COMPLETE): else the kernel
// that the packet comes to next complains of the hardware, and sums again.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>

#include "balance_lab.h"

namespace fwctl::testing {
namespace {

// BPF_F_TEST_SKB_CHECKSUM_COMPLETE, since Linux 6.16: BPF_PROG_TEST_RUN answers EBADMSG where the sum is not
// that of the packet any more.
constexpr std::uint32_t kSummed = 1U << 2;

class BalanceNatTest : public BalanceTest {
protected:
    // What the kernel says of the packet, where it is sent: 0 or an error.
    int run_summed(const Bytes& frame) {
        Bytes out(frame.size() + 256);
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        options.data_out = out.data();
        options.data_size_out = static_cast<std::uint32_t>(out.size());
        options.flags = kSummed;
        const int error = bpf_prog_test_run_opts(lab_->runner().program_fd(), &options);
        EXPECT_TRUE(error != 0 || static_cast<int>(options.retval) == kTcRedirect);
        return error;
    }
};
INSTANTIATE_TEST_SUITE_P(Hooks, BalanceNatTest, ::testing::Values(Hook::kTcIn), hook_name);

TEST_P(BalanceNatTest, TheDevicesSumStaysRight) {
    for (const char* forward : {"nat", "full-nat"}) {
        lab_->start(vip("web",
                        fmt::format("{}service = [\"tcp/80\", \"udp/53\", \"sctp/5060\"]\nforward = \"{}\"\n",
                                    kWebAddress, forward),
                        {"w1"}));
        if (run_summed(frame_of({})) == -EINVAL) GTEST_SKIP() << "before 6.16 it cannot be asked";
        for (const std::uint8_t protocol : {kTcp, kUdp, kSctp})
            for (const bool is_ipv6 : {false, true}) {
                BalancedFlow flow{.protocol = protocol};
                flow.vip_port = static_cast<std::uint16_t>(protocol == kTcp   ? 80
                                                           : protocol == kUdp ? 53
                                                                              : 5060);
                if (is_ipv6) flow.client = kClient6;
                if (is_ipv6) flow.vip = kVip6;
                for (const std::size_t size : {0U, 11U, 500U})
                    EXPECT_EQ(run_summed(frame_of(flow, kSyn, size)), 0)
                        << forward << " " << +protocol << " " << flow.client << " " << size;
            }
        const Packet head = ipv6({.source = kClient6, .destination = kVip6});
        const auto parts = [&](const Packet& part) { return run_summed(to_balancer() / part); };
        EXPECT_EQ(parts(head / fragment({.more = true, .id = 7}) / udp({.source = 7, .destination = 53}) /
                        payload(504)),
                  0);
        EXPECT_EQ(parts(head / fragment({.next_header = kUdp, .offset = 64, .id = 7}) / payload(99)), 0);
    }
}

// With full-nat nothing is told of a flow that is not known: here there are none.
TEST_P(BalanceNatTest, TheDevicesSumStaysRightInErrors) {
    lab_->start(vip("web", kWebAddress + "service = \"tcp/80\"\nforward = \"nat\"\n", {"w1"}));
    if (run_summed(frame_of({})) == -EINVAL) GTEST_SKIP() << "before 6.16 it cannot be asked";
    const Packet segment = tcp({.source = 80, .destination = 2000, .flags = kAck});
    for (const char* sender : {"192.0.2.99", kClient.c_str()}) {
        const Ipv4 outer{.source = sender, .destination = kVip};
        EXPECT_EQ(run_summed(to_balancer() / ipv4(outer) / icmp({.type = 3, .code = 4, .rest = 1400}) /
                             ipv4({.source = kVip, .destination = kClient}) / segment / payload(31)),
                  0)
            << sender;
    }
    for (const char* sender : {"2001:db8:99::99", kClient6.c_str()}) {
        const Ipv6 outer{.source = sender, .destination = kVip6};
        EXPECT_EQ(run_summed(to_balancer() / ipv6(outer) / icmpv6({.type = 2, .code = 0, .rest = 1400}) /
                             ipv6({.source = kVip6, .destination = kClient6}) / segment / payload(31)),
                  0)
            << sender;
    }
}

}  // namespace
}  // namespace fwctl::testing
