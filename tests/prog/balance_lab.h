// A balancer between clients at `in` and backends behind `out`, in a network namespace of its own:
// interfaces, routes and neighbours are real, packets go through BPF_PROG_TEST_RUN, the clock stands until it
// is set.
//
// Promises: loaded once for each hook; start() forgets services and flows of the test before. What is
// expected of the ring's hash and of the table of flows is worked out from include/fwctl/abi/service.h alone.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet_builder.h"
#include "policy/model.h"
#include "program_runner.h"

namespace fwctl::testing {

inline constexpr int kXdpDrop = 1;
inline constexpr int kXdpPass = 2;
inline constexpr int kXdpTx = 3;
inline constexpr int kXdpRedirect = 4;
inline constexpr int kTcPass = -1;
inline constexpr int kTcShot = 2;
inline constexpr int kTcRedirect = 7;

inline const std::string kInMac = "02:00:00:00:01:01";
inline const std::string kClientMac = "02:00:00:00:01:02";
inline const std::string kOutMac = "02:00:00:00:02:01";
inline const std::string kVip = "203.0.113.10";
inline const std::string kVip6 = "2001:db8:10::10";
inline const std::string kClient = "198.51.100.7";
inline const std::string kClient6 = "2001:db8:7::7";
inline const std::string kUs = "10.2.0.1";  // on `out`
inline const std::string kUs6 = "fd00:2::1";

struct BalancedFlow {
    std::string client = kClient;
    std::string vip = kVip;
    std::uint16_t port = 40000;
    std::uint16_t vip_port = 80;
    std::uint8_t protocol = kTcp;
    [[nodiscard]] bool is_ipv6() const { return client.find(':') != std::string::npos; }
};

// A frame of the flow; `flags` of TCP.
Bytes frame_of(const BalancedFlow& flow, std::uint8_t flags = kSyn, std::size_t size = 10);
// From layer 3 on.
Packet packet_of(const BalancedFlow& flow, std::uint8_t flags = kSyn, std::size_t size = 10);
Packet to_balancer();

// "[vip.web] …": `fields` as the policy has them; a backend is "w3", "w3 drain" or "w3 maint": wN is at
// 10.2.0.1N and fd00:2::1N, whose MAC addresses end with 1N. `addresses`: of backends, by family; 0 is both.
std::string vip(const std::string& name, const std::string& fields, const std::vector<std::string>& backends,
                int family = 0);
inline const std::string kWebAddress = "address = [\"203.0.113.10\", \"2001:db8:10::10\"]\n";
inline const std::string kWebFields = kWebAddress +
                                      "service = [\"tcp/80\", \"udp/53\", \"sctp/5060\"]\n"
                                      "forward = \"ipip\"\n";

// An entry of the table of placed flows.
struct PlacedEntry {
    unsigned way = 0;
    std::uint32_t backend = 0;
    bool closing = false;
    std::uint32_t time = 0;
};

class Lab {
public:
    // Made by the first test that asks. Enters its network namespace.
    static Lab& at(Hook hook);

    // Forgets all, then applies the policy. `text` is without its version.
    void start(const std::string& text);
    // The next policy.
    void apply(const std::string& text);

    RunResult run(const Bytes& frame);
    // The backend's name without its vip's, "w1"; "": none. Expects the packet to be balanced, or dropped for
    // want of a backend.
    std::string backend_of(const Bytes& frame);

    void wait(std::uint32_t ticks);
    [[nodiscard]] std::uint32_t now() const;  // in ticks

    // What the ring holds for the flow: of the policy in force, or of another one.
    std::string expected(const std::string& vip, const BalancedFlow& flow) const {
        return expected(policy_, vip, flow);
    }
    static std::string expected(const policy::Policy& policy, const std::string& vip,
                                const BalancedFlow& flow);
    // The first source port from `first` on whose slot holds that backend.
    std::uint16_t port_for(const std::string& vip, BalancedFlow flow, const std::string& backend,
                           std::uint16_t first = 1024) const;

    std::optional<PlacedEntry> entry_of(const BalancedFlow& flow);
    // Writes into the line of that flow: an entry of somebody else's.
    void plant(const BalancedFlow& flow, unsigned way, const std::string& backend, std::uint32_t time);
    // Of those that plant() wrote: whether it stands there still.
    bool stands(const BalancedFlow& flow, unsigned way, const std::string& backend, std::uint32_t time);

    // What health checks would have found out of it. All are up when a test starts.
    void set_down(const std::string& vip, const std::string& backend);

    [[nodiscard]] bool is_xdp() const { return hook_ == Hook::kXdp; }
    [[nodiscard]] int passes() const { return is_xdp() ? kXdpPass : kTcPass; }
    [[nodiscard]] int drops() const { return is_xdp() ? kXdpDrop : kTcShot; }
    [[nodiscard]] int sends() const { return is_xdp() ? kXdpRedirect : kTcRedirect; }
    [[nodiscard]] int answers() const { return is_xdp() ? kXdpTx : kTcRedirect; }
    [[nodiscard]] ProgramRunner& runner() { return *runner_; }
    [[nodiscard]] int map(const std::string& name) const;
    [[nodiscard]] int ifindex() const { return ifindex_; }  // of `in`
    std::uint32_t number_of(const std::string& vip, const std::string& backend);

private:
    explicit Lab(Hook hook);
    Lab(const Lab&) = delete;
    void clear_table();
    [[nodiscard]] std::array<std::uint64_t, 8> line_of(const BalancedFlow& flow, std::uint32_t* tag) const;
    void write_line(const BalancedFlow& flow, const std::array<std::uint64_t, 8>& words);

    Hook hook_;
    int namespace_ = -1;
    int ifindex_ = 0;
    std::optional<ProgramRunner> runner_;
    policy::Policy policy_;
    std::uint64_t clock_ = 0;
};

void shell(const std::string& command);
// `text` is without its version.
policy::Policy policy_of(const std::string& text);

// Each test on both hooks.
class BalanceTest : public ::testing::TestWithParam<Hook> {
protected:
    void SetUp() override { lab_ = &Lab::at(GetParam()); }

    void expect_left_alone(const Bytes& frame, const std::string& what) {
        const RunResult result = lab_->run(frame);
        EXPECT_EQ(result.action, lab_->passes()) << what;
        EXPECT_NE(result.trace.reason, FW_REASON_BALANCED) << what;
        EXPECT_EQ(result.frame, frame) << what;
    }
    void expect_reason(const Bytes& frame, fw_reason reason, const std::string& what) {
        EXPECT_EQ(lab_->run(frame).trace.reason, reason) << what;
    }

    Lab* lab_ = nullptr;
};

inline std::string hook_name(const ::testing::TestParamInfo<Hook>& hook) {
    return hook.param == Hook::kXdp ? "Xdp" : "TcIn";
}
#define FWCTL_ON_BOTH_HOOKS(suite) \
    INSTANTIATE_TEST_SUITE_P(Hooks, suite, ::testing::Values(Hook::kXdp, Hook::kTcIn), hook_name)

}  // namespace fwctl::testing
