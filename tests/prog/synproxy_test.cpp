// Action synproxy: the handshake with a client frame by frame, and the translation of what follows, compared
// with frames that the packet builder makes by itself. The cookie is the kernel's: what is asked of it is
// that it is taken back, and that no other number is.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/hooks.h"
#include "kernel/probe.h"
#include "synproxy_fixture.h"

namespace fwctl::testing {
namespace {

std::uint16_t own_mss(bool is_ipv6) {
    std::ifstream file("/sys/class/net/lo/mtu");  // the interface of BPF_PROG_TEST_RUN
    int mtu = 0;
    file >> mtu;
    return static_cast<std::uint16_t>(std::min(mtu - (is_ipv6 ? 60 : 40), 65535 - 60));
}

class Synproxy : public ::testing::TestWithParam<Hook> {
protected:
    void SetUp() override {
        ASSERT_TRUE(kernel::has_syn_cookies()) << "every supported kernel has them";
        auto loaded = ProgramRunner::load(GetParam(), FW_LINK_ETHERNET, "eth0", {.may_rewrite = true});
        ASSERT_TRUE(loaded) << loaded.error().message;
        runner_.emplace(std::move(*loaded));
        policy::Policy policy;
        policy.rules = {synproxy()};
        ASSERT_TRUE(runner_->set_policy(policy));
    }

    RunResult run(const Bytes& frame) {
        auto result = runner_->run(frame);
        EXPECT_TRUE(result) << result.error().message;
        return std::move(*result);
    }

    void expect_dropped(const Bytes& frame, std::uint8_t reason, const std::string& what) {
        const RunResult result = run(frame);
        EXPECT_EQ(result.trace.reason, reason) << what;
        EXPECT_EQ(result.action, GetParam() == Hook::kXdp ? kXdpDrop : kTcShot) << what;
    }

    // Sends a SYN, compares the answer with one that has these options, and returns the cookie.
    std::uint32_t answered(const Family& family, const Bytes& options, const Bytes& answer,
                           std::uint32_t sequence = kClientStart, const std::optional<Vlan>& tag = {}) {
        const Packet link = tag ? ethernet() / vlan(*tag) : ethernet();
        const RunResult result =
            run(to_server(family, link) / tcp({.sequence = sequence, .options = options}));
        EXPECT_EQ(result.trace.reason, FW_REASON_SYN_COOKIE);
        EXPECT_EQ(result.action, GetParam() == Hook::kXdp ? kXdpTx : kTcRedirect);
        if (result.frame.size() < family.link + 24) return 0;
        const std::uint32_t cookie = word(result.frame, family.link + (tag ? 4 : 0) + 4);
        const Bytes expected = to_client(family, tag) / tcp({.source = 80,
                                                             .destination = 40000,
                                                             .sequence = cookie,
                                                             .acknowledgement = sequence + 1,
                                                             .flags = kSyn | kAck,
                                                             .window = 0,
                                                             .options = answer});
        EXPECT_EQ(result.frame, expected);
        return cookie;
    }

    std::optional<ProgramRunner> runner_;
};

INSTANTIATE_TEST_SUITE_P(Hooks, Synproxy, ::testing::Values(Hook::kXdp, Hook::kTcIn),
                         [](const auto& hook) { return hook.param == Hook::kXdp ? "Xdp" : "TcIn"; });

TEST_P(Synproxy, ASynIsAnsweredWithWhatItOffers) {
    for (const Family& family : kFamilies) {
        const std::uint16_t mss = own_mss(family.is_ipv6);
        const auto times = [](std::uint32_t ours) { return std::pair(ours, kClientTime); };
        const auto offered = std::pair(kClientTime, 0U);
        answered(family, syn_options(1400, true, offered, kClientScale),
                 syn_options(mss, true, times(time_of(1400, true, kClientScale)), kOurScale));
        answered(family, syn_options(1220, false, offered, 0),
                 syn_options(mss, false, times(time_of(1220, false, 0)), kOurScale));
        answered(family, syn_options(536, true, offered, {}),
                 syn_options(mss, true, times(time_of(536, true, 15)), {}));
        // What comes back in a timestamp alone is not offered without one.
        answered(family, {2, 4, 5, 0xb4, 4, 2, 3, 3, 7}, syn_options(mss, false, {}, {}));
        answered(family, {}, syn_options(mss, false, {}, {}));
        // A length that lies ends the options.
        answered(family, {2, 4, 5, 0xb4, 8, 0, 1, 1}, syn_options(mss, false, {}, {}));
        answered(family, {2, 4, 5, 0xb4, 8, 60, 1, 1}, syn_options(mss, false, {}, {}));
    }
}

TEST_P(Synproxy, TagsAreKept) {
    for (const Family& family : kFamilies)
        answered(family, {2, 4, 5, 0xb4}, syn_options(own_mss(family.is_ipv6), false, {}, {}), kClientStart,
                 Vlan{.id = 7, .priority = 3});
}

TEST_P(Synproxy, WhatHasNoCookieIsDropped) {
    std::mt19937 random(1);
    for (const Family& family : kFamilies) {
        const auto sent = [&](const Tcp& segment) { return to_server(family) / tcp(segment); };
        const std::uint32_t cookie =
            answered(family, {}, syn_options(own_mss(family.is_ipv6), false, {}, {}));
        for (int i = 0; i < 1000; ++i)
            expect_dropped(sent({.sequence = kClientStart + 1,
                                 .acknowledgement = static_cast<std::uint32_t>(random()),
                                 .flags = kAck}),
                           FW_REASON_COOKIE_INVALID, "a guess");
        const Tcp right = {.sequence = kClientStart + 1, .acknowledgement = cookie + 1, .flags = kAck};
        Tcp wrong = right;
        wrong.source = 40001;
        expect_dropped(sent(wrong), FW_REASON_COOKIE_INVALID, "another client's");
        wrong = right;
        wrong.sequence += 5;
        expect_dropped(sent(wrong), FW_REASON_COOKIE_INVALID, "of another SYN");
        for (const int flags : {kRst | 0, kRst | kAck, kFin | kAck, kSyn | kAck, kSyn | kFin, 0}) {
            wrong = right;
            wrong.flags = static_cast<std::uint8_t>(flags);
            expect_dropped(sent(wrong), FW_REASON_COOKIE_INVALID, "flags " + std::to_string(flags));
        }
    }
}

TEST_P(Synproxy, SomePacketsAreNotAnswered) {
    expect_dropped(ethernet() / ipv4({.source = "224.0.0.1"}) / tcp(), FW_REASON_SYNPROXY_FAILED,
                   "from many");
    expect_dropped(ethernet() / ipv4({.source = "127.0.0.1"}) / tcp(), FW_REASON_SYNPROXY_FAILED, "from lo");
    expect_dropped(ethernet({.destination = "ff:ff:ff:ff:ff:ff"}) / ipv4() / tcp(), FW_REASON_SYNPROXY_FAILED,
                   "a broadcast");
    expect_dropped(ethernet() / ipv4({.more_fragments = true}) / tcp(), FW_REASON_COOKIE_INVALID,
                   "a first fragment");
}

class Translation : public ProxiedConnection {};

INSTANTIATE_TEST_SUITE_P(Families, Translation, ::testing::ValuesIn(kFamilies),
                         [](const auto& family) { return family.param.name; });

TEST_P(Translation, AnAckWithACookieBecomesTheClientsSyn) {
    const Bytes options = syn_options(1400, true, std::pair(kClientTime, 0U), kClientScale);
    const std::uint32_t cookie = ask(options);
    const Bytes syn = syn_options(1400, true, std::pair(kClientTime + 1, 0U), kClientScale);
    const Bytes stamped = stamps(kClientTime + 1, time_of(1400, true, kClientScale));
    expect_syn(kClientStart + 1, cookie, stamped, 0, 51200, syn);
    // The client asks whether the window is open: with the number before, and with an octet behind the
    // window.
    expect_syn(kClientStart, cookie, stamped, 0, 51200, syn);
    expect_syn(kClientStart + 1, cookie, stamped, 1, 51200, syn);
    expect_syn(kClientStart + 1, cookie, stamped, 1000, 51200, syn);
}

// The kernel's tables of sizes (net/ipv4/syncookies.c, net/ipv6/syncookies.c). Behind a change of the minute
// the smallest size is right, too; that is tried again.
TEST_P(Translation, WithoutTimestampsTheSizeComesBackInTheCookie) {
    struct Case {
        std::uint16_t offered;
        std::uint16_t ipv4;
        std::uint16_t ipv6;
    };
    for (const Case& one :
         {Case{500, 536, 1220}, Case{1250, 536, 1220}, Case{1300, 1300, 1220}, Case{1439, 1300, 1420},
          Case{1440, 1440, 1440}, Case{1460, 1460, 1440}, Case{9000, 1460, 8940}}) {
        const std::uint16_t size = GetParam().is_ipv6 ? one.ipv6 : one.ipv4;
        const Bytes offered = {
            2, 4, static_cast<std::uint8_t>(one.offered >> 8), static_cast<std::uint8_t>(one.offered), 1, 1,
            4, 2};
        RunResult result;
        for (int tries = 0; tries < 2; ++tries) {
            const std::uint32_t cookie = ask(offered);
            result = from_client(client_frame({.sequence = kClientStart + 1,
                                               .acknowledgement = cookie + 1,
                                               .flags = kAck,
                                               .window = 1000}));
            if (result.frame ==
                Bytes(client_frame(
                    {.sequence = kClientStart, .window = 1000, .options = syn_options(size, false, {}, {})})))
                break;
        }
        EXPECT_EQ(result.frame, client_frame({.sequence = kClientStart,
                                              .window = 1000,
                                              .options = syn_options(size, false, {}, {})}))
            << one.offered;
    }
}

TEST_P(Translation, AServerThatRefusesResetsWhatTheClientHas) {
    const std::uint32_t cookie = ask({2, 4, 5, 0xb4});
    expect_syn(kClientStart + 1, cookie, {}, 0, 100,
               syn_options(GetParam().is_ipv6 ? 1440 : 1460, false, {}, {}));
    const RunResult result = run(
        *out_, server_frame(
                   {.sequence = 0, .acknowledgement = kClientStart + 1, .flags = kRst | kAck, .window = 0}));
    EXPECT_EQ(result.action, kTcPass);
    EXPECT_EQ(result.frame, server_frame({.sequence = cookie + 1,
                                          .acknowledgement = kClientStart + 1,
                                          .flags = kRst | kAck,
                                          .window = 0}));
    // All else has no connection to belong to.
    EXPECT_EQ(run(*out_, server_frame({.sequence = 9, .acknowledgement = kClientStart + 1, .flags = kAck}))
                  .trace.reason,
              FW_REASON_SYNPROXY_FAILED);
}

// Options in any order and place, timestamps and up to three blocks among them.
Bytes drawn_options(std::mt19937& random, std::uint32_t own, std::uint32_t echo,
                    const std::vector<std::uint32_t>& blocks) {
    Bytes options(random() % 4, 1);
    const bool first = random() % 2 == 0;
    const auto stamp = [&] {
        options.insert(options.end(), {8, 10});
        put(options, own);
        put(options, echo);
    };
    if (first) stamp();
    if (!blocks.empty()) {
        options.insert(options.end(), {5, static_cast<std::uint8_t>(2 + 4 * blocks.size())});
        for (const std::uint32_t number : blocks) put(options, number);
    }
    if (!first) stamp();
    return options;
}

TEST_P(Translation, NumbersBlocksTimesAndWindowsAreTranslated) {
    open_connection();
    std::mt19937 random(2);
    for (int i = 0; i < 3000; ++i) {
        const std::mt19937 same = random;
        const std::uint32_t moved = random() % 1000;
        const std::size_t octets = random() % 1200;
        const auto window = static_cast<std::uint16_t>(1000 + random() % 30000);
        std::vector<std::uint32_t> blocks(random() % 4 * 2);
        std::generate(blocks.begin(), blocks.end(), random);
        std::vector<std::uint32_t> translated = blocks;
        for (std::uint32_t& number : translated) number -= shift_;

        // To the server.
        std::mt19937 drawing = same;
        const Bytes sent = drawn_options(drawing, kClientTime + moved, given_ + moved, blocks);
        drawing = same;
        const Bytes expected =
            drawn_options(drawing, kClientTime + moved, given_ + moved - time_shift_, translated);
        Tcp segment = {.sequence = kClientStart + 1 + moved,
                       .acknowledgement = cookie_ + 1,
                       .flags = static_cast<std::uint8_t>(kAck | (random() % 2 ? kPsh : 0)),
                       .window = window,
                       .options = sent};
        const RunResult there = from_client(client_frame(segment, octets));
        segment.acknowledgement -= shift_;
        segment.options = expected;
        ASSERT_EQ(there.action, kTcPass) << i;
        ASSERT_EQ(there.trace.reason, FW_REASON_RULE_SYNPROXY) << i;
        ASSERT_EQ(there.frame, client_frame(segment, octets)) << i;
        // Where it goes on to the server it is part of the connection, and stays as it is.
        const RunResult on = run(*server_out_, there.frame);
        ASSERT_EQ(on.trace.packet.state, FW_STATE_ESTABLISHED) << i;
        ASSERT_EQ(on.frame, there.frame) << i;

        // To the client. Its blocks are in the client's own numbers.
        drawing = same;
        const Bytes answer = drawn_options(drawing, kServerTime + moved, kClientTime, blocks);
        drawing = same;
        const Bytes got = drawn_options(drawing, kServerTime + moved + time_shift_, kClientTime, blocks);
        Tcp back = {.sequence = kServerStart + 1 + moved,
                    .acknowledgement = kClientStart + 1,
                    .flags = kAck,
                    .window = window,
                    .options = answer};
        ASSERT_EQ(run(*server_in_, server_frame(back, octets)).trace.packet.state, FW_STATE_ESTABLISHED) << i;
        const RunResult here = run(*out_, server_frame(back, octets));
        back.sequence += shift_;
        back.window = static_cast<std::uint16_t>(
            std::min(0xffffU, (static_cast<unsigned>(window) << kServerScale) >> kOurScale));
        back.options = got;
        ASSERT_EQ(here.action, kTcPass) << i;
        ASSERT_EQ(here.frame, server_frame(back, octets)) << i;
    }
}

TEST_P(Translation, AServerThatDoesNotScaleGetsWholeWindows) {
    open_connection(std::nullopt);
    for (const std::uint16_t window : {0, 1, 100, 127, 128, 65535}) {
        Tcp segment = {.sequence = kClientStart + 1,
                       .acknowledgement = cookie_ + 1,
                       .flags = kAck,
                       .window = window,
                       .options = stamps(kClientTime, given_)};
        const RunResult there = from_client(client_frame(segment));
        segment.acknowledgement -= shift_;
        segment.window =
            static_cast<std::uint16_t>(std::min(0xffffU, static_cast<unsigned>(window) << kClientScale));
        segment.options = stamps(kClientTime, given_ - time_shift_);
        EXPECT_EQ(there.frame, client_frame(segment)) << window;
    }
    Tcp back = {.sequence = kServerStart + 1,
                .acknowledgement = kClientStart + 1,
                .flags = kAck,
                .window = 65535,
                .options = stamps(kServerTime, kClientTime)};
    const RunResult here = run(*out_, server_frame(back));
    back.sequence += shift_;
    back.window = 65535 >> kOurScale;
    back.options = stamps(given_, kClientTime);
    EXPECT_EQ(here.frame, server_frame(back));
}

// Path MTU discovery of the server: the number in what the error quotes has to be one that the server has
// sent.
TEST_P(Translation, ErrorsQuoteTheServersNumbers) {
    open_connection();
    const auto quoting = [&](std::uint32_t sequence) -> Bytes {
        const Tcp segment = {.source = 80,
                             .destination = 40000,
                             .sequence = sequence,
                             .acknowledgement = kClientStart + 1,
                             .flags = kAck};
        if (GetParam().is_ipv6) {
            Bytes quoted = ipv6({.source = "2001:db8::2", .destination = "2001:db8::1"}) / tcp(segment);
            return ethernet() / ipv6({.source = "2001:db8::9"}) / icmpv6({.type = 2, .rest = 1280}) /
                   raw(std::move(quoted));
        }
        Bytes quoted = ipv4({.source = "198.51.100.1", .destination = "192.0.2.1"}) / tcp(segment);
        return ethernet() / ipv4({.source = "192.0.2.99"}) / icmp({.type = 3, .code = 4, .rest = 1280}) /
               raw(std::move(quoted));
    };
    const RunResult result = from_client(quoting(cookie_ + 1));
    EXPECT_EQ(result.trace.packet.state, FW_STATE_RELATED);
    EXPECT_EQ(result.action, kTcPass);
    Bytes expected = quoting(kServerStart + 1);
    // The checksum of the quoted segment is not touched: nobody looks at it.
    const std::size_t checksum = GetParam().link + 8 + (GetParam().is_ipv6 ? 40 : 20) + 16;
    ASSERT_EQ(result.frame.size(), expected.size());
    const auto equal_but = [&](std::size_t i) {
        const bool of_quote = i == checksum || i == checksum + 1;
        const bool of_message = i == GetParam().link + 2 || i == GetParam().link + 3;
        return of_quote || of_message || result.frame[i] == expected[i];
    };
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(equal_but(i)) << i;
    // The sum of the message changed as its words have.
    const auto sum_of = [&](const Bytes& frame) {
        std::uint32_t sum = 0;
        for (std::size_t i = GetParam().link; i + 1 < frame.size(); i += 2)
            sum += static_cast<std::uint32_t>(frame[i]) << 8 | frame[i + 1];
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return sum % 0xffff;
    };
    EXPECT_EQ(sum_of(result.frame), sum_of(quoting(cookie_ + 1)));
}

}  // namespace
}  // namespace fwctl::testing
