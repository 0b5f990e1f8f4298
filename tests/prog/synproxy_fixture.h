// What the tests of action synproxy share: the frames of a client and of its server, and a connection between
// two attachments on the same flows.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "packet_builder.h"
#include "policy/model.h"
#include "program_runner.h"

namespace fwctl::testing {

inline constexpr int kXdpDrop = 1;
inline constexpr int kXdpTx = 3;
inline constexpr int kTcPass = -1;
inline constexpr int kTcShot = 2;
inline constexpr int kTcRedirect = 7;

inline constexpr std::uint32_t kClientStart = 0x10000000;
inline constexpr std::uint32_t kServerStart = 0xfffffff0;  // so that numbers go around
inline constexpr std::uint32_t kClientTime = 7000;
inline constexpr std::uint32_t kServerTime = 0xffffff00;
inline constexpr std::uint8_t kClientScale = 9;
inline constexpr std::uint8_t kServerScale = 6;
inline constexpr std::uint8_t kOurScale = 7;

struct Family {
    const char* name;
    bool is_ipv6;
    std::size_t link;  // bytes in front of the TCP header
};
inline constexpr Family kFamilies[] = {{"IPv4", false, 14 + 20}, {"IPv6", true, 14 + 40}};

void put(Bytes& to, std::uint32_t number);
std::uint32_t word(const Bytes& frame, std::size_t at);

// MSS, SACK permitted with a timestamp, scale: what Linux sends, in its order.
Bytes syn_options(std::uint16_t mss, bool sack, std::optional<std::pair<std::uint32_t, std::uint32_t>> times,
                  std::optional<std::uint8_t> scale);
// A timestamp alone.
Bytes stamps(std::uint32_t own, std::uint32_t echo);

// The timestamp that a client gets.
constexpr std::uint32_t time_of(std::uint16_t mss, bool sack, std::uint8_t scale) {
    return static_cast<std::uint32_t>(mss) << 16 | (sack ? 16U : 0U) | scale;
}

// Of tcp/80, for what comes in.
policy::Rule synproxy();

Packet to_server(const Family& family, const Packet& link = ethernet());
// As we answer, and as the server's packets leave.
Packet to_client(const Family& family, const std::optional<Vlan>& tag = {});

// The attachment at the client's side is `runner_` and `out_`.
class ProxiedConnection : public ::testing::TestWithParam<Family> {
protected:
    void SetUp() override;  // with the rule synproxy()

    // At both attachments.
    void set_rule(const policy::Rule& rule);

    static RunResult run(const kernel::Object& object, const Bytes& frame);
    RunResult from_client(const Bytes& frame);

    static Bytes client_frame(const Tcp& segment, std::size_t octets = 0);
    static Bytes server_frame(Tcp segment, std::size_t octets = 0);

    // The SYN; answers with the cookie.
    std::uint32_t ask(const Bytes& options);
    // The ACK, which becomes the SYN to the server.
    void expect_syn(std::uint32_t sequence, std::uint32_t cookie, const Bytes& options, std::size_t octets,
                    std::uint16_t window, const Bytes& syn);
    // Up to the server's SYN-ACK, which is seen where it comes in from the server: that opens the flow.
    void open_connection(std::optional<std::uint8_t> server_scale = kServerScale);
    // The same in two steps.
    void bring_cookie();
    void answer_as_server(std::optional<std::uint8_t> server_scale = kServerScale);

    std::optional<ProgramRunner> runner_;
    std::optional<kernel::Object> out_;
    std::optional<kernel::Object> server_in_;
    std::optional<kernel::Object> server_out_;
    std::uint32_t slot_ = 0;
    std::uint32_t cookie_ = 0;
    std::uint32_t given_ = 0;  // the timestamp that the client got
    std::uint32_t shift_ = 0;
    std::uint32_t time_shift_ = 0;

private:
    void open(std::optional<kernel::Object>& object, kernel::ProgramKind kind, std::uint32_t slot) const;
};

}  // namespace fwctl::testing
