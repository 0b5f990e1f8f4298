// Checks by TCP, UDP and ping against servers on the loopback interface.
#include "agent/socket_probe.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "checker_fixture.h"
#include "servers.h"

namespace fwctl::agent {
namespace {

using policy::HealthKind;

class SocketProbeTest : public CheckerTest, public ::testing::WithParamInterface<Family> {};
INSTANTIATE_TEST_SUITE_P(, SocketProbeTest, ::testing::Values(Family::kIpv4, Family::kIpv6), family_name);

TEST_P(SocketProbeTest, AConnectionIsGood) {
    TcpServer server(GetParam(), [](Fd) {});
    const Target target = target_of(HealthKind::kTcp, GetParam(), server.port());
    EXPECT_EQ(check(target), up(target, "connected"));
}

TEST_P(SocketProbeTest, ARefusedConnectionIsBad) {
    const BoundSocket closed(GetParam(), SOCK_STREAM);  // nobody else gets the port
    const Target target = target_of(HealthKind::kTcp, GetParam(), closed.port());
    EXPECT_EQ(check(target), down(target, "connection refused"));
}

TEST_P(SocketProbeTest, AServerThatAcceptsNothingIsSilent) {
    const BoundSocket server(GetParam(), SOCK_STREAM);
    ASSERT_EQ(listen(server.get(), 0), 0);
    // They fill the queue of what is to be accepted; further SYNs are dropped.
    const Target target = target_of(HealthKind::kTcp, GetParam(), server.port());
    auto poller = Poller::create();
    ASSERT_TRUE(poller);
    std::vector<std::unique_ptr<Probe>> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(start_tcp(**poller, target, [](const Outcome&) {}));
    EXPECT_EQ(check_in_vain(target), down(target, "no answer within 1s"));
}

// A UDP socket with one answer to each datagram that it gets.
class UdpServer {
public:
    UdpServer(Family family, std::string answer) : socket_(family, SOCK_DGRAM) {
        thread_ = std::thread([this, answer = std::move(answer)] {
            char got[2048];
            sockaddr_storage from{};
            socklen_t length = sizeof(from);
            auto* address = reinterpret_cast<sockaddr*>(&from);
            while (true) {
                const ssize_t size = recvfrom(socket_.get(), got, sizeof(got), 0, address, &length);
                if (stop_ || size < 0) return;
                heard.add(std::string(got, static_cast<std::size_t>(size)));
                sendto(socket_.get(), answer.data(), answer.size(), 0, address, length);
            }
        });
    }
    ~UdpServer() {
        stop_ = true;
        shutdown(socket_.get(), SHUT_RDWR);
        thread_.join();
    }
    [[nodiscard]] std::uint16_t port() const { return socket_.port(); }
    Heard heard;

private:
    BoundSocket socket_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

TEST_P(SocketProbeTest, AnAnswerToADatagramIsGood) {
    UdpServer server(GetParam(), "pong");
    Target target = target_of(HealthKind::kUdp, GetParam(), server.port());
    target.health.payload = std::string("ping\0", 5);
    target.health.answer = "on";
    EXPECT_EQ(check(target), up(target, "answered"));
    EXPECT_EQ(server.heard.all(), std::vector<std::string>{std::string("ping\0", 5)});
}

TEST_P(SocketProbeTest, AnotherAnswerThanExpectedIsBad) {
    UdpServer server(GetParam(), "gone");
    Target target = target_of(HealthKind::kUdp, GetParam(), server.port());
    target.health.answer = "pong";
    EXPECT_EQ(check(target), down(target, "another answer"));
}

TEST_P(SocketProbeTest, AnyAnswerIsGoodWhereNoneIsExpected) {
    UdpServer server(GetParam(), "whatever");
    const Target target = target_of(HealthKind::kUdp, GetParam(), server.port());
    EXPECT_EQ(check(target), up(target, "answered"));
}

TEST_P(SocketProbeTest, ARefusedDatagramIsBad) {
    // Connected to itself, it takes datagrams of no other.
    const BoundSocket closed(GetParam(), SOCK_DGRAM);
    sockaddr_storage own{};
    socklen_t length = sizeof(own);
    ASSERT_EQ(getsockname(closed.get(), reinterpret_cast<sockaddr*>(&own), &length), 0);
    ASSERT_EQ(connect(closed.get(), reinterpret_cast<sockaddr*>(&own), length), 0);
    const Target target = target_of(HealthKind::kUdp, GetParam(), closed.port());
    EXPECT_EQ(check(target), down(target, "connection refused"));
}

TEST_P(SocketProbeTest, SilenceToADatagramIsBadWhereAnAnswerIsExpected) {
    const BoundSocket silent(GetParam(), SOCK_DGRAM);
    Target target = target_of(HealthKind::kUdp, GetParam(), silent.port());
    target.health.answer = "";
    target.health.timeout = milliseconds(1500);
    EXPECT_EQ(check_in_vain(target), down(target, "no answer within 1s500ms"));
}

TEST_P(SocketProbeTest, SilenceToADatagramIsGoodWhereNoAnswerIsExpected) {
    const BoundSocket silent(GetParam(), SOCK_DGRAM);
    const Target target = target_of(HealthKind::kUdp, GetParam(), silent.port());
    EXPECT_EQ(check_in_vain(target), up(target, "not refused within 1s"));
}

TEST_P(SocketProbeTest, AnEchoIsGood) {
    if (!Fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP))) GTEST_SKIP() << "ping needs CAP_NET_RAW";
    const Target target = target_of(HealthKind::kPing, GetParam(), 0);
    EXPECT_EQ(check(target), up(target, "answered"));
}

// Each echo has its own answer, though all sockets see all of them.
TEST_P(SocketProbeTest, EchosOfManyTargetsAreToldApart) {
    if (!Fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP))) GTEST_SKIP() << "ping needs CAP_NET_RAW";
    std::vector<Target> targets(50, target_of(HealthKind::kPing, GetParam(), 0));
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i].id.backend = std::to_string(i);
    checker_->set_targets(targets);
    std::vector<Event> events = begin_checks(targets);
    while (events.size() < targets.size()) {
        const auto more = wait_for_events();
        ASSERT_FALSE(more.empty());
        events.insert(events.end(), more.begin(), more.end());
    }
    EXPECT_TRUE(std::all_of(events.begin(), events.end(),
                            [](const Event& event) { return event.kind == Event::Kind::kUp; }));
}

// Enters a network namespace of this thread's own, where the loopback interface is up and echo requests are
// not answered.
bool enter_silence() {
    if (unshare(CLONE_NEWNET) != 0) return false;
    const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return false;
    std::ofstream("/proc/sys/net/ipv4/icmp_echo_ignore_all") << 1 << std::flush;
    std::ofstream("/proc/sys/net/ipv6/icmp/echo_ignore_all") << 1 << std::flush;
    return true;
}

// Neither its own request, which comes by there, nor a reply to somebody else is an answer.
TEST_P(SocketProbeTest, OnlyTheReplyToTheRequestIsAnEcho) {
    bool entered = false;
    std::thread([&] {
        entered = enter_silence();
        if (!entered) return;
        const bool ipv4 = GetParam() == Family::kIpv4;
        const Target target = target_of(HealthKind::kPing, GetParam(), 0);
        checker_->set_targets({target});
        EXPECT_EQ(begin_checks({target}), std::vector<Event>{});
        const Fd other = connected_socket(target, SOCK_RAW, ipv4 ? int(IPPROTO_ICMP) : int(IPPROTO_ICMPV6));
        std::array<std::uint8_t, 16> reply{};
        reply[0] = ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
        EXPECT_EQ(send(other.get(), reply.data(), reply.size(), 0), 16);
        EXPECT_EQ(checker_->run_once(milliseconds(50)), std::vector<Event>{});
        EXPECT_EQ(checker_->run_once(milliseconds(50)), std::vector<Event>{});
        now_ += target.health.timeout;
        EXPECT_EQ(checker_->run_once(milliseconds(0)),
                  std::vector<Event>{down(target, "no answer within 1s")});
    }).join();
    if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
}

TEST_P(SocketProbeTest, AnAddressWithoutAWayIsBad) {
    // Multicast: TCP has no way to it on any machine.
    Target target = target_of(HealthKind::kTcp, GetParam(), 80);
    const bool ipv4 = GetParam() == Family::kIpv4;
    target.id.address = policy::parse_prefix(ipv4 ? "224.0.0.1" : "ff02::1").value();
    EXPECT_EQ(check(target), down(target, "network is unreachable"));
}

// A limit of the agent's own says nothing of its targets.
TEST_P(SocketProbeTest, WithoutDescriptorsATargetStaysWhatItWas) {
    TcpServer server(GetParam(), [](Fd) {});
    const Target target = target_of(HealthKind::kTcp, GetParam(), server.port());
    EXPECT_EQ(check(target), up(target, "connected"));

    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{3, limit.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto unable = begin_checks({target});
    const auto again = begin_checks({target});
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const Event wanted{target.id, Event::Kind::kUnable, "too many open files"};
    EXPECT_EQ(unable, std::vector<Event>{wanted});
    EXPECT_EQ(again, std::vector<Event>{});

    EXPECT_EQ(wait_for_events(begin_checks({target})), std::vector<Event>{up(target, "connected")});
}

}  // namespace
}  // namespace fwctl::agent
