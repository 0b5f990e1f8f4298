#include "engine/placed.h"

#include <gtest/gtest.h>

#include "policy/service.h"

namespace fwctl::engine {
namespace {

constexpr std::uint32_t kNow = 1'000'000;  // the time in a word has come around before

// Two vips of two backends each, which have the numbers 1 to 4.
std::vector<policy::Vip> two_vips() {
    std::vector<policy::Vip> vips;
    for (const auto& [name, service] : {std::pair("a", "tcp/80"), {"b", "udp/53"}}) {
        policy::Vip vip;
        vip.name = name;
        vip.services = {*policy::parse_service(service)};
        for (const char* backend : {"x", "y"}) {
            vip.backends.emplace_back();
            vip.backends.back().name = backend;
        }
        vips.push_back(vip);
    }
    return vips;
}

std::uint64_t entry(std::uint32_t backend, std::uint32_t age, std::uint32_t flags = 0) {
    return std::uint64_t{0xabcdef} << FW_PLACED_TAG_SHIFT | backend << FW_PLACED_BACKEND_SHIFT | flags |
           ((kNow - age) & ((1U << FW_PLACED_TIME_BITS) - 1));
}

struct Placed : testing::Test {
    void SetUp() override { ASSERT_TRUE(numbers.assign(vips).has_value()); }
    PlacedFlows count(const fw_placed_line& line, const char* vip, const char* backend) {
        PlacedCounter counter(vips, numbers);
        counter.add(line, kNow);
        return counter.of(numbers.backend(vip, backend));
    }
    std::uint32_t number(const char* vip, const char* backend) { return numbers.backend(vip, backend); }

    std::vector<policy::Vip> vips = two_vips();
    compile::Numbers numbers;
};

TEST_F(Placed, ProvenAndNewFlowsAreToldApartByTheirWay) {
    fw_placed_line line{};
    line.words[0] = entry(number("a", "x"), 100);
    line.words[1] = entry(number("a", "x"), 30);
    line.words[2] = entry(number("a", "y"), 0);
    line.words[6] = entry(number("a", "x"), 50);
    EXPECT_EQ(count(line, "a", "x"), (PlacedFlows{2, 1, std::chrono::seconds(32)}));
    EXPECT_EQ(count(line, "a", "y"), (PlacedFlows{1, 0, std::chrono::seconds(0)}));
    EXPECT_EQ(count(line, "b", "x"), (PlacedFlows{}));
}

TEST_F(Placed, WhatIsOverIsNotCounted) {
    fw_placed_line line{};
    line.words[0] = entry(number("a", "x"), FW_PLACED_TCP_TIMEOUT + 1);
    line.words[1] = entry(number("a", "x"), FW_PLACED_CLOSING_TIMEOUT + 1, FW_PLACED_CLOSING);
    line.words[2] = entry(number("b", "x"), FW_PLACED_UDP_TIMEOUT + 1);
    line.words[6] = entry(number("a", "x"), FW_PLACED_NEW_TIMEOUT + 1);
    EXPECT_EQ(count(line, "a", "x").all(), 0U);
    EXPECT_EQ(count(line, "b", "x").all(), 0U);
    line.words[0] = entry(number("a", "x"), FW_PLACED_TCP_TIMEOUT);
    line.words[1] = entry(number("a", "x"), FW_PLACED_CLOSING_TIMEOUT, FW_PLACED_CLOSING);
    line.words[2] = entry(number("b", "x"), FW_PLACED_UDP_TIMEOUT);
    line.words[6] = entry(number("a", "x"), FW_PLACED_NEW_TIMEOUT);
    EXPECT_EQ(count(line, "a", "x").all(), 3U);
    EXPECT_EQ(count(line, "b", "x").all(), 1U);
}

// How the clock of the words goes on after what was the last packet of each.
TEST_F(Placed, WhatIsOverIsSetFree) {
    fw_placed_line line{};
    line.words[0] = entry(1, 0);
    line.words[1] = entry(1, 0, FW_PLACED_CLOSING);
    line.words[6] = entry(3, 0);
    const auto sweep = [&](std::uint32_t later) {
        return free_placed(line, read_placed(line), kNow + later);
    };
    EXPECT_EQ(sweep(FW_PLACED_NEW_TIMEOUT), 0U);
    EXPECT_EQ(sweep(FW_PLACED_NEW_TIMEOUT + 1), 2U);
    EXPECT_EQ(line.words[1] | line.words[6], 0U);
    EXPECT_EQ(sweep(FW_PLACED_TCP_TIMEOUT), 0U);
    EXPECT_EQ(sweep(FW_PLACED_TCP_TIMEOUT + 1), 1U);
    EXPECT_EQ(line.words[0], 0U);
}

TEST_F(Placed, AnEntryThatIsSweptNeverLooksNewAgain) {
    constexpr std::uint32_t kAround = 1U << FW_PLACED_TIME_BITS;
    constexpr std::uint32_t kPeriod = 450;  // eight minutes
    for (const std::size_t way : {0, 5, 6, 7})
        for (const bool swept : {false, true}) {
            fw_placed_line line{};
            line.words[way] = entry(number("a", "x"), 0);
            for (std::uint32_t later = 0; swept && later < kAround; later += kPeriod)
                free_placed(line, read_placed(line), kNow + later);
            PlacedCounter counter(vips, numbers);
            counter.add(line, kNow + kAround + 1);
            EXPECT_EQ(counter.of(number("a", "x")).all(), swept ? 0U : 1U) << way;
        }
}

TEST_F(Placed, WhatAProgramHasWrittenMeanwhileStays) {
    fw_placed_line line{};
    line.words[0] = entry(1, FW_PLACED_TCP_TIMEOUT + 1);
    line.words[1] = entry(2, FW_PLACED_TCP_TIMEOUT + 1);
    const fw_placed_line seen = read_placed(line);
    line.words[0] = entry(3, 0);
    EXPECT_EQ(free_placed(line, seen, kNow), 1U);
    EXPECT_EQ(line.words[0], entry(3, 0));
    EXPECT_EQ(line.words[1], 0U);
}

TEST_F(Placed, WhatNoBackendHasIsNobodys) {
    fw_placed_line line{};
    line.words[0] = entry(77, 0);
    for (const char* vip : {"a", "b"})
        for (const char* backend : {"x", "y"}) EXPECT_EQ(count(line, vip, backend).all(), 0U);
}

}  // namespace
}  // namespace fwctl::engine
