// Every packet that the generators make has a frame, and the oracle parser reads from it what was asked for.
#include "frame_of.h"

#include <gtest/gtest.h>

#include "generate/packets.h"
#include "generate/policy.h"
#include "generate/small_world.h"

namespace fwctl::testing {
namespace {

void expect_read_back(const policy::PacketView& wanted) {
    const Frame frame = frame_of(wanted);
    const OracleResult parsed = oracle_parse(frame.bytes, frame.link);
    ASSERT_FALSE(parsed.reason) << fw_reason{*parsed.reason};
    ASSERT_TRUE(view_of(parsed, frame.bytes, frame.link, frame.view) == frame.view);
    ASSERT_TRUE(frame.view == wanted) << "a possible view is kept as it is";
}

TEST(FrameOf, IsReadAsItsView) {
    const auto policy = generate::generate_policy(generate::Mix::kWildcard, 500, 1);
    const auto context = generate::generate_context(policy, 1, 1);
    generate::Random random(1);
    generate::SmallWorld world(1);
    for (int i = 0; i < 5000; ++i) {
        expect_read_back(generate::random_packet(random));
        expect_read_back(generate::aimed_packet(policy.rules, context, random));
        expect_read_back(world.packet());
        if (HasFatalFailure()) FAIL() << "round " << i;
    }
}

TEST(FrameOf, MendsAViewThatNoFrameHas) {
    policy::PacketView view;
    view.family = policy::Family::kIpv6;
    view.protocol = 6;
    const Frame frame = frame_of(view);
    EXPECT_EQ(frame.link, FW_LINK_IP);
    EXPECT_EQ(frame.view.length, 60U);
    EXPECT_EQ(frame.bytes.size(), 60U);
    EXPECT_TRUE(frame.view.has_l4);
}

}  // namespace
}  // namespace fwctl::testing
