// Rules with a rate, by a clock that the tests set.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "packet_builder.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "program_runner.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using policy::Rule;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1000 * kSecond;

Rule rule(const std::string& name, policy::Action action, const std::string& service,
          const std::string& rate) {
    Rule made;
    made.name = name;
    made.action = action;
    made.services = {policy::parse_service(service).value()};
    if (!rate.empty()) made.rate = policy::parse_rate(rate).value();
    return policy::canonical(made);
}

Rule limit(const std::string& service, const std::string& rate) {
    return rule("limit", policy::Action::kDeny, service, rate);
}

// One program that goes by a clock, at first the same as ever.
class Program {
public:
    static Result<Program> make(Hook hook = Hook::kXdp, bool rehearses = true) {
        Station station;
        station.rehearses = rehearses;
        auto runner = ProgramRunner::load(hook, FW_LINK_ETHERNET, "eth0", station);
        if (!runner) return tl::unexpected(runner.error());
        Program program(std::move(*runner));
        if (auto set = program.wait(kStart); !set) return tl::unexpected(set.error());
        return program;
    }

    Status wait(std::uint64_t nanoseconds) {
        now_ += nanoseconds;
        return runner_.set_clock(now_);
    }

    // How many of so many packets are dropped.
    int dropped(const Bytes& frame, int count = 1) {
        int dropped = 0;
        for (int i = 0; i < count; ++i)
            dropped += runner_.run(frame)->trace.reason == FW_REASON_RULE_DENY ? 1 : 0;
        return dropped;
    }

    ProgramRunner& runner() { return runner_; }

private:
    explicit Program(ProgramRunner runner) : runner_(std::move(runner)) {}

    ProgramRunner runner_;
    std::uint64_t now_ = 0;
};

Bytes from(const std::string& source, std::uint16_t port = 53) {
    return ethernet() / ipv4({.source = source}) / udp({.destination = port});
}

Bytes from6(const std::string& source) {
    return ethernet() / ipv6({.source = source}) / udp();
}

TEST(RateTest, OverMatchesWhatFindsNoToken) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({limit("udp", "over 10/second burst 5")}));
    const Bytes frame = from("192.0.2.1");
    EXPECT_EQ(program->dropped(frame, 20), 15);
    ASSERT_TRUE(program->wait(kSecond / 10));
    EXPECT_EQ(program->dropped(frame, 3), 2) << "a tenth of a second is a token";
    ASSERT_TRUE(program->wait(kSecond / 10 - 1));
    EXPECT_EQ(program->dropped(frame), 1) << "a nanosecond less is none";
    ASSERT_TRUE(program->wait(1));
    EXPECT_EQ(program->dropped(frame), 0);
    ASSERT_TRUE(program->wait(3600 * kSecond));
    EXPECT_EQ(program->dropped(frame, 20), 15) << "a bucket holds no more than its burst";
    EXPECT_EQ(program->dropped(ethernet() / ipv4() / tcp(), 20), 0);
}

TEST(RateTest, UnderMatchesWhatFindsOneAndTakesIt) {
    auto program = Program::make(Hook::kTcIn);
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({rule("few", policy::Action::kAllow, "udp", "under 2/minute"),
                                             rule("rest", policy::Action::kDeny, "udp", "")}));
    const Bytes frame = from("192.0.2.1");
    EXPECT_EQ(program->dropped(frame, 10), 8);
    ASSERT_TRUE(program->wait(30 * kSecond));
    EXPECT_EQ(program->dropped(frame, 10), 9);
}

TEST(RateTest, RulesWithoutADirectionAreForIngress) {
    auto program = Program::make(Hook::kTcOut);
    ASSERT_TRUE(program) << program.error().message;
    Rule out = limit("udp", "over 1/hour");
    ASSERT_TRUE(program->runner().set_rules({out}));
    EXPECT_EQ(program->dropped(from("192.0.2.1"), 10), 0);
    out.direction = policy::Direction::kOut;
    ASSERT_TRUE(program->runner().set_rules({out}));
    EXPECT_EQ(program->dropped(from("192.0.2.1"), 10), 9);
}

TEST(RateTest, NoTokenIsTakenWhereARuleBeforeDecides) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    Rule friends = rule("friends", policy::Action::kAllow, "udp", "");
    friends.from.prefixes = {{policy::Family::kIpv4, 32, {10, 0, 0, 1}}};
    ASSERT_TRUE(program->runner().set_rules({friends, limit("udp", "over 1/minute burst 3")}));
    EXPECT_EQ(program->dropped(from("10.0.0.1"), 10), 0);
    EXPECT_EQ(program->dropped(from("10.0.0.2"), 10), 7);
}

TEST(RateTest, SourcesAreMasked) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({limit("udp", "over 1/minute burst 3 per source/24")}));
    EXPECT_EQ(program->dropped(from("10.0.0.1"), 3), 0);
    EXPECT_EQ(program->dropped(from("10.0.0.255"), 1), 1);
    EXPECT_EQ(program->dropped(from("10.0.1.0"), 3), 0);
    EXPECT_EQ(program->dropped(from6("2001:db8::1"), 3), 0);
    EXPECT_EQ(program->dropped(from6("2001:db8::ffff:0:0:1"), 1), 1) << "of the same /64";
    EXPECT_EQ(program->dropped(from6("2001:db8:0:1::1"), 3), 0);
}

TEST(RateTest, FlowsAreTheSameBothWays) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({limit("any", "over 1/minute burst 3 per flow")}));
    const auto between = [](const char* one, std::uint16_t port, const char* other,
                            std::uint16_t to) -> Bytes {
        return ethernet() / ipv4({.source = one, .destination = other}) /
               udp({.source = port, .destination = to});
    };
    EXPECT_EQ(program->dropped(between("10.0.0.1", 1000, "10.0.0.2", 53), 2), 0);
    EXPECT_EQ(program->dropped(between("10.0.0.2", 53, "10.0.0.1", 1000), 2), 1);
    EXPECT_EQ(program->dropped(between("10.0.0.2", 1000, "10.0.0.1", 53), 3), 0)
        << "ports belong to their ends";
    EXPECT_EQ(program->dropped(between("10.0.0.1", 1001, "10.0.0.2", 53), 3), 0);
}

TEST(RateTest, BytesAreThoseFromLayer3On) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({limit("udp", "over 1000/second burst 1000 bytes")}));
    Bytes frame = from("192.0.2.1");
    frame.resize(14 + 300);
    EXPECT_EQ(program->dropped(frame, 3), 0);
    EXPECT_EQ(program->dropped(frame), 1) << "100 bytes are left";
    frame.resize(14 + 100);
    EXPECT_EQ(program->dropped(frame), 0);
    frame.resize(14 + 1001);
    ASSERT_TRUE(program->wait(100 * kSecond));
    EXPECT_EQ(program->dropped(frame), 1) << "longer than the burst";
}

TEST(RateTest, BucketsSurviveEditsOfOtherRulesAndBeginAnewWithAnotherRate) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    const Bytes frame = from("192.0.2.1");
    for (const char* per : {"", " per source"}) {
        const Rule slow = limit("udp", std::string("over 1/hour burst 3") + per);
        ASSERT_TRUE(program->runner().set_rules({slow}));
        EXPECT_EQ(program->dropped(frame, 5), 2) << per;
        ASSERT_TRUE(program->runner().set_rules({slow, rule("other", policy::Action::kDeny, "tcp/9", "")}));
        EXPECT_EQ(program->dropped(frame, 5), 5) << per;
        ASSERT_TRUE(program->runner().set_rules({limit("udp", std::string("over 2/hour burst 4") + per)}));
        EXPECT_EQ(program->dropped(frame, 5), 1) << per;
    }
}

// A drained bucket is not lost to sources that send a packet each, however many there are.
TEST(RateTest, SpoofedSourcesTakeThePlacesOfTheFullest) {
    auto program = Program::make();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_TRUE(program->runner().set_rules({limit("udp", "over 1/hour burst 3 per source")}));
    std::vector<std::string> drained;
    for (int i = 0; i < 50; ++i) drained.push_back(fmt::format("192.0.2.{}", i));
    for (const std::string& source : drained) ASSERT_EQ(program->dropped(from(source), 4), 1);
    Bytes frame = from("10.0.0.0");
    // Two or three for each line: a fifth of the lines of those above overflow.
    const int kSources = rounds(300'000);
    for (int i = 0; i < kSources; ++i) {
        const std::uint32_t address = 0x0a000000U + static_cast<std::uint32_t>(i);
        for (int byte = 0; byte < 4; ++byte)
            frame[26 + static_cast<std::size_t>(byte)] =
                static_cast<std::uint8_t>(address >> (24 - 8 * byte));
        ASSERT_TRUE(program->runner().run(frame));
    }
    for (const std::string& source : drained) EXPECT_EQ(program->dropped(from(source), 1), 1) << source;
}

// --- random rules
// -------------------------------------------------------------------------------------------

constexpr std::uint32_t kThreads = 4;

// Sends so many packets from each of several processors at once, as often as `again` says so.
void send_side_by_side(const ProgramRunner& runner, const Bytes& frame, std::uint32_t count,
                       const std::function<bool()>& again) {
    std::atomic<std::uint32_t> ready = 0;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            cpu_set_t cpus;
            CPU_ZERO(&cpus);
            CPU_SET(i % std::thread::hardware_concurrency(), &cpus);
            (void)sched_setaffinity(0, sizeof(cpus), &cpus);
            bpf_test_run_opts options{};
            options.sz = sizeof(options);
            options.data_in = frame.data();
            options.data_size_in = static_cast<std::uint32_t>(frame.size());
            options.repeat = static_cast<int>(count);
            for (++ready; ready < kThreads;) std::this_thread::yield();
            do {
                EXPECT_EQ(bpf_prog_test_run_opts(runner.program_fd(), &options), 0);
            } while (again());
        });
    for (std::thread& thread : threads) thread.join();
}

std::uint64_t packets_of(const ProgramRunner& runner, const std::string& name) {
    for (const engine::CountedRule& counted : runner.state().front_rules())
        if (counted.rule.name == name)
            return runner.store().rule_counts({&counted.counter, 1})->front().packets;
    return 0;
}

// One more for each processor but one may be given, but not each time anew: what was too much is owed.
TEST(RateTest, ProcessorsShareABucketToTheToken) {
    constexpr std::uint64_t kRate = 20'000;
    for (const char* per : {"", " per source", " per flow"}) {
        auto program = Program::make();
        ASSERT_TRUE(program) << program.error().message;
        const Rule few =
            rule("few", policy::Action::kAllow, "udp", fmt::format("under {}/second{}", kRate, per));
        ASSERT_TRUE(program->runner().set_rules({few, rule("rest", policy::Action::kDeny, "udp", "")}));
        for (std::uint64_t second = 1; second <= 5; ++second) {
            send_side_by_side(program->runner(), from("192.0.2.1"), kRate / 2, [] { return false; });
            const std::uint64_t given = packets_of(program->runner(), "few");
            EXPECT_GE(given, second * kRate) << per;
            EXPECT_LE(given, second * kRate + kThreads - 1) << per;
            ASSERT_TRUE(program->wait(kSecond));
        }
        EXPECT_EQ(packets_of(program->runner(), "few") + packets_of(program->runner(), "rest"),
                  5 * kThreads * kRate / 2);
    }
}

TEST(RateTest, NoMoreThanTheRateIsGivenByTheKernelsClock) {
    constexpr std::uint64_t kRate = 50'000;
    constexpr std::uint64_t kBurst = 100;
    auto program = Program::make(Hook::kTcIn, false);
    ASSERT_TRUE(program) << program.error().message;
    const std::string rate = fmt::format("under {}/second burst {} per source", kRate, kBurst);
    ASSERT_TRUE(program->runner().set_rules(
        {rule("few", policy::Action::kAllow, "udp", rate), rule("rest", policy::Action::kDeny, "udp", "")}));
    const std::uint64_t begin = engine::monotonic_now();
    send_side_by_side(program->runner(), from("192.0.2.1"), 1000,
                      [&] { return engine::monotonic_now() - begin < kSecond; });
    const std::uint64_t most = kBurst + kRate * (engine::monotonic_now() - begin) / kSecond + kThreads;
    EXPECT_GT(packets_of(program->runner(), "few"), kBurst);
    EXPECT_LE(packets_of(program->runner(), "few"), most);
    EXPECT_GT(packets_of(program->runner(), "rest"), 0U);
}

}  // namespace
}  // namespace fwctl::testing
