// QUIC by connection id: what of a packet names its backend, and what becomes of it.
#include "balance_quic.h"

namespace fwctl::testing {
namespace {

FWCTL_ON_BOTH_HOOKS(BalanceQuicTest);

TEST_P(BalanceQuicTest, BothHeadersNameTheBackend) {
    lab_->start(quic_vip(kQuic));
    for (const auto& [backend, ids] : kIds)
        for (const std::string& id : ids)
            for (const unsigned config : {0U, 2U}) {
                expect_named(long_header(connection_id(config, id)), backend, "long, " + id);
                expect_named(short_header(connection_id(config, id)), backend, "short, " + id);
            }
    expect_named(Bytes{0x80, 0xff, 0xff, 0xff, 0xff} + Bytes{11} + connection_id(0, "0a01") + Bytes{0}, "w1",
                 "of a version that nobody knows");
    expect_named(Bytes{0x80, 0, 0, 0, 0} + Bytes{11} + connection_id(0, "0a01") + Bytes{0}, "w1",
                 "version 0");
    expect_named(Bytes{0x00} + connection_id(0, "0a01"), "w1", "no bit of the first octet counts");
    expect_named(Bytes{0x7f} + connection_id(0, "0a01"), "w1", "no bit of the first octet counts");
}

TEST_P(BalanceQuicTest, EveryLengthOfALongHeadersId) {
    lab_->start(quic_vip(kQuic));
    for (std::size_t nonce = 0; nonce <= 252; nonce += nonce < 20 ? 1 : 29)
        expect_named(long_header(connection_id(0, "0a02", nonce)), "w2", fmt::format("{} octets", 3 + nonce));
    const Bytes id = connection_id(0, "0a02", 0);
    for (std::size_t size = 0; size < id.size(); ++size)
        expect_named(long_header(cut(id, size)), "", fmt::format("{} octets are too few", size));
    // What stands behind the id would make one.
    expect_named(long_header(connection_id(0, "0a02"), 2), "", "the header says that the id is shorter");
}

TEST_P(BalanceQuicTest, WhatIsCutOffNamesNobody) {
    lab_->start(quic_vip(kQuic));
    const Bytes id = connection_id(0, "0a01");
    for (std::size_t size = 0; size < 6 + id.size() + 3; ++size)
        expect_named(cut(long_header(id), size), size < 6 + id.size() ? "" : "w1",
                     fmt::format("long, {} octets", size));
    for (std::size_t size = 0; size < 10; ++size)
        expect_named(cut(short_header(id), size), size < 4 ? "" : "w1",
                     fmt::format("short, {} octets", size));
    expect_named(long_header(id, 255), "", "longer than the datagram");
}

// w3 has the id of zeros, as padding and what is left of an earlier packet may hold.
TEST_P(BalanceQuicTest, NothingBehindTheDatagramIsRead) {
    lab_->start(quic_vip(kQuic));
    for (std::size_t size = 0; size < 4; ++size) {
        const BalancedFlow short_one = flow(), of_ip = flow();
        const Bytes whole = Bytes{0x40, 0, 0, 0};
        EXPECT_EQ(
            lab_->run(to_balancer() / packet(short_one, cut(whole, size)) / padding(40)).trace.placed_why,
            FW_PLACED_BY_RING)
            << size;
        const Packet longer = ipv4({.source = of_ip.client, .destination = of_ip.vip}) /
                              udp({.source = of_ip.port,
                                   .destination = kQuicPort,
                                   .length = static_cast<std::uint16_t>(8 + size)}) /
                              raw(whole + Bytes(20));
        EXPECT_EQ(lab_->run(to_balancer() / longer).trace.placed_why, FW_PLACED_BY_RING) << size;
    }
    expect_named(Bytes{0x40, 0, 0, 0}, "w3", "four octets are enough");
}

TEST_P(BalanceQuicTest, OtherConfigurationsAndServersGoAsAnyFlow) {
    lab_->start(quic_vip(kQuic));
    for (const unsigned config : {1U, 3U, 4U, 5U, 6U, 7U}) {
        expect_named(long_header(connection_id(config, "0a01")), "", fmt::format("configuration {}", config));
        expect_named(short_header(connection_id(config, "0a01")), "",
                     fmt::format("configuration {}", config));
    }
    for (const char* id : {"0a03", "0a00", "010a", "ffff", "0200"}) {
        expect_named(long_header(connection_id(0, id)), "", id);
        expect_named(short_header(connection_id(2, id)), "", id);
    }
    const BalancedFlow one = flow();
    const std::string backend = gets(one, long_header(connection_id(7, "ffff")));
    lab_->apply(quic_vip(kQuic, kIds, {{backend, "state = \"drain\"\n"}}));
    EXPECT_EQ(gets(one, short_header(connection_id(7, "ffff"))), backend) << "a flow stays where it is";
}

TEST_P(BalanceQuicTest, ServerIdsOfEveryLength) {
    for (std::size_t length = 1; length <= 15; ++length) {
        const auto id_of = [&](unsigned last) {
            std::string id;
            for (std::size_t i = 1; i < length; ++i) id += "c5";
            return id + fmt::format("{:02x}", last);
        };
        const Ids ids = {{"w1", {id_of(1)}}, {"w2", {id_of(2)}}, {"w3", {id_of(0)}}};
        lab_->start(quic_vip(
            kServices +
                fmt::format("forward = \"gue\"\nquic = {{ config = 6, server_id_length = {} }}\n", length),
            ids));
        for (const auto& [backend, its] : ids) {
            expect_named(long_header(connection_id(6, its[0], 0)), backend, its[0]);
            expect_named(short_header(connection_id(6, its[0], 4)), backend, its[0]);
        }
        expect_named(short_header(connection_id(6, id_of(3))), "", "nobody's");
        expect_named(long_header(cut(connection_id(6, id_of(1), 0), length)), "", "an octet is missing");
    }
}

TEST_P(BalanceQuicTest, AClientThatMovesKeepsItsServer) {
    lab_->start(quic_vip(kQuic));
    for (int turn = 0; turn < 20; ++turn) {
        const BalancedFlow here = flow(), there = flow(turn % 2 != 0);
        // The client has made this id up.
        const std::string backend = gets(here, long_header(connection_id(7, "77777777")));
        if (backend == "w4") continue;
        const Bytes id = connection_id(0, kIds.at(backend).front());
        EXPECT_EQ(gets(here, short_header(id)), backend);
        EXPECT_EQ(gets(there, short_header(id)), backend);
        BalancedFlow elsewhere = there;
        elsewhere.client = there.is_ipv6() ? "2001:db8:99::1" : "192.0.2.44";
        EXPECT_EQ(gets(elsewhere, short_header(id)), backend);
        EXPECT_EQ(gets(there, long_header(connection_id(7, "88888888"))), backend)
            << "what names nobody goes where the flow is by then";
    }
}

// What an ICMP error quotes has no connection id that names a backend.
TEST_P(BalanceQuicTest, ItsFlowStandsInTheTable) {
    lab_->start(quic_vip(kQuic));
    const std::uint32_t w1 = lab_->number_of("web", "w1");
    BalancedFlow one = flow();
    while (lab_->expected("web", one) != "w3") one = flow();
    EXPECT_FALSE(lab_->entry_of(one));
    EXPECT_EQ(gets(one, short_header(connection_id(0, "0a01"))), "w1");
    ASSERT_TRUE(lab_->entry_of(one));
    EXPECT_EQ(lab_->entry_of(one)->backend, w1);
    const Packet error = ipv4({.source = "192.0.2.99", .destination = kVip}) /
                         icmp({.type = 3, .code = 4, .rest = 1400}) /
                         ipv4({.source = kVip, .destination = one.client}) /
                         udp({.source = kQuicPort, .destination = one.port}) / payload(30);
    EXPECT_EQ(lab_->backend_of(to_balancer() / error), "w1");
    // It goes on: to the places that new flows do not reach.
    lab_->wait(3);
    EXPECT_EQ(gets(one, short_header(connection_id(0, "0a01"))), "w1");
    EXPECT_LT(lab_->entry_of(one)->way, +FW_PLACED_KEPT);
    EXPECT_EQ(lab_->entry_of(one)->backend, w1);
}

// Who knows an id of one backend cannot move the flows that others have.
TEST_P(BalanceQuicTest, WhatStandsInTheTableIsNotTakenByAnId) {
    lab_->start(quic_vip(kQuic));
    BalancedFlow one = flow();
    while (lab_->expected("web", one) != "w2") one = flow();
    const Bytes unknown = short_header(connection_id(7, "ffffffff"));
    const Bytes named = short_header(connection_id(0, "0a01"));
    EXPECT_EQ(gets(one, unknown), "w2");
    EXPECT_EQ(gets(one, named), "w1");
    EXPECT_EQ(gets(one, unknown), "w2");
    EXPECT_EQ(why(one, unknown), FW_PLACED_BY_TABLE);
    // Where its backend does not serve, or it was silent for too long, it is nobody's.
    set_condition("w2", FW_CONDITION_DOWN);
    EXPECT_EQ(gets(one, named), "w1");
    EXPECT_EQ(lab_->entry_of(one)->backend, lab_->number_of("web", "w1"));
    set_condition("w2", 0);
    lab_->wait(FW_PLACED_UDP_TIMEOUT + 1);
    EXPECT_EQ(gets(one, short_header(connection_id(0, "0a02"))), "w2");
    EXPECT_EQ(lab_->entry_of(one)->backend, lab_->number_of("web", "w2"));
}

TEST_P(BalanceQuicTest, DrainKeepsWhatItHasAndMaintDoesNot) {
    const Bytes datagram = short_header(connection_id(0, "0a01"));
    for (const char* state : {"state = \"drain\"\n", "weight = 0\n"}) {
        lab_->start(quic_vip(kQuic, kIds, {{"w1", state}}));
        expect_named(datagram, "w1", state);
    }
    lab_->start(quic_vip(kQuic, kIds, {{"w1", "state = \"maint\"\n"}}));
    expect_named(datagram, "", "maint");
    lab_->start(quic_vip(kQuic, kIds, {{"w1", "fallback = true\n"}}));
    expect_named(datagram, "w1", "what it got while the others were down");
    lab_->start(quic_vip(kQuic, {{"w2", {"0a02"}}, {"w4", {}}}));
    expect_named(datagram, "", "its backend is gone");
}

TEST_P(BalanceQuicTest, AnotherOneStandsInWhileItIsDown) {
    lab_->start(quic_vip(kQuic));
    const BalancedFlow one = flow();
    const Bytes datagram = short_header(connection_id(0, "0a01"));
    EXPECT_EQ(gets(one, datagram), "w1");
    set_condition("w1", FW_CONDITION_DOWN);
    const std::string other = gets(one, datagram);
    EXPECT_NE(other, "w1");
    EXPECT_NE(other, "");
    EXPECT_EQ(gets(one, datagram), other) << "the same one";
    for (int turn = 0; turn < 40; ++turn) EXPECT_NE(gets(flow(), datagram), "w1");
    set_condition("w1", 0);
    EXPECT_EQ(gets(one, datagram), "w1");
    // One that has come up lately gets less of what is new, and all of its own.
    set_condition("w1", 255 << FW_CONDITION_WITHHELD_SHIFT);
    expect_named(datagram, "w1", "slow start");
    set_condition("w1", 0);
}

TEST_P(BalanceQuicTest, EachWayOfForwarding) {
    const BalancedFlow one = flow();
    const Packet in = packet(one, short_header(connection_id(0, "0a01")));
    const Packet link =
        lab_->is_xdp() ? ethernet({.destination = "02:00:00:00:02:11", .source = kOutMac}) : to_balancer();
    const std::string quic = "quic = { config = 0, server_id_length = 2 }\n";
    lab_->start(quic_vip(kServices + "forward = \"l2-dsr\"\n" + quic));
    EXPECT_EQ(lab_->run(to_balancer() / in).frame, Bytes(link / in));
    lab_->start(quic_vip(kServices + "forward = \"ipip\"\n" + quic));
    const Ipv4 outer{.source = kUs, .destination = "10.2.0.11", .id = 0, .dont_fragment = true};
    EXPECT_EQ(lab_->run(to_balancer() / in).frame, Bytes(link / ipv4(outer) / in));
    lab_->start(quic_vip(kServices + "forward = \"gue\"\n" + quic));
    const Bytes gue = lab_->run(to_balancer() / in).frame;
    const Bytes inner = in;
    ASSERT_EQ(gue.size(), 14 + 20 + 8 + 4 + inner.size());
    EXPECT_EQ(Bytes(gue.begin() + 46, gue.end()), inner);
    EXPECT_EQ(Bytes(gue.begin() + 30, gue.begin() + 34), (Bytes{10, 2, 0, 11}));
}

TEST_P(BalanceQuicTest, OptionsExtensionHeadersAndFragments) {
    lab_->start(quic_vip(kQuic));
    const Bytes datagram = short_header(connection_id(0, "0a01")) + Bytes(607);
    const auto transport = [&] { return udp({.source = next_port_++, .destination = kQuicPort}); };
    const auto named = [&](const Packet& sent) {
        const RunResult result = lab_->run(to_balancer() / sent);
        EXPECT_EQ(result.trace.placed_why, FW_PLACED_BY_CONNECTION);
        return result.trace.backend == lab_->number_of("web", "w1");
    };
    Ipv4 to_vip{.source = kClient, .destination = kVip};
    const Ipv6 to_vip6{.source = kClient6, .destination = kVip6};
    EXPECT_TRUE(named(ipv6(to_vip6) / hop_by_hop() / destination_options({.size = 24}) / transport() /
                      raw(datagram)));
    EXPECT_TRUE(named(ipv6(to_vip6) / fragment() / transport() / raw(datagram)));
    to_vip.options = {1, 1, 1, 1, 7, 7, 4, 0, 0, 0, 0, 0};
    EXPECT_TRUE(named(ipv4(to_vip) / transport() / raw(datagram)));
    to_vip.options = {};
    to_vip.more_fragments = true;
    to_vip.id = 77;
    EXPECT_TRUE(named(ipv4(to_vip) / transport() / raw(cut(datagram, 504))));
    const Packet later =
        ipv4({.source = kClient, .destination = kVip, .protocol = kUdp, .id = 77, .fragment_offset = 64}) /
        payload(100);
    EXPECT_EQ(lab_->backend_of(to_balancer() / later), "w1");
}

TEST_P(BalanceQuicTest, OnlyDatagramsOfServicesThatAsk) {
    const Bytes datagram = short_header(connection_id(0, "0a01"));
    lab_->start(quic_vip(kQuic) +
                vip("plain", "address = \"203.0.113.11\"\nservice = \"udp/443\"\nforward = \"ipip\"\n",
                    {"w1", "w2", "w3"}));
    const BalancedFlow plain{.vip = "203.0.113.11", .vip_port = kQuicPort, .protocol = kUdp};
    EXPECT_EQ(why(plain, datagram), FW_PLACED_BY_RING);
    const Packet segment = ipv4({.source = kClient, .destination = kVip}) /
                           tcp({.source = next_port_++, .destination = kQuicPort, .flags = kAck}) /
                           raw(datagram);
    EXPECT_EQ(lab_->run(to_balancer() / segment).trace.placed_why, FW_PLACED_BY_RING);
    // Without, and with again.
    lab_->apply(quic_vip(kServices + "forward = \"ipip\"\n", {{"w1", {}}, {"w2", {}}}));
    expect_named(datagram, "", "not asked for any more");
    lab_->apply(quic_vip(kQuic));
    EXPECT_EQ(why(flow(), datagram), FW_PLACED_BY_CONNECTION);
}

// What an id names goes on: it is no flow of its own.
TEST_P(BalanceQuicTest, FlowsAreCountedOnce) {
    lab_->start(quic_vip(kQuic));
    const std::uint32_t number = lab_->number_of("web", "w1");
    const auto before = lab_->runner().store().backend_count(number).value();
    BalancedFlow one = flow();
    while (lab_->expected("web", one) != "w1") one = flow();
    EXPECT_EQ(gets(one, long_header(connection_id(7, "ffffffff"))), "w1");
    for (int turn = 0; turn < 5; ++turn)
        EXPECT_EQ(gets(flow(), short_header(connection_id(0, "0a01"))), "w1");
    const auto after = lab_->runner().store().backend_count(number).value();
    EXPECT_EQ(after.packets - before.packets, 6U);
    EXPECT_EQ(after.flows - before.flows, 1U);
}

}  // namespace
}  // namespace fwctl::testing
