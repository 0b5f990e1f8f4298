// Packets of flows that go on, past decisions that are kept with them, against the evaluator, which keeps
// none.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "frame_of.h"
#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/evaluate.h"
#include "policy/packet_text.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/rule.h"
#include "program_judge.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using policy::Action;
using policy::PacketView;
using policy::Policy;
using policy::Rule;

Rule of_state(policy::FlowState state, Action action) {
    Rule rule;
    rule.name = fmt::format("state {}", static_cast<int>(state));
    rule.action = action;
    rule.origin = policy::Origin::kFile;
    rule.services.emplace_back();
    const auto value = static_cast<std::uint64_t>(state);
    rule.fields.push_back({policy::Field::kState, {{~std::uint64_t{0}, value, value}}});
    return rule;
}

class Traffic {
public:
    Traffic(ProgramJudge& judge, std::uint64_t seed) : judge_(judge), world_(seed) {}

    void run() {
        policy_ = world_.policy(8);
        policy_.defaults.in = world_.chance(3) ? Action::kDeny : Action::kAllow;
        policy_.defaults.out = world_.chance(4) ? Action::kDeny : Action::kAllow;
        put(of_state(policy::FlowState::kEstablished, world_.chance(4) ? Action::kDeny : Action::kAllow));
        if (world_.chance(2)) put(of_state(policy::FlowState::kNew, Action::kAllow));
        context_ = generate::small_context(policy_.sets);
        ASSERT_NO_FATAL_FAILURE(load());
        while (flows_.size() < 8) {
            const PacketView packet = world_.packet();
            if (packet.family && packet.protocol != 58) flows_.push_back(packet);
        }
        for (int i = 0; i < 1000; ++i) {
            SCOPED_TRACE(fmt::format("packet {}", i));
            if (world_.chance(150)) change_members();
            if (world_.chance(200)) {
                ASSERT_NO_FATAL_FAILURE(change_rules());
            }
            ASSERT_NO_FATAL_FAILURE(send(kAttachments[world_.below(kAttachments.size())]));
        }
    }

    std::size_t recalled() const { return recalled_; }
    std::size_t established() const { return established_; }

private:
    void put(const Rule& rule) {
        const auto place = static_cast<std::ptrdiff_t>(world_.below(policy_.rules.size() + 1));
        policy_.rules.insert(policy_.rules.begin() + place, rule);
    }

    void load() {
        const Status loaded = judge_.load(policy_, context_);
        ASSERT_TRUE(loaded) << loaded.error().message;
        rules_ = policy::effective_rules(policy_, {});
    }

    // The policy stays as it is, so that what was kept is not forgotten.
    void change_members() {
        auto& members = context_.members["banned"];
        members.clear();
        for (const PacketView& flow : flows_)
            if (world_.chance(3))
                members.push_back({{*flow.family, policy::address_bits(*flow.family), flow.source}, 0});
        const Status filled = judge_.fill(context_);
        ASSERT_TRUE(filled) << filled.error().message;
    }

    void change_rules() {
        if (policy_.rules.size() > 1) std::swap(policy_.rules.front(), policy_.rules.back());
        load();
    }

    PacketView next_packet() {
        PacketView packet = flows_[world_.below(flows_.size())];
        if (world_.chance(2)) {
            std::swap(packet.source, packet.destination);
            std::swap(packet.source_port, packet.selector);
        }
        const PacketView other = world_.packet();
        if (world_.chance(4)) packet.mac = other.mac;
        if (world_.chance(4)) packet.vlan = other.vlan;
        if (world_.chance(4)) packet.length = other.length;
        if (world_.chance(4)) packet.ttl = other.ttl;
        if (world_.chance(4)) packet.dscp = other.dscp;
        if (world_.chance(8)) packet.fragment = other.fragment;
        if (world_.chance(2)) packet.tcp_flags = other.tcp_flags;
        return packet;
    }

    void send(const Attachment& attachment) {
        PacketView packet = next_packet();
        packet.direction = attachment.direction;
        packet.interfaces = {attachment.name, attachment.device};
        if (attachment.link == FW_LINK_IP)
            packet.mac.reset();
        else if (!packet.mac)
            packet.mac = 1;
        packet.now = engine::monotonic_now();
        Frame frame = frame_of(packet);
        const auto actual = judge_.judge(attachment, frame.bytes, {});
        ASSERT_TRUE(actual) << actual.error().message;
        frame.view.state = static_cast<policy::FlowState>(judge_.last().packet.state);
        if (frame.view.fragment == policy::FragmentKind::kLater) return;  // it may have its first one's ports
        const policy::Verdict expected = policy::evaluate(rules_, frame.view, context_);
        const auto name = expected.rule ? std::optional(rules_[*expected.rule].name) : std::nullopt;
        ASSERT_EQ(actual->rule, name) << policy::format_packet({frame.view, {}}) << ", "
                                      << judge_.last().row_count << " rows" << listing();
        established_ += frame.view.state == policy::FlowState::kEstablished ? 1 : 0;
        recalled_ +=
            frame.view.state == policy::FlowState::kEstablished && judge_.last().row_count == 0 ? 1 : 0;
    }

    std::string listing() const {
        std::string text;
        for (const Rule& one : rules_) text += fmt::format("\n  {}: {}", one.name, policy::describe(one));
        return text;
    }

    ProgramJudge& judge_;
    generate::SmallWorld world_;
    Policy policy_;
    policy::Context context_;
    std::vector<Rule> rules_;
    std::vector<PacketView> flows_;
    std::size_t recalled_ = 0;
    std::size_t established_ = 0;
};

TEST(RecallTest, DecidesAsTheEvaluatorDoes) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    std::size_t recalled = 0;
    std::size_t established = 0;
    for (int seed = 0; seed < rounds(30); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Traffic traffic(**judge, static_cast<std::uint64_t>(seed));
        ASSERT_NO_FATAL_FAILURE(traffic.run());
        recalled += traffic.recalled();
        established += traffic.established();
    }
    fmt::print("{} packets of established flows, {} decisions recalled\n", established, recalled);
    EXPECT_GT(established, static_cast<std::size_t>(rounds(5000)));
    EXPECT_GT(recalled, static_cast<std::size_t>(rounds(500)));
}

// A rule that denies what it let pass before ends the flow: the other end's packets are no answers any more.
TEST(RecallTest, ARuleThatNowDeniesEndsTheFlow) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    const auto out = std::find_if(kAttachments.begin(), kAttachments.end(), [](const Attachment& one) {
        return one.direction == policy::Direction::kOut;
    });
    const Bytes question = ethernet() / ipv4() / udp({.destination = 53});
    const Bytes answer = ethernet() / ipv4({.source = "198.51.100.1", .destination = "192.0.2.1"}) /
                         udp({.source = 53, .destination = 40000});
    const auto state_of = [&](const Attachment& where, const Bytes& frame) {
        EXPECT_TRUE((*judge)->judge(where, frame, {}));
        return static_cast<policy::FlowState>((*judge)->last().packet.state);
    };
    Policy policy;
    policy.rules = {of_state(policy::FlowState::kEstablished, Action::kAllow)};
    const auto establish = [&] {
        ASSERT_TRUE((*judge)->load(policy, {}));
        EXPECT_EQ(state_of(kAttachments[0], question), policy::FlowState::kNew);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(state_of(*out, answer), policy::FlowState::kEstablished);
            EXPECT_EQ(state_of(kAttachments[0], question), policy::FlowState::kEstablished);
        }
    };
    establish();
    Policy denying = policy;
    denying.rules[0].action = Action::kDeny;
    denying.rules[0].direction = policy::Direction::kIn;
    ASSERT_TRUE((*judge)->load(denying, {}));
    EXPECT_EQ(state_of(*out, answer), policy::FlowState::kEstablished);
    EXPECT_EQ(state_of(kAttachments[0], question), policy::FlowState::kEstablished);
    EXPECT_EQ((*judge)->last().reason, FW_REASON_RULE_DENY);
    EXPECT_EQ(state_of(*out, answer), policy::FlowState::kNew);
}

// What depends on more than the flow denies the packet and leaves the flow.
TEST(RecallTest, ARuleThatLooksAtThePacketLeavesTheFlow) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    Policy policy;
    policy.rules = {of_state(policy::FlowState::kEstablished, Action::kDeny),
                    of_state(policy::FlowState::kEstablished, Action::kAllow)};
    policy.rules[0].name = "far";
    policy.rules[0].direction = policy::Direction::kIn;
    policy.rules[0].fields[0] = {policy::Field::kTtl, {{~std::uint64_t{0}, 0, 9}}};
    ASSERT_TRUE((*judge)->load(policy, {}));
    const auto rule_of = [&](int ttl, bool forth) {
        const Ipv4 there{.ttl = static_cast<std::uint8_t>(ttl)};
        const Ipv4 back{
            .source = "198.51.100.1", .destination = "192.0.2.1", .ttl = static_cast<std::uint8_t>(ttl)};
        const Bytes frame = forth
                                ? Bytes(ethernet() / ipv4(there) / udp({.destination = 53}))
                                : Bytes(ethernet() / ipv4(back) / udp({.source = 53, .destination = 40000}));
        return (*judge)->judge(kAttachments[0], frame, {}).value().rule.value_or("the default");
    };
    EXPECT_EQ(rule_of(64, true), "the default");
    EXPECT_EQ(rule_of(64, false), "state 2");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(rule_of(64, true), "state 2");
        EXPECT_EQ(rule_of(5, true), "far");
    }
}

}  // namespace
}  // namespace fwctl::testing
