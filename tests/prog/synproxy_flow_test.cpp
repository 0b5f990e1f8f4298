// Action synproxy and the flow table: connections that are there before their client has brought a cookie,
// cookies that come twice, and errors about what the client has sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "policy/field.h"
#include "synproxy_fixture.h"

namespace fwctl::testing {
namespace {

class ProxiedFlow : public ProxiedConnection {
protected:
    // Lets the SYN in that the rule with action synproxy meets as that of a flow.
    void open_without_cookie() {
        policy::Rule allow = synproxy();
        allow.action = policy::Action::kAllow;
        const policy::Field state = policy::Field::kState;
        allow.fields = {{state, {policy::parse_field(state, "new").value()}}};
        set_rule(allow);
        EXPECT_EQ(from_client(client_frame({.sequence = kClientStart})).trace.reason, FW_REASON_RULE_ALLOW);
        set_rule(synproxy());
    }

    // What the server answers to the SYN that was let in, as it leaves.
    RunResult answer_without_cookie() {
        return run(*out_, server_frame({.sequence = kServerStart,
                                        .acknowledgement = kClientStart + 1,
                                        .flags = kSyn | kAck}));
    }

    struct Found {
        int count = 0;
        fw_flow flow{};
        std::size_t way = 0;
    };
    Found find_flow() const {
        Found found;
        EXPECT_TRUE(runner_->store().for_each_bucket([&](const fw_flow_bucket& bucket) {
            for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way) {
                if (bucket.tags[way] == 0) continue;
                ++found.count;
                found.flow = bucket.flows[way];
                found.way = way;
            }
        }));
        return found;
    }
};

INSTANTIATE_TEST_SUITE_P(Families, ProxiedFlow, ::testing::ValuesIn(kFamilies),
                         [](const auto& family) { return family.param.name; });

// The SYN was let in, by another rule or before there was this one, and nobody has answered it.
TEST_P(ProxiedFlow, AnUnansweredFlowGivesWayToAClientWithACookie) {
    open_without_cookie();
    ASSERT_EQ(find_flow().count, 1);
    open_connection();
    const Found found = find_flow();
    EXPECT_EQ(found.count, 1);
    EXPECT_TRUE(found.flow.flags & FW_FLOW_PROXIED);
    EXPECT_LT(found.way, FW_FLOW_CONFIRMED) << "as other connections that have brought a cookie";
    Tcp segment = {.sequence = kClientStart + 1,
                   .acknowledgement = cookie_ + 1,
                   .flags = kAck,
                   .window = 100,
                   .options = stamps(kClientTime + 1, given_)};
    const RunResult there = from_client(client_frame(segment, 10));
    segment.acknowledgement -= shift_;
    segment.options = stamps(kClientTime + 1, given_ - time_shift_);
    EXPECT_EQ(there.frame, client_frame(segment, 10));
}

TEST_P(ProxiedFlow, AnUnansweredFlowTakesNoOtherAck) {
    open_without_cookie();
    ask({});
    std::mt19937 random(3);
    for (int i = 0; i < 300; ++i) {
        const RunResult result =
            from_client(client_frame({.sequence = kClientStart + 1,
                                      .acknowledgement = static_cast<std::uint32_t>(random()),
                                      .flags = kAck}));
        ASSERT_EQ(result.trace.reason, FW_REASON_COOKIE_INVALID) << i;
        ASSERT_EQ(result.action, kTcShot) << i;
    }
    for (const int flags : {kRst | 0, kRst | kAck, kFin | kAck, kSyn | kAck}) {
        const RunResult result = from_client(
            client_frame({.sequence = kClientStart + 1, .flags = static_cast<std::uint8_t>(flags)}));
        EXPECT_EQ(result.trace.reason, FW_REASON_COOKIE_INVALID) << flags;
    }
}

// Who forges a SYN gets it answered at most.
TEST_P(ProxiedFlow, ASynEndsNoFlow) {
    open_without_cookie();
    ask({});
    const Found before = find_flow();
    ASSERT_EQ(before.count, 1);
    EXPECT_FALSE(before.flow.flags & FW_FLOW_PROXIED);
    EXPECT_EQ(answer_without_cookie().trace.packet.state, FW_STATE_ESTABLISHED);
    const RunResult again = from_client(client_frame({.sequence = kClientStart + 1000}));
    EXPECT_EQ(again.trace.reason, FW_REASON_RULE_SYNPROXY) << "the server answers it";
    const Tcp segment = {.sequence = kClientStart + 1, .acknowledgement = kServerStart + 1, .flags = kAck};
    const RunResult on = from_client(client_frame(segment, 10));
    EXPECT_EQ(on.trace.packet.state, FW_STATE_ESTABLISHED);
    EXPECT_EQ(on.trace.reason, FW_REASON_RULE_SYNPROXY);
    EXPECT_EQ(on.frame, client_frame(segment, 10));
}

// Path MTU discovery of the client: what is quoted has passed us, and has still the client's own number.
TEST_P(ProxiedFlow, ErrorsToTheClientStayAsTheyAre) {
    open_connection();
    std::mt19937 random(4);
    for (int i = 0; i < 500; ++i) {
        const Tcp segment = {.sequence = kClientStart + 1,
                             .acknowledgement = kServerStart + 1,
                             .flags = static_cast<std::uint8_t>(kAck | (random() % 2 ? kPsh : 0))};
        Bytes error;
        if (GetParam().is_ipv6) {
            // Any length that a packet may have, also one that stands where TCP has the header's.
            Bytes quoted = ipv6({.payload_length = static_cast<std::uint16_t>(random())}) / tcp(segment);
            error = ethernet() / ipv6({.source = "2001:db8::9", .destination = "2001:db8::1"}) /
                    icmpv6({.type = 2, .rest = 1280}) / raw(std::move(quoted));
        } else {
            Bytes quoted = ipv4({.id = static_cast<std::uint16_t>(random())}) / tcp(segment);
            error = ethernet() / ipv4({.source = "192.0.2.99", .destination = "192.0.2.1"}) /
                    icmp({.type = 3, .code = 4, .rest = 1280}) / raw(std::move(quoted));
        }
        const RunResult result = run(*out_, error);
        ASSERT_EQ(result.trace.packet.state, FW_STATE_RELATED) << i;
        ASSERT_EQ(result.action, kTcPass) << i;
        ASSERT_EQ(result.frame, error) << i;
    }
}

// Another processor: it opens the connection, notes that the server has answered, and looks from time to time
// whether that was forgotten.
class Server {
public:
    explicit Server(fw_flow_bucket& bucket) : bucket_(bucket), lock_(bucket.lock) {
        while (bucket.tags[way_] == 0) ++way_;
        thread_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) turn();
        });
    }
    int forgotten() {
        thread_.request_stop();
        thread_.join();
        return forgotten_;
    }

private:
    static constexpr std::uint32_t kMark = 0x600dcafe;

    void turn() {
        fw_flow& flow = bucket_.flows[way_];
        lock();
        flow.flags |= FW_FLOW_OPENING;
        flow.proxy.sequence = 0;
        unlock();
        wait();
        lock();
        flow.flags &= static_cast<std::uint8_t>(~FW_FLOW_OPENING);
        flow.proxy.sequence = kMark;
        unlock();
        wait();
        lock();
        if (flow.flags & FW_FLOW_OPENING || flow.proxy.sequence != kMark) ++forgotten_;
        unlock();
    }
    // Some tenths of a microsecond, as long as the program is at work between its looks.
    void wait() {
        for (auto turns = random_() % 512; turns > 0; --turns) (void)lock_.load();
    }
    void lock() {
        std::uint32_t seen = lock_ & ~1U;
        while (!lock_.compare_exchange_weak(seen, seen + 1)) seen &= ~1U;
    }
    void unlock() { ++lock_; }

    fw_flow_bucket& bucket_;
    std::atomic_ref<std::uint32_t> lock_;
    std::size_t way_ = 0;
    std::mt19937 random_{5};
    int forgotten_ = 0;
    std::jthread thread_;
};

// A client that asks for a window brings its cookie once more, while the server answers.
TEST_P(ProxiedFlow, AConnectionThatHasComeToBeIsNotOpenedAgain) {
    bring_cookie();
    int forgotten = -1;
    EXPECT_TRUE(runner_->store().for_each_bucket([&](fw_flow_bucket& bucket) {
        if (std::all_of(std::begin(bucket.tags), std::end(bucket.tags), [](auto tag) { return tag == 0; }))
            return;
        Server server(bucket);
        const Bytes probe = client_frame({.sequence = kClientStart,
                                          .acknowledgement = cookie_ + 1,
                                          .flags = kAck,
                                          .options = stamps(kClientTime + 1, given_)});
        for (int i = 0; i < 3000; ++i) from_client(probe);
        forgotten = server.forgotten();
    }));
    EXPECT_EQ(forgotten, 0);
}

}  // namespace
}  // namespace fwctl::testing
