// What is remembered of balanced flows, and for how long.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <memory>

#include "balance_lab.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {
namespace {

class BalanceTableTest : public BalanceTest {
protected:
    // A flow whose slot goes from one backend to the other when the backends change so.
    // The policy of `before` is in force.
    BalancedFlow moving(const std::vector<std::string>& before, const std::vector<std::string>& after,
                        const std::string& from, const std::string& to, std::uint8_t protocol = kTcp) {
        BalancedFlow flow{.port = 1024,
                          .vip_port = static_cast<std::uint16_t>(protocol == kTcp ? 80 : 53),
                          .protocol = protocol};
        const policy::Policy one = policy_of(vip("web", kWebFields, before));
        const policy::Policy other = policy_of(vip("web", kWebFields, after));
        while (Lab::expected(one, "web", flow) != from || Lab::expected(other, "web", flow) != to)
            ++flow.port;
        lab_->start(vip("web", kWebFields, before));
        return flow;
    }
    std::string gets(const BalancedFlow& flow, std::uint8_t flags) {
        return lab_->backend_of(frame_of(flow, flags));
    }
    void apply(const std::vector<std::string>& backends) { lab_->apply(vip("web", kWebFields, backends)); }
    // The default transition is ten minutes: 600 s are 559 ticks, and one.
    void wait_for_transition() { lab_->wait(562); }
};
FWCTL_ON_BOTH_HOOKS(BalanceTableTest);

TEST_P(BalanceTableTest, ASweepFreesWhatIsOverAlone) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const std::uint32_t now = lab_->now();
    // In lines of different pages, whichever those are. The sweep goes by the clock of the machine: what
    // stays has two hours.
    for (std::uint16_t port = 1; port <= 20; ++port) {
        lab_->plant({.port = port}, 0, "w1", now - FW_PLACED_TCP_TIMEOUT - 100);
        lab_->plant({.port = port}, 1, "w1", now - 100);
        lab_->plant({.port = port}, 7, "w2", now - 100);
    }
    for (std::uint32_t page = 0; page < FW_PLACED_PAGES; ++page)
        ASSERT_TRUE(lab_->runner().store().sweep_placed(page));
    for (std::uint16_t port = 1; port <= 20; ++port) {
        EXPECT_FALSE(lab_->stands({.port = port}, 0, "w1", now - FW_PLACED_TCP_TIMEOUT - 100)) << port;
        EXPECT_TRUE(lab_->stands({.port = port}, 1, "w1", now - 100)) << port;
        EXPECT_FALSE(lab_->stands({.port = port}, 7, "w2", now - 100)) << port;
    }
}

TEST_P(BalanceTableTest, ABareSynLeavesNoEntryAndAllElseDoes) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow tcp{};
    const std::string backend = gets(tcp, kSyn);
    EXPECT_FALSE(lab_->entry_of(tcp));
    EXPECT_EQ(gets(tcp, kAck), backend);
    const auto entry = lab_->entry_of(tcp);
    ASSERT_TRUE(entry);
    EXPECT_GE(entry->way, +FW_PLACED_KEPT);
    EXPECT_EQ(entry->backend, lab_->number_of("web", backend));
    EXPECT_EQ(entry->time, lab_->now() & ((1U << FW_PLACED_TIME_BITS) - 1));
    EXPECT_FALSE(entry->closing);
    for (const std::uint8_t protocol : {kUdp, kSctp})
        for (const char* client : {"198.51.100.8", "2001:db8:7::8"}) {
            const BalancedFlow flow{.client = client,
                                    .vip = client[3] == '.' ? kVip : kVip6,
                                    .vip_port = static_cast<std::uint16_t>(protocol == kUdp ? 53 : 5060),
                                    .protocol = protocol};
            EXPECT_FALSE(lab_->entry_of(flow));
            gets(flow, 0);
            EXPECT_TRUE(lab_->entry_of(flow)) << +protocol << " " << client;
        }
    for (const std::uint8_t flags : {kFin | kAck, +kRst, kRst | kAck}) {
        const BalancedFlow ends{.port = 40001};
        gets(ends, static_cast<std::uint8_t>(flags));
        EXPECT_FALSE(lab_->entry_of(ends)) << "the end of a flow that nobody knows";
    }
}

TEST_P(BalanceTableTest, AKnownFlowStaysWhenTheRingChanges) {
    for (const std::uint8_t protocol : {kTcp, kUdp}) {
        const BalancedFlow flow = moving({"w1", "w2"}, {"w1", "w2", "w3"}, "w1", "w3", protocol);
        EXPECT_EQ(gets(flow, kAck), "w1");
        apply({"w1", "w2", "w3"});
        EXPECT_EQ(gets(flow, kAck), "w1");
        EXPECT_EQ(lab_->run(frame_of(flow, kAck)).trace.placed_why, FW_PLACED_BY_TABLE);
        // It has to go on meanwhile: a new entry that nothing comes of is over.
        for (int i = 0; i < 20; ++i) {
            lab_->wait(30);
            EXPECT_EQ(gets(flow, kAck), "w1") << i;
        }
    }
}

TEST_P(BalanceTableTest, AnUnknownFlowGoesWhereItWentUntilTheTransitionIsOver) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1", "w2", "w3"}, "w2", "w3");
    apply({"w1", "w2", "w3"});
    const RunResult former = lab_->run(frame_of(flow, kAck));
    EXPECT_EQ(former.trace.placed_why, FW_PLACED_BY_FORMER);
    EXPECT_EQ(former.trace.backend, lab_->number_of("web", "w2"));
    EXPECT_EQ(gets(flow, kAck), "w2") << "and is known now";
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    apply({"w1", "w2", "w3"});
    lab_->wait(550);
    EXPECT_EQ(gets(flow, kAck), "w2");
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    apply({"w1", "w2", "w3"});
    wait_for_transition();
    EXPECT_EQ(gets(flow, kAck), "w3");
    EXPECT_EQ(lab_->entry_of(flow)->backend, lab_->number_of("web", "w3"));
}

TEST_P(BalanceTableTest, ASynGoesByTheNewRingAndItsConnectionFollows) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1", "w2", "w3"}, "w2", "w3");
    apply({"w1", "w2", "w3"});
    EXPECT_EQ(gets(flow, kSyn), "w3");
    EXPECT_TRUE(lab_->entry_of(flow)) << "the slot moves: the ACK would go elsewhere";
    EXPECT_EQ(gets(flow, kAck), "w3");
    EXPECT_EQ(gets(flow, kPsh | kAck), "w3");
    BalancedFlow still = flow;
    still.port = lab_->port_for("web", flow, "w1");
    EXPECT_EQ(gets(still, kSyn), "w1");
    EXPECT_FALSE(lab_->entry_of(still)) << "its slot does not move";
}

TEST_P(BalanceTableTest, DrainKeepsFlowsAndGetsNoNewOnes) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1 drain", "w2"}, "w1", "w2");
    BalancedFlow other = flow;
    other.port = lab_->port_for("web", flow, "w1", static_cast<std::uint16_t>(flow.port + 1));
    BalancedFlow datagrams{.vip_port = 53, .protocol = kUdp};
    datagrams.port = lab_->port_for("web", datagrams, "w1");
    BalancedFlow later = datagrams;
    later.port = lab_->port_for("web", datagrams, "w1", static_cast<std::uint16_t>(datagrams.port + 1));
    EXPECT_EQ(gets(flow, kAck), "w1");
    EXPECT_EQ(gets(datagrams, 0), "w1");
    apply({"w1 drain", "w2"});
    EXPECT_EQ(gets(flow, kAck), "w1");
    EXPECT_EQ(gets(datagrams, 0), "w1");
    EXPECT_EQ(gets(other, kAck), "w1") << "unknown, in transition: it may have begun there";
    EXPECT_EQ(gets(later, 0), "w2") << "a datagram that may be the first one";
    BalancedFlow fresh = flow;
    fresh.port = static_cast<std::uint16_t>(other.port + 1);
    for (int i = 0; i < 30; ++i, ++fresh.port) EXPECT_EQ(gets(fresh, kSyn), "w2");
    lab_->wait(40);
    EXPECT_EQ(gets(flow, kAck), "w1");
    EXPECT_EQ(gets(datagrams, 0), "w1");
}

TEST_P(BalanceTableTest, MaintMovesFlows) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1 maint", "w2"}, "w1", "w2");
    BalancedFlow other = flow;
    other.port = lab_->port_for("web", flow, "w1", static_cast<std::uint16_t>(flow.port + 1));
    EXPECT_EQ(gets(flow, kAck), "w1");
    apply({"w1 maint", "w2"});
    EXPECT_EQ(gets(flow, kAck), "w2");
    EXPECT_EQ(gets(other, kAck), "w2") << "not to the former one, either";
    EXPECT_EQ(lab_->entry_of(flow)->backend, lab_->number_of("web", "w2"));
    apply({"w1", "w2"});
    EXPECT_EQ(gets(flow, kAck), "w2") << "it stays where it is known now";
}

TEST_P(BalanceTableTest, ABackendThatIsGoneHasNoFlows) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w2"}, "w1", "w2");
    EXPECT_EQ(gets(flow, kAck), "w1");
    apply({"w2"});
    EXPECT_EQ(gets(flow, kAck), "w2");
    apply({"w2", "w3"});
    EXPECT_EQ(gets(flow, kAck), "w2");
}

TEST_P(BalanceTableTest, AnEntryThatIsOverCountsNoMore) {
    struct Case {
        std::uint8_t protocol;
        bool proven;
        std::uint8_t last;  // flags of the last segment
        std::uint32_t timeout;
    };
    const Case cases[] = {{kTcp, false, kAck, FW_PLACED_NEW_TIMEOUT},
                          {kUdp, false, kAck, FW_PLACED_NEW_TIMEOUT},
                          {kTcp, true, kFin | kAck, FW_PLACED_CLOSING_TIMEOUT},
                          {kTcp, true, kRst, FW_PLACED_CLOSING_TIMEOUT},
                          {kUdp, true, kAck, FW_PLACED_UDP_TIMEOUT},
                          {kTcp, true, kAck, FW_PLACED_TCP_TIMEOUT}};
    BalancedFlow tcp = moving({"w1", "w2"}, {"w1 drain", "w2"}, "w1", "w2", kTcp);
    BalancedFlow udp{.port = 1024, .vip_port = 53, .protocol = kUdp};
    std::vector<std::pair<BalancedFlow, BalancedFlow>> flows;  // asked in time, and too late
    const auto next = [&](BalancedFlow& flow) {
        flow.port = lab_->port_for("web", flow, "w1", static_cast<std::uint16_t>(flow.port + 1));
        return flow;
    };
    for (const Case& one : cases) {
        BalancedFlow& from = one.protocol == kTcp ? tcp : udp;
        const BalancedFlow in_time = next(from);
        flows.emplace_back(in_time, next(from));
    }
    for (const bool begins : {true, false}) {
        for (std::size_t i = 0; i < flows.size(); ++i) {
            if (begins && !cases[i].proven) continue;
            for (const BalancedFlow& flow : {flows[i].first, flows[i].second})
                EXPECT_EQ(gets(flow, begins ? +kAck : cases[i].last), "w1");
        }
        if (begins) lab_->wait(FW_PLACED_PROOF);
    }
    lab_->apply(vip("web", kWebFields + "transition = \"1s\"\n", {"w1 drain", "w2"}));
    std::uint32_t passed = 0;
    for (const std::uint32_t timeout : {FW_PLACED_NEW_TIMEOUT, FW_PLACED_UDP_TIMEOUT, FW_PLACED_TCP_TIMEOUT})
        for (const bool late : {false, true}) {
            lab_->wait(timeout + (late ? 1 : 0) - passed);
            passed = timeout + (late ? 1 : 0);
            for (std::size_t i = 0; i < flows.size(); ++i) {
                if (cases[i].timeout != timeout) continue;
                EXPECT_EQ(gets(late ? flows[i].second : flows[i].first, kAck), late ? "w2" : "w1") << i;
            }
        }
}

TEST_P(BalanceTableTest, WhatGoesOnIsKept) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow flow{};
    gets(flow, kAck);
    lab_->wait(FW_PLACED_PROOF - 1);
    gets(flow, kAck);
    EXPECT_GE(lab_->entry_of(flow)->way, +FW_PLACED_KEPT);
    lab_->wait(1);
    gets(flow, kAck);
    const auto kept = lab_->entry_of(flow);
    EXPECT_LT(kept->way, +FW_PLACED_KEPT);
    EXPECT_EQ(kept->time, lab_->now() & ((1U << FW_PLACED_TIME_BITS) - 1));
    lab_->wait(5);
    gets(flow, kAck);
    EXPECT_EQ(lab_->entry_of(flow)->way, kept->way);
    EXPECT_EQ(lab_->entry_of(flow)->time, kept->time + 5) << "it was active";
}

TEST_P(BalanceTableTest, NewFlowsNeverPushOutKeptOnesThatAreActive) {
    const BalancedFlow flow{};
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const std::uint32_t planted = lab_->now();
    for (unsigned way = 0; way < FW_PLACED_WAYS; ++way) lab_->plant(flow, way, "w1", planted);
    gets(flow, kAck);
    ASSERT_TRUE(lab_->entry_of(flow));
    EXPECT_GE(lab_->entry_of(flow)->way, +FW_PLACED_KEPT) << "one of the new ones makes room";
    lab_->wait(FW_PLACED_ACTIVE - 1);
    gets(flow, kAck);
    EXPECT_GE(lab_->entry_of(flow)->way, +FW_PLACED_KEPT);
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way)
        EXPECT_TRUE(lab_->stands(flow, way, "w1", planted)) << way;
    lab_->wait(1);
    gets(flow, kAck);
    EXPECT_LT(lab_->entry_of(flow)->way, +FW_PLACED_KEPT) << "they are silent now";
    unsigned left = 0;
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way)
        left += lab_->stands(flow, way, "w1", planted) ? 1 : 0;
    EXPECT_EQ(left, FW_PLACED_KEPT - 1U);
}

TEST_P(BalanceTableTest, AFlowForWhichNoKeptWayIsFreeIsNotForgotten) {
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1 drain", "w2"}, "w1", "w2");
    EXPECT_EQ(gets(flow, kAck), "w1");
    lab_->apply(vip("web", kWebFields + "transition = \"1s\"\n", {"w1 drain", "w2"}));
    for (std::uint32_t passed = 0; passed < 3 * FW_PLACED_NEW_TIMEOUT; passed += 20) {
        for (unsigned way = 0; way < FW_PLACED_KEPT; ++way) lab_->plant(flow, way, "w2", lab_->now());
        lab_->wait(20);
        EXPECT_EQ(gets(flow, kAck), "w1") << passed;
        ASSERT_TRUE(lab_->entry_of(flow)) << passed;
        EXPECT_GE(lab_->entry_of(flow)->way, +FW_PLACED_KEPT) << passed;
    }
}

TEST_P(BalanceTableTest, TheOlderOfTwoNewOnesMakesRoom) {
    const BalancedFlow flow{};
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    lab_->plant(flow, 6, "w2", lab_->now());
    lab_->plant(flow, 7, "w2", lab_->now() - 1);
    gets(flow, kAck);
    EXPECT_EQ(lab_->entry_of(flow)->way, 7U);
    EXPECT_TRUE(lab_->stands(flow, 6, "w2", lab_->now()));
}

// A bucket of what comes in a second, and no more.
TEST_P(BalanceTableTest, NewEntriesAreLimited) {
    lab_->start(vip("web", kWebFields + "new_entries = 20\n", {"w1", "w2"}));
    const auto enter = [&](std::uint16_t first) {
        int entered = 0;
        for (std::uint16_t port = first; port < first + 60; ++port) {
            const BalancedFlow flow{.port = port};
            gets(flow, kAck);
            entered += lab_->entry_of(flow) ? 1 : 0;
        }
        return entered;
    };
    lab_->wait(5);
    const int full = enter(1000);
    EXPECT_GE(full, 20);
    EXPECT_LE(full, 21);
    lab_->wait(1);  // 1.07 s
    const int again = enter(2000);
    EXPECT_GE(again, 20);
    EXPECT_LE(again, 22);
}

// What follows the SYN finds no entry, and goes to the former backend of the slot: so must the SYN.
TEST_P(BalanceTableTest, ASynBeyondTheBudgetGoesWhereWhatFollowsGoes) {
    const std::string fields = kWebFields + "new_entries = 1\n";
    const BalancedFlow flow = moving({"w1", "w2"}, {"w1", "w2", "w3"}, "w2", "w3");
    lab_->apply(vip("web", fields, {"w1", "w2"}));
    lab_->apply(vip("web", fields, {"w1", "w2", "w3"}));
    BalancedFlow other{.port = 1024, .vip_port = 53, .protocol = kUdp};
    const auto use_up_the_budget = [&] {
        do {
            ++other.port;
            gets(other, 0);
        } while (lab_->entry_of(other));
    };
    use_up_the_budget();
    const RunResult result = lab_->run(frame_of(flow, kSyn));
    EXPECT_EQ(result.trace.backend, lab_->number_of("web", "w2"));
    EXPECT_EQ(result.trace.placed_why, FW_PLACED_BY_FORMER);
    EXPECT_EQ(gets(flow, kAck), "w2");
    EXPECT_EQ(gets(flow, kPsh | kAck), "w2");
    EXPECT_FALSE(lab_->entry_of(flow));
    lab_->wait(3);
    EXPECT_EQ(gets(flow, kAck), "w2");
    EXPECT_TRUE(lab_->entry_of(flow)) << "now there is room in the budget";
    wait_for_transition();
    BalancedFlow fresh = flow;
    fresh.port = lab_->port_for("web", flow, "w3", static_cast<std::uint16_t>(flow.port + 1));
    EXPECT_EQ(gets(fresh, kSyn), "w3") << "once it is over a SYN needs no entry";
    lab_->apply(vip("web", fields, {"w1", "w2", "w3 drain"}));
    use_up_the_budget();
    EXPECT_NE(gets(fresh, kSyn), "w3") << "where the former one takes nothing new";
}

// A client that takes the same port again: the old connection is over, so is what is known of it.
TEST_P(BalanceTableTest, ASynBehindAFinIsNewToADrainedBackend) {
    for (const std::uint32_t ticks : {1U, 562U}) {
        const BalancedFlow flow = moving({"w1", "w2"}, {"w1 drain", "w2"}, "w1", "w2");
        gets(flow, kAck);
        for (std::uint32_t passed = 0; passed < 600; passed += 30) {  // kept, and active
            lab_->wait(30);
            EXPECT_EQ(gets(flow, kAck), "w1");
            if (passed == 0) apply({"w1 drain", "w2"});
            if (passed + 30 >= ticks) break;
        }
        EXPECT_EQ(gets(flow, kSyn), "w1") << "a SYN amid the connection is a duplicate, or forged";
        EXPECT_EQ(gets(flow, kFin | kAck), "w1");
        EXPECT_EQ(gets(flow, kAck), "w1") << "the last ACK";
        EXPECT_EQ(gets(flow, kSyn), "w2");
        EXPECT_EQ(gets(flow, kAck), "w2") << ticks << " ticks behind the change";
    }
}

TEST_P(BalanceTableTest, ASynBehindAFinOpensAnew) {
    const BalancedFlow flow{};
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    for (const bool kept : {false, true}) {
        const std::string backend = gets(flow, kAck);
        if (kept) {
            lab_->wait(FW_PLACED_PROOF);
            gets(flow, kAck);
        }
        gets(flow, kFin | kAck);
        EXPECT_TRUE(lab_->entry_of(flow)->closing);
        EXPECT_EQ(gets(flow, kSyn), backend);
        EXPECT_EQ(gets(flow, kAck), backend);
        EXPECT_FALSE(lab_->entry_of(flow)->closing) << "or it would be forgotten after a minute";
    }
}

// A processor that has read its clock a little later than others is a tick behind what they have written.
TEST_P(BalanceTableTest, WhatIsATickAheadIsNotOver) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow flow{.port = lab_->port_for("web", {}, "w1")};
    lab_->set_down("web", "w1");
    EXPECT_EQ(gets(flow, kAck), "w2");
    lab_->wait(3);
    EXPECT_EQ(gets(flow, kAck), "w2");
    const std::uint32_t zero = 0;
    const auto all_are_up = std::make_unique<fw_conditions>();
    ASSERT_EQ(bpf_map_update_elem(lab_->map("conditions"), &zero, all_are_up.get(), BPF_ANY), 0);
    ASSERT_TRUE(
        lab_->runner().set_clock(static_cast<std::uint64_t>(lab_->now() - 1) << FW_PLACED_TICK_SHIFT));
    EXPECT_EQ(gets(flow, kAck), "w2");
    lab_->wait(0);
    EXPECT_EQ(gets(flow, kAck), "w2");
}

TEST_P(BalanceTableTest, WhatIsATickAheadIsPushedOutByNobody) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow flow{};
    gets(flow, kAck);
    lab_->wait(4);
    const auto time = [&](unsigned way) { return lab_->now() + (way == 3 ? 1 : 0); };
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way) lab_->plant(flow, way, "w1", time(way));
    gets(flow, kAck);
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way)
        EXPECT_TRUE(lab_->stands(flow, way, "w1", time(way))) << way;
}

}  // namespace
}  // namespace fwctl::testing
